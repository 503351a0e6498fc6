"""What the daemon writes into its log: one event, one line."""

from __future__ import annotations

from typing import Any

from reportsync.announce.log import Logger
from reportsync.collect import Collected
from reportsync.incidents import Notice, Phase
from reportsync.model import HAVE, UNANSWERED, Outcome, instant_text
from reportsync.service import hooks
from reportsync.service.judge import Checked, Found
from reportsync.service.passes import Summary

_LEVELS = {Outcome.WAITING: "info", Outcome.BUSY: "info", Outcome.REJECTED: "error"}


def log_report(logger: Logger, ended: Collected) -> None:
    """Log how the work on one report ended."""
    fine = ended.outcome in HAVE and not ended.flags
    level = "info" if fine else _LEVELS.get(ended.outcome, "warning")
    fields: dict[str, Any] = {
        "app": ended.report.app,
        "day": ended.report.day.isoformat(),
        "outcome": ended.outcome.value,
        "attempt": ended.attempt,
        "pass_id": ended.pass_id,
        "bytes": ended.size,
        "status": ended.status,
        "reason": ended.reason,
        "remedy": ended.hint if ended.outcome in UNANSWERED else None,
        "next_attempt": instant_text(ended.next_attempt) if ended.next_attempt else None,
        "flags": list(ended.flags) or None,
    }
    told = {key: value for key, value in fields.items() if value is not None}
    getattr(logger, level)("report", **told)


def log_hook(logger: Logger, ran: hooks.Ran) -> None:
    """Log how one run of the hook ended."""
    told = {"arrival": ran.arrival, "app": ran.report.app, "day": ran.report.day.isoformat()}
    if ran.error is not None and ran.next_attempt is not None:
        again = instant_text(ran.next_attempt)
        logger.warning("hook failed", **told, reason=ran.error, tries=ran.tries, next_attempt=again)
    elif ran.stopped:
        logger.info("hook stopped, to be run again", **told)
    else:
        logger.info("hook", **told, seconds=round(ran.seconds, 3))


def log_checked(logger: Logger, found: Checked) -> None:
    """Log an archive that was not found right; of the others only at the level debug."""
    archive = found.archive
    fields: dict[str, Any] = {
        "app": archive.report.app,
        "day": archive.report.day.isoformat(),
        "file_version": archive.version,
        "result": found.found.value,
    }
    if found.error is not None:
        fields |= {"reason": found.error.message, "remedy": found.error.hint}
    (logger.debug if found.found is Found.OK else logger.warning)("verified", **fields)


def log_notice(logger: Logger, one: Notice) -> None:
    """Log that an incident was opened, goes on or was closed."""
    level = "info" if one.phase is Phase.CLOSED else "warning"
    getattr(logger, level)("incident", phase=str(one.phase), title=one.title, text=one.body)


def log_pass(logger: Logger, summary: Summary) -> None:
    """Log how a pass ended, unless it had nothing to do."""
    if summary.trouble is not None:
        logger.error("storage", reason=summary.trouble.message, remedy=summary.trouble.hint)
    if summary.asked or summary.exit:
        logger.info(
            "pass",
            pass_id=summary.pass_id,
            asked=summary.asked,
            stored=summary.stored,
            adopted=summary.adopted,
            missing=summary.missing,
            rejected=summary.rejected,
            seconds=round(summary.seconds, 3),
            exit=summary.exit,
        )

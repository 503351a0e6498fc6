"""Explain one day of an app: the state, the rule that decided it, every attempt, what to do."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from reportsync.calendar import due, due_through, scheduled
from reportsync.incidents import Cause, key_of
from reportsync.known import DAMAGED, NEVER_ASKED, Missing, may_ask_from
from reportsync.ledger import Ledger, incidents, overview, queries
from reportsync.ledger.queries import HeldArchive, ReportRow
from reportsync.model import Attempt, Outcome, Report, Waiver, instant_text
from reportsync.notation import duration_text
from reportsync.retry import believable
from reportsync.settings import App


def why(ledger: Ledger, app: App, day: date, now: datetime) -> dict[str, Any]:
    """Return what is known of the report of `app` about `day` at `now`, as the JSON object of `why`."""
    report = Report(app.name, day)
    row = ledger.read(queries.report_row, report)
    waivers = ledger.read(overview.waivers_by_app).get(app.name, [])
    holding = [waiver for waiver in waivers if waiver.covers(day, now)]
    state, rule = _state(app, day, row, holding, now)
    if state == "stored" and report in ledger.read(_damaged, app):
        state, rule = "damaged", DAMAGED
    claim = ledger.read(queries.claim_end, report)
    again = _next_attempt(app, day, row, state, now)
    refused = _refused(ledger, app) if state == "missing" else None
    return {
        "version": 1,
        "app": app.name,
        "day": day.isoformat(),
        "state": state,
        "rule": rule,
        "reason": (row.reason if row else None)
        or refused
        or (NEVER_ASKED if state == "missing" else None),
        "scheduled": instant_text(scheduled(day, app)),
        "due": instant_text(due(day, app)),
        "next_attempt": instant_text(again) if again else None,
        "claimed_until": instant_text(claim[1]) if claim else None,
        "attempts": [_attempt(one) for one in ledger.read(queries.attempts_of, report)],
        "versions": [_version(one) for one in ledger.read(queries.versions_of, report)],
        "waivers": [_waiver(one) for one in holding],
        "command": _command(app, day, state, rejected=_rejected(row) or refused is not None),
    }


def _state(
    app: App, day: date, row: ReportRow | None, waivers: list[Waiver], now: datetime
) -> tuple[str, str]:
    """Return the state and the rule behind it, in a sentence."""
    if row is not None and row.state == "stored":
        return "stored", "its archive was fetched or adopted, verified and recorded"
    if day < app.since:
        return "not expected", f"it lies before the app's first day, since: {app.since}"
    if app.until is not None and day > app.until:
        return "not expected", f"it lies after the app's last day, until: {app.until}"
    last = due_through(app, now)
    if last is None or day > last:
        time = f"{app.report_time:%H:%M} {app.timezone} on the next day"
        return "not due", f"it is due {duration_text(app.buffer)} (buffer) after {time}"
    if waivers:
        return "waived", f"{waivers[-1].author} waived it: {waivers[-1].reason}"
    if row is not None and row.last_outcome is Outcome.WAITING:
        return (
            "waiting",
            "it is due, and the server says that it is not there; it is asked for again with growing pauses",
        )
    return "missing", "it is due and not in the archive"


def _next_attempt(
    app: App, day: date, row: ReportRow | None, state: str, now: datetime
) -> datetime | None:
    if state == "not due":
        return due(day, app)
    if state not in ("missing", "waiting"):
        return None
    again = believable(row.next_attempt, now, app, row.last_attempt) if row else None
    return max(now, may_ask_from(app, Missing(day, next_attempt=again)))


def _damaged(connection: Connection, app: App) -> frozenset[Report]:
    key = key_of(Cause.DAMAGE, app.name)
    about = (one for one in incidents.open_now(connection) if one.key == key)
    return incidents.damaged(connection, about)


def _refused(ledger: Ledger, app: App) -> str | None:
    """Return why no day of `app` is asked for beside one probe a pass: its key is refused."""
    key = key_of(Cause.KEY, app.name)
    return next((one.reason for one in ledger.read(incidents.open_now) if one.key == key), None)


def _command(app: App, day: date, state: str, *, rejected: bool) -> str | None:
    """Return the command that a person would use now."""
    if state in ("missing", "waiting"):
        return to_act(app.name, day, day, rejected=rejected)
    if state == "damaged":
        return f"reportsync repair --app {app.name}"
    if state == "stored":
        return f"reportsync verify --app {app.name} --since {day}"
    return f"reportsync unwaive {app.name} {day}" if state == "waived" else None


def _rejected(row: ReportRow | None) -> bool:
    return row is not None and row.last_outcome is Outcome.REJECTED


def to_act(app: str, first: date, last: date, *, rejected: bool) -> str:
    """Return the command for the missing days `first` to `last` of `app`. Pure."""
    if rejected:
        return f"reportsync check --app {app}"
    return f"reportsync backfill --app {app} --since {first} --until {last}"


def _attempt(one: Attempt) -> dict[str, Any]:
    return {
        "started": instant_text(one.started),
        "seconds": round((one.ended - one.started).total_seconds(), 3),
        "outcome": one.outcome.value,
        "requests": one.requests,
        "status": one.status,
        "bytes": one.size,
        "reason": one.reason,
    }


def _version(one: HeldArchive) -> dict[str, Any]:
    return {
        "version": one.archive.version,
        "held": one.held,
        "bytes": one.archive.size,
        "sha256": one.archive.sha256,
        "members": one.archive.members,
        "flags": list(one.flags),
        "stored": instant_text(one.stored),
        "verified": instant_text(one.verified),
    }


def _waiver(one: Waiver) -> dict[str, Any]:
    return {
        "from": one.first.isoformat(),
        "to": one.last.isoformat(),
        "reason": one.reason,
        "author": one.author,
        "created": instant_text(one.created),
        "until": one.until.isoformat() if one.until else None,
    }

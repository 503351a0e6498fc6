"""How a pass is shown: a progress bar on a terminal, plain lines elsewhere, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from reportsync.cli.context import Context
from reportsync.cli.output import plural, put_json, put_wrapped, say
from reportsync.collect import Collected
from reportsync.model import UNANSWERED, instant_text
from reportsync.redact import mask
from reportsync.service.passes import Listener, Summary


class Shown(Listener):
    """A listener that can also show the summary."""

    def summary(self, summary: Summary) -> None:
        """Say how the pass ended."""
        put_wrapped(summary_line(summary), hang=2)


def report_event(ended: Collected) -> dict[str, Any]:
    """Return the contract's JSON event about one report."""
    event: dict[str, Any] = {
        "event": "report",
        "app": ended.report.app,
        "day": ended.report.day.isoformat(),
        "outcome": ended.outcome.value,
        "bytes": ended.size,
        "sha256": ended.sha256,
        "status": ended.status,
        "reason": ended.reason,
    }
    if ended.hint and ended.outcome in UNANSWERED:
        event["hint"] = ended.hint
    if ended.flags:
        event["flags"] = list(ended.flags)
    if ended.version is not None:
        event["file_version"] = ended.version
    return event


def summary_event(summary: Summary) -> dict[str, Any]:
    """Return the contract's JSON event about a whole pass."""
    return {
        "event": "summary",
        "asked": summary.asked,
        "stored": summary.stored,
        "adopted": summary.adopted,
        "missing": summary.missing,
        "rejected": summary.rejected,
        "versions": summary.versions,
        "unchanged": summary.unchanged,
        "flagged": summary.flagged,
        "seconds": round(summary.seconds, 3),
        "exit": summary.exit,
    }


class JsonLines(Shown):
    """One JSON object per line on stdout."""

    def ended(self, ended: Collected) -> None:
        put_json(report_event(ended))

    def summary(self, summary: Summary) -> None:
        put_json(summary_event(summary))


class PlainLines(Shown):
    """One line per report on stderr; when quiet, of what went wrong alone."""

    def __init__(self, verbosity: int) -> None:
        self._verbosity = verbosity

    def ended(self, ended: Collected) -> None:
        if self._verbosity >= 0 or ended.outcome in UNANSWERED:
            say(report_line(ended, self._verbosity))

    def width(self, host: str, width: int) -> None:
        if self._verbosity > 1:
            say(width_line(host, width))

    def waiting_for_others(self, count: int) -> None:
        if self._verbosity >= 0:
            say(waiting_line(count))

    def summary(self, summary: Summary) -> None:
        # A quiet command that went well says nothing at all: cron sends mail for every word.
        if self._verbosity >= 0 or summary.exit:
            super().summary(summary)


def waiting_line(count: int) -> str:
    """Say that others work on `count` reports."""
    return f"waiting for {plural(count, 'report')} that other processes are working on"


def width_line(host: str, width: int) -> str:
    """Say how many reports at once a host is asked for."""
    return f"{host} is asked for {plural(width, 'report')} at once"


def report_line(ended: Collected, verbosity: int = 0) -> str:
    """Return one line about one report: what, and why not; more when `verbosity` is over 0."""
    parts = [f"{ended.report.app} {ended.report.day} {ended.outcome}"]
    if ended.version is not None and ended.version > 1:
        parts.append(f"as version {ended.version}")
    if ended.size is not None:
        parts.append(f"{ended.size:,} bytes")
    text = ", ".join(parts)
    if ended.reason:
        text += f": {mask(ended.reason)}"
    if verbosity > 0 and ended.next_attempt is not None:
        text += f", next attempt {instant_text(ended.next_attempt)}"
    if ended.hint and (verbosity > 0 or ended.outcome in UNANSWERED):
        text += f"; what to do: {mask(ended.hint)}"
    if verbosity > 1 and ended.sha256 is not None:
        text += f", SHA-256 {ended.sha256}"
    return text + "".join(f" [{flag}]" for flag in ended.flags)


def summary_line(summary: Summary) -> str:
    """Return the last line of a pass."""
    if summary.stopped:
        head = "stopped before the end"
    elif summary.trouble is not None:
        head = "ended early by a storage fault"
    elif not summary.asked:
        head = "nothing to ask for" if summary.missing == 0 else "nothing to ask for now"
    else:
        head = "done"
    return f"{head}: {', '.join(_counts(summary))}, in {summary.seconds:.1f} s"


def _counts(summary: Summary) -> Iterator[str]:
    """Yield the figures: three always, the others where there is something to count."""
    yield f"{summary.asked:,} asked for"
    yield f"{summary.stored:,} stored"
    if summary.versions:
        yield f"{plural(summary.versions, 'new version')} among them"
    for count, word in (
        (summary.unchanged, "unchanged"),
        (summary.adopted, "adopted"),
        (summary.rejected, "rejected"),
        (summary.flagged, "worth a look"),
    ):
        if count:
            yield f"{count:,} {word}"
    if summary.missing is not None:
        yield f"{summary.missing:,} missing"


@contextmanager
def listener_for(context: Context, as_json: bool) -> Iterator[Shown]:
    """Provide the listener that fits where the output goes."""
    if as_json:
        yield JsonLines()
    elif sys.stderr.isatty() and context.verbosity >= 0:
        from reportsync.cli.progress import Bars

        with Bars(color=context.color, verbosity=context.verbosity) as bars:
            yield bars
    else:
        yield PlainLines(context.verbosity)

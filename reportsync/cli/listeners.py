"""How a pass is shown: a progress bar on a terminal, plain lines elsewhere, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from reportsync.cli.context import Context
from reportsync.cli.output import put, put_json, say
from reportsync.collect import Collected
from reportsync.model import Outcome
from reportsync.redact import mask
from reportsync.service.passes import Listener, Summary


class Shown(Listener):
    """A listener that can also show the summary."""

    def summary(self, summary: Summary) -> None:
        """Say how the pass ended."""
        put(summary_line(summary))


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
    """One line per report on stderr."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet

    def ended(self, ended: Collected) -> None:
        if not self._quiet or ended.outcome in (Outcome.FAILED, Outcome.REJECTED):
            say(report_line(ended))

    def waiting_for_others(self, count: int) -> None:
        if not self._quiet:
            say(f"waiting for {count} reports that other processes are working on")


def report_line(ended: Collected) -> str:
    """Return one line about one report: what, and why not."""
    parts = [f"{ended.report.app} {ended.report.day} {ended.outcome}"]
    if ended.version is not None and ended.version > 1:
        parts.append(f"as version {ended.version}")
    if ended.size is not None:
        parts.append(f"{ended.size:,} bytes")
    text = ", ".join(parts)
    if ended.reason:
        text += f": {mask(ended.reason)}"
    if ended.outcome is Outcome.REJECTED and ended.hint:
        text += f" ({mask(ended.hint)})"
    return text + "".join(f" [{flag}]" for flag in ended.flags)


def summary_line(summary: Summary) -> str:
    """Return the last line of a pass."""
    if summary.stopped:
        head = "stopped before the end"
    elif summary.trouble is not None:
        head = "ended early by a storage fault"
    else:
        head = "nothing was due" if not summary.asked and not summary.missing else "done"
    counts = [f"{summary.asked} asked for", f"{summary.stored} stored"]
    if summary.adopted:
        counts.append(f"{summary.adopted} adopted")
    if summary.rejected:
        counts.append(f"{summary.rejected} rejected")
    counts.append(f"{summary.missing} missing")
    return f"{head}: {', '.join(counts)}, in {summary.seconds:.1f} s"


@contextmanager
def listener_for(context: Context, as_json: bool) -> Iterator[Shown]:
    """Provide the listener that fits where the output goes."""
    if as_json:
        yield JsonLines()
    elif sys.stderr.isatty() and context.verbosity >= 0:
        from reportsync.cli.progress import Bars

        with Bars(color=context.color) as bars:
            yield bars
    else:
        yield PlainLines(quiet=context.verbosity < 0)

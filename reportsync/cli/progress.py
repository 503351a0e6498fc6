"""Progress on a terminal: one bar with counts and the time left, and a line for what did not go well."""

from __future__ import annotations

import time
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
)
from rich.text import Text

from reportsync.cli.listeners import Shown, report_line, waiting_line, width_line
from reportsync.cli.remaining import Remaining, duration_words
from reportsync.collect import Collected
from reportsync.model import HAVE, Outcome
from reportsync.service.passes import Summary

_STYLES = {Outcome.FAILED: "red", Outcome.REJECTED: "bold red", Outcome.WAITING: "yellow"}


class _Left(ProgressColumn):
    """Shows the time left, nothing before it is known."""

    def __init__(self, remaining: Remaining) -> None:
        super().__init__()
        self._remaining = remaining

    def render(self, task: Task) -> Text:
        seconds = self._remaining.seconds(time.monotonic())
        return Text("" if seconds is None else f"about {duration_words(seconds)} left")


class Bars(Shown):
    """Shows a pass on stderr, which is a terminal."""

    def __init__(self, *, color: bool, verbosity: int = 0) -> None:
        self._verbosity = verbosity
        self._remaining = Remaining()
        self._console = Console(
            stderr=True, color_system="auto" if color else None, highlight=False
        )
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[size]}"),
            _Left(self._remaining),
            console=self._console,
        )
        self._task = self._progress.add_task("reports", total=None, size="", visible=False)
        self._bytes = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begun(self, planned: int, rate: float) -> None:
        self._remaining.begun(planned, rate)
        self._progress.update(self._task, total=planned, visible=True)

    def width(self, host: str, width: int) -> None:
        if self._verbosity > 1:
            self._console.print(escape(width_line(host, width)))

    def ended(self, ended: Collected) -> None:
        asked = ended.outcome not in (Outcome.ADOPTED, Outcome.BUSY)
        self._remaining.ended(time.monotonic(), asked=asked)
        self._bytes += ended.size or 0
        self._progress.update(self._task, advance=1, size=f"{self._bytes / 2**20:.1f} MiB")
        if ended.outcome not in HAVE or ended.flags or self._verbosity > 0:
            style = _STYLES.get(ended.outcome, "cyan")
            line = report_line(ended, self._verbosity)
            self._console.print(f"[{style}]{escape(line)}[/]")

    def waiting_for_others(self, count: int) -> None:
        self._console.print(waiting_line(count))

    def summary(self, summary: Summary) -> None:
        self._progress.stop()
        super().summary(summary)

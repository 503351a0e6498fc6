"""Progress on a terminal: one bar with counts and the time left, and a line for what did not go well."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from reportsync.cli.listeners import Shown, report_line, waiting_line
from reportsync.collect import Collected
from reportsync.model import HAVE, Outcome
from reportsync.service.passes import Summary

_STYLES = {Outcome.FAILED: "red", Outcome.REJECTED: "bold red", Outcome.WAITING: "yellow"}


class Bars(Shown):
    """Shows a pass on stderr, which is a terminal."""

    def __init__(self, *, color: bool, verbosity: int = 0) -> None:
        self._verbosity = verbosity
        self._console = Console(
            stderr=True, color_system="auto" if color else None, highlight=False
        )
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[size]}"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task = self._progress.add_task("reports", total=None, size="", visible=False)
        self._bytes = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begun(self, planned: int) -> None:
        self._progress.update(self._task, total=planned, visible=True)

    def ended(self, ended: Collected) -> None:
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

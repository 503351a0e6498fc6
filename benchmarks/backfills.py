"""Lines about backfills: how fast beside another way to fetch the same, and how much memory."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.data import Reports
from benchmarks.figures import Outcome, Unit, compare
from benchmarks.place import Place
from benchmarks.server import Missing
from benchmarks.sides import OURS, Side


@dataclass(frozen=True, slots=True)
class Backfill:
    """A backfill beside another way to fetch the same, run in turn."""

    name: str
    reports: Reports
    other: Side
    target: float | None = None
    width: int = 8
    latency: float = 0.0  # seconds
    usual: bool = True

    @property
    def about(self) -> str:
        """What is fetched, and how."""
        return _about(self.reports, self.width, self.latency)

    @property
    def beside(self) -> str:
        """Who else does it."""
        return self.other.name

    @property
    def works(self) -> Iterable[tuple[str, str]]:
        """What each side does."""
        return [(side.name, side.work) for side in (OURS, self.other)]

    def measure(self, place: Place, runs: int) -> Outcome:
        """Run both in turn, `runs` times."""
        ours, other = [], []
        with place.line(self.latency) as port:
            for _ in range(runs):
                ours.append(place.run(OURS, self.reports, self.width, port))
                other.append(place.run(self.other, self.reports, self.width, port))
        return compare(Unit.RATIO, ours, other, self.target)


@dataclass(frozen=True, slots=True)
class Peak:
    """The memory of a backfill at its peak; with `fewer`, beside that of a smaller one."""

    name: str
    reports: Reports
    target: float
    width: int = 8
    latency: float = 0.0  # seconds
    fewer: Reports | None = None
    usual: bool = True

    @property
    def about(self) -> str:
        """What is fetched, and how."""
        return f"memory: {_about(self.reports, self.width, self.latency)}"

    @property
    def beside(self) -> str:
        """How much the smaller one fetches."""
        return self.fewer.words if self.fewer else ""

    @property
    def works(self) -> Iterable[tuple[str, str]]:
        """What each side does."""
        return [(OURS.name, OURS.work)]

    def measure(self, place: Place, runs: int) -> Outcome:
        """Run it, or both in turn, `runs` times; what has gigabytes once."""
        self._refuse_full(place)
        if self.reports.stored:
            runs = 1
        ours, other = [], []
        with place.line(self.latency) as port:
            for _ in range(runs):
                ours.append(place.run(OURS, self.reports, self.width, port))
                if self.fewer:
                    other.append(place.run(OURS, self.fewer, self.width, port))
        return compare(Unit.PEAK_RATIO if other else Unit.PEAK, ours, other, self.target)

    def _refuse_full(self, place: Place) -> None:
        """Raise `Missing` unless there is room to serve the reports and to fetch them, and some more."""
        needed = 2 * self.reports.count * self.reports.size + 2**30
        free = shutil.disk_usage(place.folder).free
        if free < needed:
            raise Missing(f"{needed / 2**30:.0f} GiB free are needed, {free / 2**30:.0f} are")


def _about(reports: Reports, width: int, latency: float) -> str:
    far = f"{latency * 1000:g} ms away" if latency else "no latency"
    return f"{reports.words}, {far}, {width} wide"

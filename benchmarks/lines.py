"""The lines of the table: what is fetched, how far away, who else does it, and what is promised."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from benchmarks.backfills import Backfill, Peak
from benchmarks.commands import OfHistory, Start
from benchmarks.data import GIB, KIB, MIB, Reports
from benchmarks.figures import Outcome, Unit
from benchmarks.idle import Idle
from benchmarks.place import Place
from benchmarks.sides import (
    ARIA2C,
    BOTH_HANDS,
    BY_HAND,
    CURL,
    RCLONE,
    WGET,
)

SMALL, MIDDLE = Reports(2000, 4 * KIB), Reports(2000, 64 * KIB)
LARGE, HUGE = Reports(500, MIB), Reports(8, 100 * MIB, distinct=2)
FAR, FEW, MANY = Reports(640, 4 * KIB), Reports(400, 4 * KIB), Reports(4000, 4 * KIB)
GIANT = Reports(1, 4 * GIB, stored=True)


class Line(Protocol):
    """One line of the table."""

    @property
    def name(self) -> str:
        """What it is called on the command line."""

    @property
    def about(self) -> str:
        """What is done."""

    @property
    def beside(self) -> str:
        """Who else does it, or nothing."""

    @property
    def works(self) -> Iterable[tuple[str, str]]:
        """Each side's name, and what work it does."""

    @property
    def usual(self) -> bool:
        """Whether it is measured when no line is named."""

    def measure(self, place: Place, runs: int) -> Outcome:
        """Measure it in `place`, each side `runs` times; raise `Missing` where a program is missing."""


LINES: tuple[Line, ...] = (
    Backfill("4k-hand", SMALL, BY_HAND, 0.45),
    Backfill("64k-hand", MIDDLE, BY_HAND, 0.5),
    Backfill("1m-hand", LARGE, BY_HAND, 0.35),
    Backfill("100m-hand", HUGE, BY_HAND, 0.3),
    Backfill("4k-50ms-8", SMALL, CURL, 1.03, 8, 0.05),
    Backfill("4k-50ms-32", SMALL, CURL, 1.06, 32, 0.05),
    Backfill("4k-200ms-32", FAR, CURL, None, 32, 0.2),
    Peak("memory-small", SMALL, 80, 32, 0.05),
    Peak("memory-100m", HUGE, 100),
    Peak("memory-4g", GIANT, 80, usual=False),
    Peak("memory-growth", MANY, 1.1, fewer=FEW, usual=False),
    Start("version", ("--version",), 0.05),
    Start("help", ("--help",), 0.1),
    Start("completion", ("st",), 0.1, completes=True),
    OfHistory("sync-long", ("sync",), Unit.SECONDS, 0.6),
    OfHistory("sync-growth", ("sync",), Unit.RATIO, 1.2),
    OfHistory("status-long", ("status",), Unit.SECONDS, 0.5),
    OfHistory("status-growth", ("status",), Unit.RATIO),
    Idle("idle-memory", Unit.RESIDENT, 60),
    Idle("idle-wakes", Unit.WAKES, 1),
    Backfill("4k-curl", SMALL, CURL, usual=False),
    Backfill("64k-curl", MIDDLE, CURL, usual=False),
    Backfill("1m-curl", LARGE, CURL, usual=False),
    Backfill("100m-curl", HUGE, CURL, usual=False),
    Backfill("4k-hands", SMALL, BOTH_HANDS, usual=False),
    Backfill("1m-hands", LARGE, BOTH_HANDS, usual=False),
    Backfill("100m-hands", HUGE, BOTH_HANDS, usual=False),
    Backfill("4k-wget", SMALL, WGET, usual=False),
    Backfill("4k-aria2c", SMALL, ARIA2C, usual=False),
    Backfill("4k-rclone", SMALL, RCLONE, usual=False),
    Backfill("tiny", Reports(5, 4 * KIB), BY_HAND, usual=False),  # for the test of all this
)

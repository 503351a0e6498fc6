"""Lines about commands that find nothing to do: how soon they are there, and after how much history."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.figures import Outcome, Unit, compare
from benchmarks.place import Place
from benchmarks.sides import reportsync

APPS, LONG, SHORT = 1000, 3650, 30
_TIMES = 10  # for one run: each takes a fraction of a second
_COMPLETES = ("env", "_REPORTSYNC_COMPLETE=bash_complete", "COMP_CWORD=1")


@dataclass(frozen=True, slots=True)
class Start:
    """A command that works on nothing, beside the bare interpreter."""

    name: str
    words: tuple[str, ...]
    target: float
    completes: bool = False  # the words are completed, as the shell asks for it, not run
    usual: bool = True
    beside: str = "bare interpreter"

    @property
    def about(self) -> str:
        """The command."""
        return f"reportsync {' '.join(self.words)}{'<TAB>' if self.completes else ''}"

    @property
    def works(self) -> Iterable[tuple[str, str]]:
        """What each side does."""
        return [(self.beside, "python -c pass")]

    def measure(self, place: Place, runs: int) -> Outcome:
        """Run both in turn."""
        ours, bare = [], []
        command = [*reportsync(), *self.words]
        if self.completes:
            command = [*_COMPLETES, f"COMP_WORDS={' '.join(command)}", command[0]]
        for _ in range(runs):
            ours.append(place.time(command, _TIMES))
            bare.append(place.time([sys.executable, "-c", "pass"], _TIMES))
        return compare(Unit.EXCESS, ours, bare, self.target)


@dataclass(frozen=True, slots=True)
class OfHistory:
    """A command over ten years of a thousand apps, beside the same over a month of them."""

    name: str
    words: tuple[str, ...]
    unit: Unit
    target: float | None = None
    usual: bool = False
    beside: str = f"{APPS:,} apps x {SHORT} days"

    @property
    def about(self) -> str:
        """The command, and over how much."""
        return f"{' '.join(self.words)}, nothing to do, {APPS:,} apps x {LONG:,} days"

    @property
    def works(self) -> Iterable[tuple[str, str]]:
        """What each side does."""
        return [(self.beside, "the same command after less history")]

    def measure(self, place: Place, runs: int) -> Outcome:
        """Run both in turn, after a first pass which takes the backup of the day."""
        long, short = place.history(APPS, LONG), place.history(APPS, SHORT)
        for config in (long, short):
            place.time([*reportsync(config), "sync"])
        ours, other = [], []
        for _ in range(runs):
            ours.append(place.time([*reportsync(long), *self.words]))
            other.append(place.time([*reportsync(short), *self.words]))
        return compare(self.unit, ours, other, self.target)

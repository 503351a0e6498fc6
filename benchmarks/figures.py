"""What is measured: one run, the medians of several, and what a line came to. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import median


@dataclass(frozen=True, slots=True)
class Figures:
    """What a command took: one run, or the medians of several."""

    seconds: float
    cpu: float  # seconds, user and system, of all its processes
    peak: float  # MiB, of the largest of its processes


def middle(runs: Sequence[Figures]) -> Figures:
    """Return the medians of some runs."""
    return Figures(
        seconds=median(run.seconds for run in runs),
        cpu=median(run.cpu for run in runs),
        peak=median(run.peak for run in runs),
    )


MIB_IN_KIB = 1024


class Unit(Enum):
    """What the figure of a line says."""

    RATIO = "x"  # seconds of ours by those of the other
    EXCESS = "s more"  # seconds of ours beyond those of the other
    SECONDS = "s"
    PEAK = "MiB"
    PEAK_RATIO = "x the memory"
    RESIDENT = "MiB resident"
    WAKES = "wake-ups/s"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a line. `target` is the most that it may be; without one it only informs."""

    value: float
    unit: Unit
    target: float | None
    ours: Figures | None = None
    other: Figures | None = None
    runs: int = 1
    spread: tuple[float, float] | None = None  # the least and the most of its runs

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        return None if self.target is None else self.value <= self.target


def compare(
    unit: Unit, ours: Sequence[Figures], other: Sequence[Figures], target: float | None
) -> Outcome:
    """Return what runs came to that were made in turn: the figure is that of the medians."""
    each = [_value(unit, one, two) for one, two in zip(ours, other or ours, strict=True)]
    mine, theirs = middle(ours), middle(other) if other else None
    return Outcome(
        value=_value(unit, mine, theirs or mine),
        unit=unit,
        target=target,
        ours=mine,
        other=theirs,
        runs=len(ours),
        spread=(min(each), max(each)),
    )


def _value(unit: Unit, ours: Figures, other: Figures) -> float:
    match unit:
        case Unit.RATIO:
            return ours.seconds / other.seconds
        case Unit.EXCESS:
            return ours.seconds - other.seconds
        case Unit.PEAK:
            return ours.peak
        case Unit.PEAK_RATIO:
            return ours.peak / other.peak
        case Unit.SECONDS:
            return ours.seconds
        case Unit.RESIDENT | Unit.WAKES:
            raise ValueError(f"{unit} is not of runs")

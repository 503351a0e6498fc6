"""Days as marks of SVG: a strip of the last days, a calendar for each year. Pure.

A state has its own shape besides its colour: stored is a full mark, damaged three bars, missing two,
waiting the lower half, waived a thin line, a day that is not expected a dot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from reportsync.calendar import days
from reportsync.known import Coverage, last_states, states
from reportsync.model import ONE_DAY

STATES = ("stored", "damaged", "missing", "waiting", "waived")
STRIP_DAYS = 60
_STEP = 4
"""Width of a day in a strip, with the space after it; the style sheet's dashes have the same rhythm."""
_LINES: Mapping[str, tuple[float, ...]] = {
    "stored": (8,),
    "damaged": (2, 8, 14),
    "missing": (3, 13),
    "waiting": (12,),
    "waived": (8,),
}
"""At which heights the lines of a mark run in a strip 16 high; the style sheet says how thick."""

CELL = 13
"""Side of a day in a calendar, with the space after it."""
_TOP, _LEFT = 16, 28


@dataclass(frozen=True, slots=True)
class Run:
    """Days in a row of one state, as the path of an SVG; `title` is for the pointer."""

    state: str
    path: str
    title: str


@dataclass(frozen=True, slots=True)
class Strip:
    """The last days of an app; `label` says in words what it shows."""

    runs: tuple[Run, ...]
    label: str
    width: int = STRIP_DAYS * _STEP


@dataclass(frozen=True, slots=True)
class Cell:
    """One day of a calendar; `mark` is its state, or `noted` for a stored day with something to tell."""

    day: date
    x: int
    y: int
    mark: str
    title: str


@dataclass(frozen=True, slots=True)
class Year:
    """A calendar of one year: a column for each week, Monday on top."""

    year: int
    label: str
    cells: tuple[Cell, ...]
    unexpected: str  # a path with a dot for each day that is not expected
    months: tuple[tuple[int, str], ...]  # where its first day stands, and its name
    width: int = _LEFT + 54 * CELL
    height: int = _TOP + 7 * CELL
    weekdays: tuple[tuple[int, str], ...] = tuple(
        (_TOP + row * CELL + 9, name) for row, name in ((0, "Mon"), (2, "Wed"), (4, "Fri"))
    )


def strip(covered: Coverage) -> Strip:
    """Return the last `STRIP_DAYS` expected days; the newest is always at the right end."""
    shown = last_states(covered, STRIP_DAYS)
    if not shown:
        return Strip((), "no day is due yet")
    offset = STRIP_DAYS - len(shown)
    label = f"{span(shown[0][0], shown[-1][0])}: {_counts(each for _, each in shown)}"
    return Strip(tuple(_runs(shown, offset)), label)


def _runs(shown: Sequence[tuple[date, str]], offset: int) -> Iterator[Run]:
    for state, group in groupby(enumerate(shown, offset), key=lambda one: one[1][1]):
        run = list(group)
        x, end = run[0][0] * _STEP, (run[-1][0] + 1) * _STEP - 1
        path = "".join(f"M{x} {y}H{end}" for y in _LINES[state])
        yield Run(state, path, f"{span(run[0][1][0], run[-1][1][0])}: {state}")


def _counts(shown: Iterator[str]) -> str:
    counted = Counter(shown)
    return ", ".join(f"{counted[state]} {state}" for state in STATES if counted[state])


def span(first: date, last: date) -> str:
    """Return a run of days in words."""
    return str(first) if first == last else f"{first} to {last}"


def years(
    covered: Coverage,
    stored_title: Callable[[date], tuple[str, bool]],
    other_title: Callable[[date, str], str],
) -> tuple[Year, ...]:
    """Return a calendar for each year with expected days, the newest first.

    `stored_title` says what there is to tell of a stored day and whether it deserves a note,
    `other_title` what there is to tell of a day in another state.
    """
    if covered.due_through is None:
        return ()
    other = states(covered)
    first, last = covered.app.since, covered.due_through

    def cell(day: date) -> Cell:
        x, y = _place(day)
        state = other.get(day)
        if state is not None:
            return Cell(day, x, y, state, other_title(day, state))
        title, noted = stored_title(day)
        return Cell(day, x, y, "noted" if noted else "stored", title)

    def calendar(year: int) -> Year:
        begin, end = date(year, 1, 1), date(year, 12, 31)
        cells = tuple(cell(day) for day in days(max(begin, first), min(end, last)))
        outside = [*days(begin, min(end, first - ONE_DAY)), *days(max(begin, last + ONE_DAY), end)]
        counts = _counts("stored" if one.mark == "noted" else one.mark for one in cells)
        return Year(year, f"{year}: {counts}", cells, _dots(outside), _months(year))

    return tuple(calendar(year) for year in range(last.year, first.year - 1, -1))


def _place(day: date) -> tuple[int, int]:
    new_year = date(day.year, 1, 1)
    column = ((day - new_year).days + new_year.weekday()) // 7
    return _LEFT + column * CELL, _TOP + day.weekday() * CELL


def _dots(outside: Sequence[date]) -> str:
    places = (_place(day) for day in outside)
    return "".join(f"M{x + 5} {y + 5}h1" for x, y in places)


def _months(year: int) -> tuple[tuple[int, str], ...]:
    firsts = (date(year, month, 1) for month in range(1, 13))
    return tuple((_place(first)[0], f"{first:%b}") for first in firsts)

"""Strips and calendars: each day once, in its place, with the shape of its state."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from web_ledger import NOW, History

from reportsync.known import Coverage, Known, Missing, coverage
from reportsync.model import Outcome, Waiver
from reportsync.notation import readable_size
from reportsync.web import words
from reportsync.web.marks import Strip, Year, strip, years


def covered(
    since: date, *missing: Missing, waived: date | None = None, damaged: date | None = None
) -> Coverage:
    """Return an app's coverage with `missing` days."""
    app = History("shop", since).app
    waivers = (Waiver("shop", waived, waived, "r", "ops", NOW),) if waived else ()
    spoilt = frozenset({damaged} if damaged else ())
    known = Known(since, date(2026, 7, 29), missing, frozenset(), waivers, damaged=spoilt)
    return coverage(app, known, NOW)


def drawn(found: Strip) -> dict[str, list[int]]:
    """Return by state the places, counted from the left, where a strip has a mark."""
    places: dict[str, list[int]] = {}
    for run in found.runs:
        for x, end in set(re.findall(r"M(\d+) \d+H(\d+)", run.path)):
            places.setdefault(run.state, []).extend(range(int(x) // 4, (int(end) + 1) // 4))
    return {state: sorted(found) for state, found in places.items()}


def test_a_strip_shows_the_last_sixty_days_with_the_newest_at_the_right() -> None:
    newest = Missing(date(2026, 7, 29), 1, last_outcome=Outcome.WAITING)
    gone = Missing(date(2026, 7, 20), 1, last_outcome=Outcome.FAILED)
    closed = Missing(date(2026, 7, 21))
    old = Missing(date(2026, 1, 5))
    whole = strip(covered(date(2026, 1, 1), old, gone, closed, newest, waived=date(2026, 7, 21)))
    places = drawn(whole)
    assert places["waiting"] == [59]
    assert places["missing"] == [50]
    assert places["waived"] == [51]
    assert sorted(n for found in places.values() for n in found) == list(range(60))
    assert whole.label == "2026-05-31 to 2026-07-29: 57 stored, 1 missing, 1 waiting, 1 waived"


def test_a_strip_of_a_young_app_begins_where_its_days_begin() -> None:
    assert drawn(strip(covered(date(2026, 7, 27)))) == {"stored": [57, 58, 59]}
    assert strip(covered(date(2026, 9, 1))) == Strip((), "no day is due yet")


def test_every_shape_of_a_strip_has_heights_of_its_own() -> None:
    gone = Missing(date(2026, 7, 28)), Missing(date(2026, 7, 29), 1, last_outcome=Outcome.WAITING)
    runs = strip(covered(date(2026, 7, 1), *gone, damaged=date(2026, 7, 9))).runs
    heights = {run.state: re.findall(r"M\d+ (\d+)", run.path) for run in runs}
    assert heights == {
        "stored": ["8"],
        "damaged": ["2", "8", "14"],
        "missing": ["3", "13"],
        "waiting": ["12"],
    }


def calendars(one: Coverage) -> tuple[Year, ...]:
    """Return the calendars of `one` with plain titles."""
    return years(one, lambda day: ("stored", day.day == 13), lambda day, state: state)


@pytest.mark.parametrize("since", [date(2024, 2, 29), date(2025, 12, 31), date(2026, 1, 1)])
def test_a_calendar_has_every_expected_day_once_and_each_on_its_own_place(since: date) -> None:
    found = calendars(covered(since))
    days = sorted(cell.day for year in found for cell in year.cells)
    assert days == [since + timedelta(n) for n in range((date(2026, 7, 29) - since).days + 1)]
    assert [year.year for year in found] == list(range(2026, since.year - 1, -1))
    for year in found:
        dots = re.findall(r"M(\d+) (\d+)h1", year.unexpected)
        places = [(cell.x, cell.y) for cell in year.cells]
        places += [(int(x) - 5, int(y) - 5) for x, y in dots]
        assert len(places) == len(set(places)) == 365 + (year.year % 4 == 0)
        assert max(x for x, _ in places) + 11 <= year.width
        assert max(y for _, y in places) + 11 <= year.height


def test_a_calendar_has_a_column_for_each_week_with_monday_on_top() -> None:
    (found,) = calendars(covered(date(2026, 1, 1)))
    by_day = {cell.day: cell for cell in found.cells}
    monday = by_day[date(2026, 7, 20)]
    sunday, next_monday = by_day[date(2026, 7, 26)], by_day[date(2026, 7, 27)]
    assert (sunday.x, sunday.y - monday.y) == (monday.x, 6 * 13)
    assert (next_monday.x - monday.x, next_monday.y) == (13, monday.y)
    assert [name for _, name in found.months][:3] == ["Jan", "Feb", "Mar"]
    assert (by_day[date(2026, 7, 1)].x, "Jul") in found.months


def test_a_calendar_marks_states_and_notes() -> None:
    gone = Missing(date(2026, 7, 28)), Missing(date(2026, 7, 29), 1, last_outcome=Outcome.WAITING)
    (found,) = calendars(covered(date(2026, 7, 12), *gone))
    marks = {cell.day.day: cell.mark for cell in found.cells}
    assert (marks[12], marks[13], marks[28], marks[29]) == ("stored", "noted", "missing", "waiting")
    assert found.label == "2026: 16 stored, 1 missing, 1 waiting"


def test_instants_lengths_and_sizes_read_well() -> None:
    moment = datetime(2026, 7, 30, 14, 22, 31, tzinfo=UTC)
    assert words.instant(moment) == "2026-07-30 14:22 UTC"
    for seconds, text in [
        (0.4, "now"), (40, "in 40 s"), (-300, "5 min ago"), (11_400, "in 3 h 10 min"),
        (-7200, "2 h ago"), (86_400 * 12 + 4 * 3600, "in 12 d 4 h"),
    ]:  # fmt: skip
        assert words.apart(moment + timedelta(seconds=seconds), moment) == text
    assert [readable_size(n) for n in (0, 812, 3482, 2**40 * 3000)] == [
        "0 B", "812 B", "3.4 KiB", "3000.0 TiB",
    ]  # fmt: skip

"""What reading costs does not grow with the stored history: counted in SQLite's own steps."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa
from ledger_cases import DAY, NOW, covered, failed, shop, stored
from sqlalchemy import event

from reportsync.ledger import Ledger, hot, overview, queries, records
from reportsync.ledger.neighbours import recent_archives
from reportsync.ledger.tables import apps, reports
from reportsync.model import ONE_DAY, Report

NAMES = ["a", "b", "c"]
THROUGH = date(2026, 3, 9)


def stored_history(ledger: Ledger, days: int) -> None:
    """Let each app have so many stored days, then three missing ones."""

    def fill(connection: sa.Connection) -> None:
        first = THROUGH - (days + 2) * ONE_DAY
        for name in NAMES:
            records.cover(connection, name, first, THROUGH)
        last = THROUGH - 3 * ONE_DAY
        connection.execute(
            sa.update(reports).where(reports.c.day <= last).values(state="stored", attempts=1)
        )
        assert connection.scalar(sa.select(sa.func.count()).select_from(reports)) == 3 * (days + 3)

    ledger.write(fill)


def steps(connection: sa.Connection, function: Any, *arguments: Any) -> int:
    """Return how many of SQLite's steps `function` takes."""
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1

    driver = connection.connection.driver_connection
    assert driver is not None
    driver.set_progress_handler(tick, 1)
    try:
        function(connection, *arguments)
    finally:
        driver.set_progress_handler(None, 0)
    return count


def forget(connection: sa.Connection) -> None:
    connection.execute(sa.delete(reports))
    connection.execute(sa.delete(apps))


def app_with(days: int, name: str) -> Any:
    return shop(since=THROUGH - (days + 2) * ONE_DAY, name=name)


@pytest.mark.parametrize("what", ["known", "cover_due"])
def test_what_a_pass_asks_first_costs_the_same_after_thirty_days_and_after_ten_years(
    lite: Ledger, what: str
) -> None:
    costs = []
    for days in (30, 3650):
        stored_history(lite, days)
        if what == "known":
            costs.append(lite.read(lambda c: steps(c, overview.known, NAMES)))
        else:
            every = [app_with(days, name) for name in NAMES]
            costs.append(lite.write(lambda c, e=every: steps(c, records.cover_due, e, NOW)))
        lite.write(forget)
    assert costs[0] > 20
    assert costs[1] <= costs[0] * 1.1, costs


@pytest.mark.parametrize("what", ["known", "cover_due", "cover_new_days"])
def test_what_a_pass_asks_first_is_as_many_questions_for_one_app_as_for_three(
    lite: Ledger, what: str
) -> None:
    stored_history(lite, 30)
    asked: list[str] = []
    event.listen(lite._engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    counts = []
    for number, names in enumerate((NAMES[:1], NAMES), start=1):
        asked.clear()
        later = NOW + (number * ONE_DAY if what == "cover_new_days" else 0 * ONE_DAY)
        if what == "known":
            lite.read(overview.known, names)
        else:
            lite.write(records.cover_due, [app_with(30, name) for name in names], later)
        counts.append(len(asked))
    assert counts[0] == counts[1] > 0
    assert any("INSERT" in one for one in asked) == (what == "cover_new_days")


def test_a_pass_never_looks_at_every_archive(lite: Ledger) -> None:
    stored_history(lite, 30)
    asked: list[str] = []
    event.listen(lite._engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    lite.read(overview.coverages, [app_with(30, name) for name in NAMES], NOW)
    assert asked
    assert [one for one in asked if "archives" in one] == []


def test_missing_days_are_found_by_the_partial_index(lite: Ledger) -> None:
    stored_history(lite, 400)
    asked: list[tuple[str, Any]] = []

    def look(connection: sa.Connection) -> list[str]:
        def note(_: Any, __: Any, statement: str, parameters: Any, *more: Any) -> None:
            asked.append((statement, parameters))

        event.listen(connection, "before_cursor_execute", note)
        overview.known(connection, NAMES)
        event.remove(connection, "before_cursor_execute", note)
        return [
            str(row[3])
            for statement, parameters in asked
            if "FROM reports" in statement
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]

    plans = lite.read(look)
    assert any("reports_missing" in line for line in plans), plans
    scans = [line for line in plans if line.startswith("SCAN reports")]
    assert [line for line in scans if "reports_missing" not in line] == [], "a look at every row"


def test_the_statements_for_a_report_are_built_once_for_all_reports(
    lite: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Any] = []

    def note(_: Any, statement: Any, *more: Any) -> None:
        built.append(statement)  # kept, so that no other can come to have its id

    def statements_of(day: date) -> set[int]:
        report, start = Report("shop", day), len(built)
        failed(lite, report)
        stored(lite, report)
        lite.read(queries.versions_of, report)
        lite.read(queries.report_row, report)
        return {id(one) for one in built[start:]}

    def note_hot(connection: Any, ready: Any, values: Any, run: Any = hot._run) -> Any:
        built.append(ready)
        return run(connection, ready, values)

    covered(lite, last=DAY + ONE_DAY)
    event.listen(lite._engine, "before_execute", note)
    monkeypatch.setattr(hot, "_run", note_hot)
    first, second = statements_of(DAY), statements_of(DAY + ONE_DAY)
    assert len(first) > 10
    assert second <= first


def test_a_neighbour_whose_row_was_damaged_tells_nothing(lite: Ledger) -> None:
    covered(lite, last=DAY + 2 * ONE_DAY)
    for back in (2, 1):
        stored(lite, Report("shop", DAY + back * ONE_DAY))
    damage = sa.text("UPDATE archives SET size = 'x' WHERE day = :day")
    day = {"day": (DAY + ONE_DAY).isoformat()}
    lite.write(lambda connection: connection.execute(damage, day))
    found = lite.read(recent_archives, Report("shop", DAY), 14)
    assert [one.report.day for one in found] == [DAY + 2 * ONE_DAY]

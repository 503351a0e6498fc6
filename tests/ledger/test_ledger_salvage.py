"""Of a damaged ledger every row is read that can be, and none is believed that nobody has written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from ledger_cases import DAY, NOW, REPORT, contents, covered, failed, row_of, stored

from reportsync.ledger import Ledger, open_writing, soundness, tables, waivers
from reportsync.ledger.merge import merge
from reportsync.ledger.salvage import Rows, read
from reportsync.ledger.sense import makes_sense
from reportsync.model import Report, Waiver

ROWS = 400
SENSE: dict[str, Any] = {
    "id": 1, "app": "shop", "day": "2026-03-01", "version": 1, "held": 1, "size": 9,
    "sha256": "ab" * 32, "members": 1, "flags": "", "stored": "2026-03-10T12:00:00.000000Z",
    "verified": "2026-03-10T12:00:00.000000Z",
}  # fmt: skip


def test_rows_behind_a_damaged_page_are_read_from_the_other_end(
    lite: Ledger, path: Path, tmp_path: Path
) -> None:
    rows = [
        {
            "app": "shop", "day": DAY, "started": NOW, "ended": NOW, "outcome": "failed",
            "requests": number, "reason": "x" * 200,
        }
        for number in range(ROWS)
    ]  # fmt: skip
    lite.write(lambda connection: connection.execute(sa.insert(tables.attempts), rows))
    data = bytearray(path.read_bytes())
    middle = data.index(b"x" * 200, len(data) // 2) // 4096 * 4096
    data[middle : middle + 4096] = b"\xa5" * 4096
    path.write_bytes(data)
    assert soundness.damage(path) is not None
    found = read(path, tmp_path)["attempts"]
    numbers = {row["requests"] for row in found.good}
    assert {0, ROWS - 1} < numbers
    assert ROWS - 40 < len(numbers) < ROWS
    assert found.broken


@pytest.mark.parametrize(
    "wrong",
    [
        {"day": "2026-02-31"}, {"day": "20260301"}, {"day": 5}, {"day": None}, {"held": 2},
        {"size": "9"}, {"sha256": "xy" * 32}, {"stored": "2026-03-10"}, {"stored": "yesterday"},
        {"app": "sh\udcffop"}, {"app": b"shop"}, {"app": ""}, {"app": "../shop"}, {"app": "s" * 65},
        {"app": "shöp"}, {"app": None},
    ],
)  # fmt: skip
def test_a_value_that_nobody_has_written_makes_its_row_senseless(wrong: dict[str, Any]) -> None:
    assert makes_sense(tables.archives, SENSE)
    assert not makes_sense(tables.archives, SENSE | wrong)


@pytest.mark.parametrize("name", ["", "../../etc", "a b", "\x1b[2J", "s" * 65])
def test_of_an_app_that_no_app_can_be_called_nothing_is_taken_out_of_a_damaged_ledger(
    lite: Ledger, path: Path, tmp_path: Path, name: str
) -> None:
    covered(lite)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE reports SET app = ?", (name,))
        connection.execute("UPDATE apps SET name = ?", (name,))
    rows = read(path, tmp_path)
    assert [(rows[table].good, rows[table].senseless) for table in ("reports", "apps")] == [
        ((), 1)
    ] * 2


def test_an_outcome_a_cause_and_a_span_that_do_not_exist_are_senseless() -> None:
    attempt = {
        "id": 1, "app": "shop", "day": "2026-03-01", "pass_id": None, "outcome": "failed",
        "started": SENSE["stored"], "ended": SENSE["stored"], "requests": 1, "status": None,
        "size": None, "reason": None,
    }  # fmt: skip
    incident = {column.name: None for column in tables.incidents.c} | {
        "id": 1, "key": "late:shop", "opened": SENSE["stored"], "reason": "",
        "held": "shop 2026-03-01 2026-03-02",
    }  # fmt: skip
    assert makes_sense(tables.attempts, attempt)
    assert makes_sense(tables.incidents, incident)
    assert not makes_sense(tables.attempts, attempt | {"outcome": "fai1ed"})
    assert not makes_sense(tables.incidents, incident | {"key": "1ate:shop"})
    assert not makes_sense(tables.incidents, incident | {"held": "shop 2026-03-01"})


def test_what_is_merged_twice_is_there_once_and_numbers_that_are_taken_give_way(
    lite: Ledger, path: Path, tmp_path: Path
) -> None:
    covered(lite)
    stored(lite)
    failed(lite, reason="HTTP 503")
    lite.write(waivers.add, Waiver("shop", DAY, DAY, "off", "operator", NOW))
    (tmp_path / "copy").mkdir()
    rows = read(path, tmp_path / "copy")
    other = tmp_path / "other.db"
    with open_writing(f"sqlite:///{other}") as fresh:
        covered(fresh)
        covered(fresh, app="another")
        stored(fresh, Report("another", DAY))
    with closing(sqlite3.connect(other)) as target:
        assert merge(target, rows) == {"archives": 1, "attempts": 2, "waivers": 1}
        assert merge(target, rows) == {}
    with open_writing(f"sqlite:///{other}") as merged:
        found = contents(merged)
        report = row_of(merged, REPORT)
    assert len({row[0] for row in found["archives"]}) == 2
    assert len({row[0] for row in found["attempts"]}) == 3
    assert (report.attempts, report.tries, report.reason) == (2, 1, "HTTP 503")


def test_an_older_count_of_attempts_does_not_take_the_place_of_a_newer(
    lite: Ledger, path: Path, tmp_path: Path
) -> None:
    covered(lite)
    failed(lite)
    rows = read(path, tmp_path)
    failed(lite)
    with closing(sqlite3.connect(path)) as target:
        merge(target, rows)
    assert row_of(lite).attempts == 2


def test_counts_that_the_database_refuses_are_left_out_and_all_else_is_merged(
    lite: Ledger, path: Path, tmp_path: Path
) -> None:
    covered(lite)
    row = {"app": "shop", "day": str(DAY), "state": "missing", "attempts": 3, "tries": 7}
    later = dict.fromkeys(("next_attempt", "last_attempt", "last_outcome", "reason"))
    next_day = str(DAY + timedelta(days=1))
    rows = Rows((row | later, row | later | {"day": next_day, "tries": 3}))
    with closing(sqlite3.connect(path)) as target:
        assert merge(target, {"reports": rows}) == {"reports": 1}
    assert (row_of(lite).attempts, row_of(lite).tries) == (0, 0)


def test_twice_the_incidents_take_no_more_than_twice_the_work_to_merge(path: Path) -> None:
    at = "2026-03-10T12:00:00.{:06}Z"
    incident = dict.fromkeys(column.name for column in tables.incidents.c) | {
        "key": "late:shop", "told": at.format(0), "closed": at.format(0), "held": "", "reason": "",
    }  # fmt: skip
    with open_writing(f"sqlite:///{path}"):
        pass
    work = []
    for count in (300, 600):
        rows = Rows(
            tuple(incident | {"id": one, "opened": at.format(one)} for one in range(1, count + 1))
        )
        steps: list[None] = []
        with closing(sqlite3.connect(path)) as target:
            merge(target, {"incidents": rows})
            target.set_progress_handler(lambda steps=steps: steps.append(None), 100)
            assert merge(target, {"incidents": rows}) == {}
        work.append(len(steps))
    assert work[1] < 2.5 * work[0]


def test_deliveries_are_made_again_rather_than_never(lite: Ledger, path: Path) -> None:
    good = Rows(({"name": "hook", "value": "70"}, {"name": "archive", "value": "an id"}))
    with closing(sqlite3.connect(path)) as target:
        target.execute("INSERT INTO facts VALUES ('hook', '5')")
        target.commit()
        for deliveries, mark in ((Rows((), broken=True), "5"), (Rows(()), "70")):
            merge(target, {"facts": good, "deliveries": deliveries})
            facts = dict(target.execute("SELECT name, value FROM facts").fetchall())
            assert facts == {"hook": mark, "archive": "an id"}


def test_a_delivery_of_an_arrival_that_could_not_be_read_is_left_out(path: Path) -> None:
    with open_writing(f"sqlite:///{path}"):
        pass
    delivery = dict.fromkeys(column.name for column in tables.deliveries.c) | {
        "app": "shop", "asked": SENSE["stored"], "tries": 0, "next_attempt": SENSE["stored"],
    }  # fmt: skip
    found = {
        "archives": Rows((SENSE, SENSE | {"id": 3, "app": "other"})),
        "deliveries": Rows(tuple(delivery | {"arrival": number} for number in (1, 2, 3))),
    }
    with closing(sqlite3.connect(path)) as target:
        merge(target, found)
        assert target.execute("SELECT arrival, app FROM deliveries").fetchall() == [(1, "shop")]

"""What SQLite lets pass makes sense by Python's judgement, too; and of good rows it lets all pass."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import dialect

from reportsync.ledger import soundness
from reportsync.ledger.sense import doubtful, makes_sense, select
from reportsync.ledger.tables import metadata

DAY, INSTANT = "2026-03-31", "2026-03-31T12:00:59.000000Z"
GOOD: dict[str, Any] = {
    "app": "shop_de-1", "name": "shop", "value": "an id", "state": "stored", "outcome": "stored",
    "last_outcome": "waiting", "sha256": "0a" * 32, "version": 1, "held": 1, "owner": "host - 7",
    "token": "ab", "reason": "HTTP 404: not there yet", "author": "operator", "flags": "", "kind": "sync",
}  # fmt: skip
TRICKY = "09 T:-.Z+\0é/a"
ODD: list[Any] = [
    None, 0, 1, 2, -1, 1.0, 0.5, b"shop", b"2026-03-31", "", "0", "1", "x" * 65, "a b", "../x", "ü",
    "line\nfeed", "tab\t", "null\0", "null\0\udcff", "\udcff", "fai1ed", "STORED", "2026-02-29", "2024-02-29",
    "2026-02-30", "2026-04-31", "0000-01-01", "-001-01-01", "20260331", "2461131.5", "now", "12:00",
    "2026-03-31\0", "2026-03-31T24:00:00.000000Z", "2026-03-31T12:00:60.000000Z", "0AB" * 22, "AB" * 32,
    "late:shop", "shop 2026-03-31 2026-03-31", 10**6,
]  # fmt: skip


def mutants(text: str) -> Iterator[str]:
    """Yield `text` with each of its letters replaced, left out and doubled."""
    for at in range(len(text)):
        yield from (text[:at] + letter + text[at + 1 :] for letter in TRICKY)
        yield text[:at] + text[at + 1 :]
        yield text[:at] + text[at] + text[at:]


def good_row(table: sa.Table) -> dict[str, Any]:
    """Return a row that makes sense."""
    kinds = {"DATE": DAY, "VARCHAR(27)": INSTANT, "INTEGER": 7, "BIGINT": 7}
    special = {("incidents", "key"): "late:shop", ("incidents", "held"): f"shop {DAY} {DAY}"}
    return {
        column.name: special.get((table.name, column.name))
        or GOOD.get(column.name, kinds.get(kind(column), "text"))
        for column in table.c
    }


def kind(column: sa.Column[Any]) -> str:
    return str(column.type.compile(dialect=dialect()))


@pytest.fixture
def bare() -> Iterator[sqlite3.Connection]:
    """Yield a database with the ledger's tables, but none of their rules."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for table in metadata.sorted_tables:
            columns = ", ".join(f"[{column.name}] {kind(column)}" for column in table.c)
            connection.execute(f"CREATE TABLE {table.name} (nr INTEGER PRIMARY KEY, {columns})")
        soundness.take_any_text(connection)
        yield connection


def insert(database: sqlite3.Connection, table: sa.Table, row: dict[str, Any]) -> None:
    values = [
        # Python hands SQLite no text that is none.
        (sqlite3.Binary(value.encode(errors="surrogateescape")), isinstance(value, str))
        if isinstance(value, str)
        else (value, False)
        for value in row.values()
    ]
    marks = ", ".join("CAST(? AS TEXT)" if text else "?" for _, text in values)
    columns = ", ".join(f"[{name}]" for name in row)
    database.execute(
        f"INSERT INTO {table.name} ({columns}) VALUES ({marks})", [value for value, _ in values]
    )


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_no_row_that_makes_no_sense_is_passed_over(
    bare: sqlite3.Connection, table: sa.Table
) -> None:
    good = good_row(table)
    assert makes_sense(table, good)
    for column in table.c:
        found = good[column.name]
        odd = [*ODD, *(mutants(found) if isinstance(found, str) else ())]
        for value in odd:
            insert(bare, table, good | {column.name: value})
    doubted = {nr for (nr,) in bare.execute(f"SELECT nr FROM {table.name} WHERE {doubtful(table)}")}
    numbers = [nr for (nr,) in bare.execute(f"SELECT nr FROM {table.name} ORDER BY nr")]
    rows = bare.execute(f"{select(table)} ORDER BY nr").fetchall()
    assert len(rows) > 40
    for nr, row in zip(numbers, rows, strict=True):
        named = dict(zip(table.c.keys(), row, strict=True))
        assert nr in doubted or makes_sense(table, named), named


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_of_good_rows_none_is_doubted(bare: sqlite3.Connection, table: sa.Table) -> None:
    good = good_row(table)
    insert(bare, table, good)
    insert(bare, table, good | {column.name: None for column in table.c if column.nullable})
    doubted = bare.execute(f"{select(table)} WHERE {doubtful(table)}").fetchall()
    # Of incidents there are few: Python alone judges them.
    assert len(doubted) == (2 if table.name == "incidents" else 0), doubted

"""Bring rows that were read from a damaged ledger into one that was rebuilt; what is there already stays."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reportsync.ledger.salvage import Row, Rows

_NONE = Rows(())
_NUMBER = re.compile("[0-9]{1,18}")  # as much as SQLite takes


@dataclass(frozen=True, slots=True)
class _Kind:
    """How rows of a table are told apart: by `same`, wherever they got their numbers.

    `later` are the columns that are filled in once in the life of a row.
    """

    same: tuple[str, ...]
    number: str | None = None
    later: tuple[str, ...] = ()


_KINDS = {
    "waivers": _Kind(
        ("app", "first", "last", "reason", "author", "created", "until"), "id", ("ended",)
    ),
    "attempts": _Kind(("app", "day", "started", "ended", "outcome"), "id"),
    "archives": _Kind(("app", "day", "version"), "id"),
    "incidents": _Kind(
        ("key", "opened"), "id", ("told", "handed", "closed", "outcome", "end_told")
    ),
    "passes": _Kind(("id",), None, ("ended", "exit")),
    "deliveries": _Kind(("arrival",)),
}
_COUNTS = ("attempts", "tries", "next_attempt", "last_attempt", "last_outcome", "reason")


def merge(target: sqlite3.Connection, found: Mapping[str, Rows]) -> dict[str, int]:
    """Add the rows `found` to the ledger `target`, and return how many were new, by table.

    Numbers of arrivals are kept. Claims are not taken over: their owners work on another ledger. What the
    database's own rules refuse is left out. Whether a report is stored is for the tree to tell.
    """
    with target:
        added = {name: _add(target, name, kind, found) for name, kind in _KINDS.items()}
        added["reports"] = _merge_reports(target, found.get("reports", _NONE).good)
        _merge_facts(target, found)
        # The file of a lost row is adopted under a number of its own, and has its delivery then.
        target.execute(
            "DELETE FROM deliveries WHERE NOT EXISTS (SELECT 1 FROM archives"
            " WHERE archives.id = deliveries.arrival AND archives.app = deliveries.app)"
        )
        target.execute(
            "INSERT OR IGNORE INTO stale_sums (app, year, serial)"
            " SELECT DISTINCT app, CAST(substr(day, 1, 4) AS INTEGER), 1 FROM archives"
        )
    return {name: count for name, count in added.items() if count}


def _add(target: sqlite3.Connection, name: str, kind: _Kind, found: Mapping[str, Rows]) -> int:
    there = _there(target, name, kind)
    taken = {row[0] for row in target.execute(f"SELECT {kind.number or 'NULL'} FROM {name}")}
    added = 0
    # Those that keep their numbers first, lest one that gets another takes that of the next.
    rows = sorted(
        found.get(name, _NONE).good,
        key=lambda row: kind.number is not None and row[kind.number] in taken,
    )
    for row in rows:
        same = tuple(row[column] for column in kind.same)
        if same in there:
            _fill_in(target, name, kind, row, there[same])
            continue
        values = dict(row)
        if name == "deliveries":  # whoever ran them is another ledger's
            values |= dict.fromkeys(("owner", "token", "lease_end", "process"))
        if kind.number and values[kind.number] in taken:
            del values[kind.number]
        there[same] = _insert(target, name, values)
        added += there[same] is not None
    return added


def _there(
    target: sqlite3.Connection, name: str, kind: _Kind
) -> dict[tuple[object, ...], int | None]:
    """Return what tells the rows apart that are there, with what they are found by at once."""
    found = target.execute(f"SELECT rowid, {', '.join(kind.same)} FROM {name}")
    return {tuple(same): number for number, *same in found}


def _insert(target: sqlite3.Connection, name: str, values: Row) -> int | None:
    """Add a row and return its number (any, where rows have none), None if the database refuses it."""
    columns, marks = ", ".join(values), ", ".join("?" * len(values))
    statement = f"INSERT OR IGNORE INTO {name} ({columns}) VALUES ({marks})"
    done = target.execute(statement, tuple(values.values()))
    return done.lastrowid if done.rowcount else None


def _fill_in(
    target: sqlite3.Connection, name: str, kind: _Kind, row: Row, number: int | None
) -> None:
    for column in kind.later:
        if row[column] is not None:
            target.execute(
                f"UPDATE OR IGNORE {name} SET {column} = ? WHERE {column} IS NULL AND rowid = ?",
                (row[column], number),
            )


def _merge_reports(target: sqlite3.Connection, rows: Iterable[Row]) -> int:
    """Add reports without a row; of others take over the attempts made since."""
    added = 0
    sets = ", ".join(f"{column} = ?" for column in _COUNTS)
    for row in rows:
        added += _insert(target, "reports", row) is not None
        target.execute(
            f"UPDATE OR IGNORE reports SET {sets} WHERE app = ? AND day = ? AND attempts < ?",
            (*(row[column] for column in _COUNTS), row["app"], row["day"], row["attempts"]),
        )
    return added


def _merge_facts(target: sqlite3.Connection, found: Mapping[str, Rows]) -> None:
    """Take over the archive's id, and up to where arrivals were given to the hook.

    The latter only where all deliveries could be read: one that was lost is made again rather than never.
    """
    facts = {row["name"]: row["value"] for row in found.get("facts", _NONE).good}
    if found.get("deliveries", Rows((), broken=True)).broken:
        facts.pop("hook", None)
    for name, value in facts.items():
        target.execute("INSERT OR IGNORE INTO facts (name, value) VALUES (?, ?)", (name, value))
        if name == "hook" and _NUMBER.fullmatch(value):
            target.execute(
                "UPDATE facts SET value = ? WHERE name = 'hook' AND CAST(value AS INTEGER) < ?",
                (value, int(value)),
            )

"""What a damaged ledger still gives: its rows, as far as they can be read and make sense."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import sqlalchemy as sa

from reportsync.ledger import soundness
from reportsync.ledger.place import cannot_open, file_uri
from reportsync.ledger.sense import makes_sense, select
from reportsync.ledger.tables import metadata

_PIECE = 2**20

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a table that make sense, how many others there are, and whether some cannot be read."""

    good: tuple[Row, ...]
    senseless: int = 0
    broken: bool = False


def read(path: Path, folder: Path, opened: BinaryIO | None = None) -> dict[str, Rows]:
    """Return what can be read of the ledger at `path`, by table; work on a copy of it in `folder`.

    A copy, because SQLite plays back what an interrupted transaction has left when it opens a database.
    `opened` is the file, where the caller holds a lock that another look at `path` would drop.
    """
    copy = folder / "damaged.db"
    try:
        with (
            nullcontext(opened) if opened else path.open("rb") as file,
            copy.open("wb") as target,
        ):
            shutil.copyfileobj(file, target, _PIECE)
        journal = path.with_name(f"{path.name}-journal")
        if journal.exists():
            shutil.copyfile(journal, folder / "damaged.db-journal")
    except OSError as error:
        raise cannot_open(path, error) from None
    try:
        with closing(sqlite3.connect(file_uri(copy, "rw"), uri=True)) as connection:
            return _read(connection) if soundness.is_ours(connection) else {}
    except (sqlite3.DatabaseError, UnicodeDecodeError):  # the latter about a schema that is no text
        return {}


def is_foreign(rows: Mapping[str, Rows], archive: str | None) -> bool:
    """Say whether `rows` are known to be of another archive than the one whose id is `archive`."""
    facts = rows["facts"].good if "facts" in rows else ()
    remembered = {row["value"] for row in facts if row["name"] == "archive"}
    return archive is not None and bool(remembered) and archive not in remembered


def _read(connection: sqlite3.Connection) -> dict[str, Rows]:
    soundness.take_any_text(connection)
    return {table.name: _rows(connection, table) for table in metadata.sorted_tables}


def _rows(connection: sqlite3.Connection, table: sa.Table) -> Rows:
    """Read a table from its beginning, and where that breaks off also from its end."""
    found: dict[tuple[Any, ...], Row] = {}
    broken = False
    for order in _orders(table):
        try:
            for row in connection.execute(f"{select(table)} ORDER BY {order}"):
                found[row] = dict(zip(table.c.keys(), row, strict=True))
        except sqlite3.DatabaseError:
            broken = True
        else:
            break
    good = tuple(row for row in found.values() if makes_sense(table, row))
    return Rows(good, len(found) - len(good), broken)


def _orders(table: sa.Table) -> tuple[str, str]:
    key = ["rowid"]
    if not table.dialect_options["sqlite"]["with_rowid"]:
        key = [column.name for column in table.primary_key]
    return ", ".join(key), ", ".join(f"{name} DESC" for name in key)

"""What a damaged ledger still gives: its rows, as far as they can be read and make sense."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO

import sqlalchemy as sa

from reportsync.errors import LedgerError
from reportsync.incidents import Cause
from reportsync.ledger import place
from reportsync.ledger.migrate import HEAD, OURS
from reportsync.ledger.place import cannot_open, file_uri
from reportsync.ledger.tables import Instant, metadata
from reportsync.model import MOST_VERSIONS, Outcome

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_APP = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_NOT_GIVEN = {
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
}  # fmt: skip
"""What says that a page was not given, and nothing of what is in it."""

_PIECE = 2**20

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a table that make sense, how many others there are, and whether some cannot be read."""

    good: tuple[Row, ...]
    senseless: int = 0
    broken: bool = False


def damage(path: Path, wait: float = 30.0) -> str | None:
    """Say what is wrong with the ledger at `path`, None if it is whole (or empty, which is no ledger).

    Raises `LedgerError` where that cannot be told: another process holds it, or the disk does not give it.
    """
    like_sqlite = place.looks_like_sqlite(path)
    if not like_sqlite:
        return None if like_sqlite is None else "file is not a database"
    # Twice: at some reads SQLite calls it damage if the disk has failed once.
    return _damage(path, wait) and _damage(path, wait)


def _damage(path: Path, wait: float) -> str | None:
    try:
        with closing(sqlite3.connect(file_uri(path, "rw"), uri=True, timeout=wait)) as connection:
            rows = connection.execute("PRAGMA integrity_check(3)").fetchall()
            if rows != [("ok",)]:
                told = "; ".join(str(row[0]) for row in rows)
                _refuse_unread(path, told)
                return told
            return nonsense(connection)
    except sqlite3.DatabaseError as error:
        if _primary(error) in _DAMAGE:
            return str(error)
        raise _not_looked_at(path, str(error)) from None


def _refuse_unread(path: Path, told: str) -> None:
    """Raise `LedgerError` if a check failed at pages that the disk did not give, which may be whole."""
    codes = (int(code) & 0xFF for code in re.findall(r"error code=(\d+)", told))
    if any(code in _NOT_GIVEN for code in codes):
        raise _not_looked_at(path, told)


def _not_looked_at(path: Path, why: str) -> LedgerError:
    return LedgerError(
        f"the ledger {path} cannot be looked at: {why}",
        hint="see that no other process holds it, and that its disk is well; then try again",
    )


def _primary(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)) & 0xFF


def nonsense(connection: sqlite3.Connection) -> str | None:
    """Say which rows of a ledger of ours make no sense, although the database is intact."""
    if not _is_ours(connection):
        return None
    said = _versions(connection)
    if said is None or len(said) != 1:
        how = "more than once" if said else "nowhere"
        return f"it says {how} which schema it has"
    _take_any_text(connection)
    broken, senseless = [], []
    for table in sorted(metadata.sorted_tables, key=lambda table: table.name):
        try:
            count = _senseless(connection, table)
        except sqlite3.DatabaseError as error:
            if _primary(error) in _NOT_GIVEN:
                raise
            broken.append(table.name)
        else:
            senseless += [f"{count} of {table.name}"] if count else []
    if broken:
        return f"tables cannot be read: {', '.join(broken)}"
    told = ", ".join(senseless)
    return f"there are rows that make no sense: {told}" if told else None


def _senseless(connection: sqlite3.Connection, table: sa.Table) -> int:
    """Count the rows of a table that make no sense, keeping none: a healthy ledger may be large."""
    rows = connection.execute(_select(table, _orders(table)[0]))
    names = table.c.keys()
    return sum(not makes_sense(table, dict(zip(names, row, strict=True))) for row in rows)


def _select(table: sa.Table, order: str) -> str:
    # Not in quotation marks, in which a name that is no column's any more would be taken for a text.
    columns = ", ".join(f"[{column.name}]" for column in table.c)
    return f"SELECT {columns} FROM {table.name} ORDER BY {order}"


def _is_ours(connection: sqlite3.Connection) -> bool:
    """Say whether this is a ledger of this schema; one that no longer says which is told by its tables."""
    said = _versions(connection)
    if said:
        return said[0] == HEAD
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name for (name,) in names} >= OURS


def _versions(connection: sqlite3.Connection) -> list[str] | None:
    """Return which schemas a ledger says it has, None if that cannot be read."""
    try:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.DatabaseError as error:
        if _primary(error) in _NOT_GIVEN:
            raise
        return None
    return [version for (version,) in found]


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
            return _read(connection) if _is_ours(connection) else {}
    except sqlite3.DatabaseError:
        return {}


def is_foreign(rows: Mapping[str, Rows], archive: str | None) -> bool:
    """Say whether `rows` are known to be of another archive than the one whose id is `archive`."""
    facts = rows["facts"].good if "facts" in rows else ()
    remembered = {row["value"] for row in facts if row["name"] == "archive"}
    return archive is not None and bool(remembered) and archive not in remembered


def _read(connection: sqlite3.Connection) -> dict[str, Rows]:
    _take_any_text(connection)
    return {table.name: _rows(connection, table) for table in metadata.sorted_tables}


def _take_any_text(connection: sqlite3.Connection) -> None:
    # A text that is no UTF-8 would end the reading; so it is found out by its surrogates.
    connection.text_factory = lambda text: text.decode(errors="surrogateescape")


def _rows(connection: sqlite3.Connection, table: sa.Table) -> Rows:
    """Read a table from its beginning, and where that breaks off also from its end."""
    found: dict[tuple[Any, ...], Row] = {}
    broken = False
    for order in _orders(table):
        try:
            for row in connection.execute(_select(table, order)):
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


def makes_sense(table: sa.Table, row: Mapping[str, Any]) -> bool:
    """Say whether every value of `row` is one that the program writes into its column."""
    try:
        return all(_fits(table, column, row[column.name]) for column in table.c)
    except (ValueError, TypeError, AttributeError):  # of another kind than the column's
        return False


def _fits(table: sa.Table, column: sa.Column[Any], value: Any) -> bool:
    if value is None:
        return bool(column.nullable)
    special = _SPECIAL.get((table.name, column.name))
    if (
        column.name == "app" or (table.name, column.name) == ("apps", "name")
    ) and not _APP.fullmatch(value):
        return False
    if special is not None:
        special(value)
    match column.type:
        case Instant():
            return bool(_INSTANT.fullmatch(value) and datetime.fromisoformat(value))
        case sa.Date():
            return bool(_DAY.fullmatch(value) and date.fromisoformat(value))
        case sa.Boolean():
            return bool(value in (0, 1))
        case sa.Integer():
            return isinstance(value, int)
        case _:
            return isinstance(value, str) and bool(value.encode() or True)


def _spans(text: str) -> None:
    for line in text.splitlines():
        _, first, last = line.split(" ")
        date.fromisoformat(first), date.fromisoformat(last)


def _version(number: int) -> None:
    if not 1 <= number <= MOST_VERSIONS:
        raise ValueError(number)


def _sha256(text: str) -> None:
    int(text, 16)


_SPECIAL: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("reports", "last_outcome"): Outcome,
    ("attempts", "outcome"): Outcome,
    ("archives", "sha256"): _sha256,
    ("archives", "version"): _version,
    ("incidents", "key"): lambda key: Cause(key.partition(":")[0]),
    ("incidents", "held"): _spans,
}

"""Whether a ledger is whole: whether SQLite can read it, it says its schema, and its rows make sense."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from reportsync.errors import LedgerError
from reportsync.ledger import place
from reportsync.ledger.migrate import KNOWN, OURS, is_numbered
from reportsync.ledger.sense import doubtful, makes_sense, select
from reportsync.ledger.tables import metadata

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_NOT_GIVEN = {
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
}  # fmt: skip
"""What says that a page was not given, and nothing of what is in it."""

_SCHEMA = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?"
_NOTHING = dict.fromkeys(column.name for table in metadata.sorted_tables for column in table.c)


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
        with closing(sqlite3.connect(place.file_uri(path, "rw"), uri=True, timeout=wait)) as ledger:
            told = fault(ledger)
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            return str(error)
        raise _not_looked_at(path, str(error)) from None
    codes = (int(code) & 0xFF for code in re.findall(r"error code=(\d+)", told or ""))
    if any(code in _NOT_GIVEN for code in codes):  # of pages which may be whole
        raise _not_looked_at(path, str(told))
    return told


def _not_looked_at(path: Path, why: str) -> LedgerError:
    return LedgerError(
        f"the ledger {path} cannot be looked at: {why}",
        hint="see that no other process holds it, and that its disk is well; then try again",
    )


def is_damage(error: sqlite3.Error) -> bool:
    """Say whether `error` is about what is in the file, and not about reading it."""
    return _code(error) in _DAMAGE


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)) & 0xFF


def is_whole(path: Path) -> bool:
    """Say whether the file at `path` is an intact ledger, every row of which makes sense."""
    try:
        with closing(sqlite3.connect(place.file_uri(path, "ro"), uri=True)) as ledger:
            # An empty file is an intact database, too, but no ledger.
            return fault(ledger) is None and bool(versions(ledger))
    except sqlite3.DatabaseError:
        return False


def fault(ledger: sqlite3.Connection) -> str | None:
    """Say what is wrong with an open database, None if it is whole; raises `sqlite3.DatabaseError`.

    Takes no more memory for a large one, and lets other threads run.
    """
    try:
        return _fault(ledger)
    except UnicodeDecodeError:  # of what SQLite says of it, where it quotes the schema
        raise sqlite3.DatabaseError("malformed database schema, which is no text") from None


def _fault(ledger: sqlite3.Connection) -> str | None:
    try:
        rows = ledger.execute("PRAGMA integrity_check(3)").fetchall()
    except sqlite3.OperationalError as error:
        if _code(error) != sqlite3.SQLITE_ERROR:
            raise
        return str(error)  # of the schema's own words: the PRAGMA's are right
    if rows != [("ok",)]:
        return "; ".join(str(row[0]) for row in rows)
    return _unusable(ledger) or _nonsense(ledger) if is_ours(ledger) else None


def _unusable(ledger: sqlite3.Connection) -> str | None:
    """Say why a table of ours takes no rows, although all that there are can be read."""
    # What is open for reading alone leaves the checks of its tables out, so they are made anew in memory.
    with closing(sqlite3.connect(":memory:")) as anew:
        for table in metadata.sorted_tables:
            try:
                for (schema,) in ledger.execute(_SCHEMA, (table.name,)):
                    if not isinstance(schema, str):
                        return f"the schema of the table {table.name} is no text"
                    anew.execute(schema).close()
                    for database in (anew, ledger):
                        database.execute(f"EXPLAIN {_insert(table)}", _NOTHING).close()
            except sqlite3.DatabaseError as error:
                if _code(error) in _NOT_GIVEN:
                    raise
                return f"the table {table.name} cannot be written to: {error}"
    return None


@cache
def _insert(table: sa.Table) -> str:
    return str(sa.insert(table))


def _nonsense(ledger: sqlite3.Connection) -> str | None:
    """Say which rows of a ledger of ours make no sense, although the database is intact."""
    said = versions(ledger)
    if said is None or len(said) != 1 or said[0] not in KNOWN:
        how = "by no number" if said and len(said) == 1 else "more than once" if said else "nowhere"
        return f"it says {how} which schema it has"
    take_any_text(ledger)
    broken, senseless = [], []
    for table in sorted(metadata.sorted_tables, key=lambda table: table.name):
        try:
            found = ledger.execute(f"{select(table)} WHERE {doubtful(table)}")
            rows = (dict(zip(table.c.keys(), row, strict=True)) for row in found)
            count = sum(not makes_sense(table, row) for row in rows)
        except sqlite3.DatabaseError as error:
            if _code(error) in _NOT_GIVEN:
                raise
            broken.append(table.name)
        else:
            senseless += [f"{count} of {table.name}"] if count else []
    if broken:
        return f"tables cannot be read: {', '.join(broken)}"
    told = ", ".join(senseless)
    return f"there are rows that make no sense: {told}" if told else None


def is_ours(ledger: sqlite3.Connection) -> bool:
    """Say whether this is a ledger of a schema we know; one that does not say which is told by its tables."""
    said = versions(ledger)
    if said and is_numbered(said[0]):
        return said[0] in KNOWN
    names = ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name for (name,) in names} >= OURS


def versions(ledger: sqlite3.Connection) -> list[object] | None:
    """Return which schemas a ledger says it has, None if that cannot be read."""
    try:
        found = ledger.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.DatabaseError as error:
        if _code(error) in _NOT_GIVEN:
            raise
        return None
    return [version for (version,) in found]


def take_any_text(ledger: sqlite3.Connection) -> None:
    """Have a text that is no UTF-8 found out by its surrogates, instead of ending the reading."""
    ledger.text_factory = lambda text: text.decode(errors="surrogateescape")

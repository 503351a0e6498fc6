"""The few places where SQLite and PostgreSQL differ."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

_WRITERS = 0x7265706F7274  # "report": the key of the lock in the database that is the ledger's


def upsert(dialect: str, table: sa.Table) -> Any:
    """Return an INSERT into `table` that knows ON CONFLICT, for a connection with this `dialect.name`."""
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql  # 2 MiB that SQLite does without

        return postgresql.insert(table)
    return sqlite.insert(table)


def as_lines(dialect: str, text: sa.ColumnElement[str]) -> Any:
    """Return the texts of all rows as the lines of one."""
    join = sa.func.string_agg if dialect == "postgresql" else sa.func.group_concat
    return join(text, sa.literal_column("'\n'"))


def wait_for_turn(connection: sa.Connection, seconds: float) -> None:
    """Make this PostgreSQL transaction the only one of reportsync that writes, as SQLite's are anyway.

    Fails after `seconds` of waiting. With one writer at a time nothing is lost between reading and
    writing a row, and transactions over several reports cannot block each other for ever.
    """
    wait = f"{max(round(seconds * 1000), 1)}ms"
    connection.execute(sa.select(sa.func.set_config("lock_timeout", wait, True)))
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITERS)))


def server_now(connection: sa.Connection) -> datetime | None:
    """Return the database server's instant (UTC), or None where the database runs in this process."""
    if connection.dialect.name != "postgresql":
        return None
    now: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return now.astimezone(UTC)

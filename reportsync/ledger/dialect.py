"""The few places where SQLite and PostgreSQL differ."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite


def upsert(connection: sa.Connection, table: sa.Table) -> Any:
    """Return an INSERT into `table` that knows ON CONFLICT in the dialect of `connection`."""
    return (
        postgresql.insert(table)
        if connection.dialect.name == "postgresql"
        else sqlite.insert(table)
    )


def server_now(connection: sa.Connection) -> datetime | None:
    """Return the database server's instant (UTC), or None where the database runs in this process."""
    if connection.dialect.name != "postgresql":
        return None
    now: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return now.astimezone(UTC)

"""The ledger's tables. Instants are text in UTC, so that plain `sqlite3` shows them readable and sorted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware instant, kept as 2026-11-23T02:00:00.000000Z; the fixed width makes text order time order."""

    impl = sa.String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> str | None:
        """Turn an aware instant into text."""
        if value is None:
            return None
        utc = value.astimezone(UTC).replace(tzinfo=None)
        return utc.isoformat(timespec="microseconds") + "Z"

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> datetime | None:
        """Turn text into an aware instant."""
        return None if value is None else datetime.fromisoformat(value)


metadata = sa.MetaData()

facts = sa.Table(
    "facts",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
"""Single values: `archive` is the id of the archive folder that this ledger is about, `hook` the number
of the last arrival that was given its delivery."""

apps = sa.Table(
    "apps",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("first", sa.Date, nullable=False),
    sa.Column("through", sa.Date, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False, default=0),
    sa.CheckConstraint("first <= through", name="range_in_order"),
)
"""Every day from `first` to `through` has its row in `reports`; `bytes` sums the held archives."""

reports = sa.Table(
    "reports",
    metadata,
    sa.Column("app", sa.String(64), primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("tries", sa.Integer, nullable=False, default=0),
    sa.Column("next_attempt", Instant),
    sa.Column("last_attempt", Instant),
    sa.Column("last_outcome", sa.String(16)),
    sa.Column("reason", sa.Text),
    sa.CheckConstraint("state IN ('missing', 'stored')", name="known_state"),
    sa.CheckConstraint("attempts >= tries AND tries >= 0", name="counts_in_order"),
    sqlite_with_rowid=False,
)
"""One row per expected day. `tries` counts the failures that lengthen the pause, `attempts` all."""

IS_MISSING = sa.text("state = 'missing'")
"""Literal, so that the planner can use the partial index."""

sa.Index(
    "reports_missing",
    reports.c.app,
    reports.c.day,
    sqlite_where=IS_MISSING,
)

archives = sa.Table(
    "archives",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("app", sa.String(64), nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("held", sa.Boolean(create_constraint=True, name="held_is_boolean"), nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("members", sa.Integer, nullable=False),
    sa.Column("flags", sa.Text, nullable=False, default=""),
    sa.Column("stored", Instant, nullable=False),
    sa.Column("verified", Instant, nullable=False),
    sa.UniqueConstraint("app", "day", "version", name="one_row_per_version"),
    sa.CheckConstraint("version >= 1 AND size >= 0 AND members >= 0", name="counts_not_negative"),
    sa.CheckConstraint("length(sha256) = 64", name="whole_sha256"),
    sqlite_autoincrement=True,
)
"""One row per stored version; `id` numbers the arrivals. `held` is false once its file was found lost."""

sa.Index("archives_verified", archives.c.verified)
IS_HELD = sa.text("held")
"""Literal, so that the planner can use the partial index; elsewhere it shall not, for the key finds more."""

sa.Index("archives_app_verified", archives.c.app, archives.c.verified, sqlite_where=IS_HELD)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("app", sa.String(64), nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("pass_id", sa.String(32)),
    sa.Column("started", Instant, nullable=False),
    sa.Column("ended", Instant, nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("requests", sa.Integer, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("size", sa.BigInteger),
    sa.Column("reason", sa.Text),
)
sa.Index("attempts_report", attempts.c.app, attempts.c.day)

claims = sa.Table(
    "claims",
    metadata,
    sa.Column("app", sa.String(64), primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("token", sa.String(32), nullable=False),
    sa.Column("lease_end", Instant, nullable=False),
)

waivers = sa.Table(
    "waivers",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("app", sa.String(64), nullable=False),
    sa.Column("first", sa.Date, nullable=False),
    sa.Column("last", sa.Date, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("created", Instant, nullable=False),
    sa.Column("until", sa.Date),
    sa.Column("ended", Instant),
    sa.CheckConstraint("first <= last", name="waiver_in_order"),
    sa.CheckConstraint("length(reason) > 0", name="waiver_has_reason"),
)
"""Never deleted: a waiver that a person takes back has `ended`."""

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("arrival", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("app", sa.String(64), nullable=False),
    sa.Column("asked", Instant, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False, default=0),
    sa.Column("next_attempt", Instant, nullable=False),
    sa.Column("failed_since", Instant),
    sa.Column("error", sa.Text),
    sa.Column("owner", sa.Text),
    sa.Column("token", sa.String(32)),
    sa.Column("lease_end", Instant),
    sa.Column("process", sa.Text),
    sa.CheckConstraint("(owner IS NULL) = (lease_end IS NULL)", name="lease_has_owner"),
    sa.CheckConstraint("(tries > 0) = (error IS NOT NULL)", name="failure_has_error"),
)
"""The arrivals that the hook still has to be run for; a row goes when it has exited 0."""

sa.Index("deliveries_app", deliveries.c.app, deliveries.c.arrival)

stale_sums = sa.Table(
    "stale_sums",
    metadata,
    sa.Column("app", sa.String(64), primary_key=True),
    sa.Column("year", sa.Integer, primary_key=True),
    sa.Column("serial", sa.Integer, nullable=False),
)
"""The SHA256SUMS files that are behind; written with the record, deleted once the file is current."""

passes = sa.Table(
    "passes",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("started", Instant, nullable=False),
    sa.Column("beat", Instant, nullable=False),
    sa.Column("ended", Instant),
    sa.Column("asked", sa.Integer, nullable=False, default=0),
    sa.Column("stored", sa.Integer, nullable=False, default=0),
    sa.Column("missing", sa.Integer, nullable=False, default=0),
    sa.Column("exit", sa.Integer),
)
sa.Index("passes_started", passes.c.started)

incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("key", sa.String(300), nullable=False),
    sa.Column("opened", Instant, nullable=False),
    sa.Column("held", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("hint", sa.Text),
    sa.Column("told", Instant),
    sa.Column("handed", Instant),
    sa.Column("closed", Instant),
    sa.Column("outcome", sa.Text),
    sa.Column("end_told", Instant),
)
"""Never deleted. `held` has a line `APP FIRST LAST` per run of days; `handed` is when a notice was given to
the channels without their answer so far; `end_told` when the end was told, or needed no telling."""

sa.Index(
    "incidents_untold",
    incidents.c.closed,
    sqlite_where=sa.text("end_told IS NULL"),
)
sa.Index(
    "incidents_open",
    incidents.c.key,
    unique=True,
    sqlite_where=sa.text("closed IS NULL"),
)


@sa.event.listens_for(metadata, "before_create")
def _partial_on_postgresql(target: sa.MetaData, connection: sa.Connection, **more: Any) -> None:
    """Give indexes their condition there, too; stated with them it would load that dialect for SQLite."""
    if connection.dialect.name == "postgresql":
        for index in (one for table in target.tables.values() for one in table.indexes):
            where = index.dialect_options["sqlite"]["where"]
            index.dialect_options["postgresql"]["where"] = where

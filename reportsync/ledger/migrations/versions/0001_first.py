"""The first schema."""

import sqlalchemy as sa
from alembic import op

from reportsync.ledger.tables import Instant

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "apps",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("through", sa.Date(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("first <= through", name="range_in_order"),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "archives",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("app", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "held", sa.Boolean(create_constraint=True, name="held_is_boolean"), nullable=False
        ),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("members", sa.Integer(), nullable=False),
        sa.Column("flags", sa.Text(), nullable=False),
        sa.Column("stored", Instant(), nullable=False),
        sa.Column("verified", Instant(), nullable=False),
        sa.CheckConstraint("length(sha256) = 64", name="whole_sha256"),
        sa.CheckConstraint(
            "version >= 1 AND size >= 0 AND members >= 0", name="counts_not_negative"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("app", "day", "version", name="one_row_per_version"),
        sqlite_autoincrement=True,
    )
    op.create_index("archives_verified", "archives", ["verified"], unique=False)
    op.create_table(
        "attempts",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("app", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("pass_id", sa.String(length=32), nullable=True),
        sa.Column("started", Instant(), nullable=False),
        sa.Column("ended", Instant(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("attempts_report", "attempts", ["app", "day"], unique=False)
    op.create_table(
        "claims",
        sa.Column("app", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("lease_end", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("app", "day"),
    )
    op.create_table(
        "deliveries",
        sa.Column("arrival", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("app", sa.String(length=64), nullable=False),
        sa.Column("asked", Instant(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_attempt", Instant(), nullable=False),
        sa.Column("failed_since", Instant(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("token", sa.String(length=32), nullable=True),
        sa.Column("lease_end", Instant(), nullable=True),
        sa.Column("process", sa.Text(), nullable=True),
        sa.CheckConstraint("(owner IS NULL) = (lease_end IS NULL)", name="lease_has_owner"),
        sa.CheckConstraint("(tries > 0) = (error IS NOT NULL)", name="failure_has_error"),
        sa.PrimaryKeyConstraint("arrival"),
    )
    op.create_index("deliveries_app", "deliveries", ["app", "arrival"], unique=False)
    op.create_table(
        "facts",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("opened", Instant(), nullable=False),
        sa.Column("held", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=True),
        sa.Column("told", Instant(), nullable=True),
        sa.Column("handed", Instant(), nullable=True),
        sa.Column("closed", Instant(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("end_told", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "incidents_open",
        "incidents",
        ["key"],
        unique=True,
        sqlite_where=sa.text("closed IS NULL"),
        postgresql_where=sa.text("closed IS NULL"),
    )
    op.create_table(
        "passes",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("started", Instant(), nullable=False),
        sa.Column("beat", Instant(), nullable=False),
        sa.Column("ended", Instant(), nullable=True),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("stored", sa.Integer(), nullable=False),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("exit", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("passes_started", "passes", ["started"], unique=False)
    op.create_table(
        "reports",
        sa.Column("app", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_attempt", Instant(), nullable=True),
        sa.Column("last_attempt", Instant(), nullable=True),
        sa.Column("last_outcome", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('missing', 'stored')", name="known_state"),
        sa.CheckConstraint("attempts >= tries AND tries >= 0", name="counts_in_order"),
        sa.PrimaryKeyConstraint("app", "day"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "reports_missing",
        "reports",
        ["app", "day"],
        unique=False,
        sqlite_where=sa.text("state = 'missing'"),
        postgresql_where=sa.text("state = 'missing'"),
    )
    op.create_table(
        "stale_sums",
        sa.Column("app", sa.String(length=64), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("app", "year"),
    )
    op.create_table(
        "waivers",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("app", sa.String(length=64), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created", Instant(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("ended", Instant(), nullable=True),
        sa.CheckConstraint("first <= last", name="waiver_in_order"),
        sa.CheckConstraint("length(reason) > 0", name="waiver_has_reason"),
        sa.PrimaryKeyConstraint("id"),
    )

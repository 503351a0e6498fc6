"""Indexes for what else would be read from end to end: when archives were verified, incidents to tell of."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the indexes."""
    op.create_index(
        "archives_app_verified",
        "archives",
        ["app", "verified"],
        unique=False,
        sqlite_where=sa.text("held"),
        postgresql_where=sa.text("held"),
    )
    op.create_index(
        "incidents_untold",
        "incidents",
        ["closed"],
        unique=False,
        sqlite_where=sa.text("end_told IS NULL"),
        postgresql_where=sa.text("end_told IS NULL"),
    )

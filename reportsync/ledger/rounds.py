"""Rounds of verifying: the held archives in the order in which they were verified."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from reportsync.ledger.queries import HeldArchive, held_archive
from reportsync.ledger.tables import IS_HELD, archives


@dataclass(frozen=True, slots=True)
class Round:
    """Which archives a round of verifying is about: verified up to `until`, of the apps `names`, None
    for all, from the day `since` on."""

    until: datetime
    names: tuple[str, ...] | None = None
    since: date | None = None


def verified_longest_ago(
    connection: sa.Connection, about: Round, after: HeldArchive | None, limit: int
) -> list[HeldArchive]:
    """Return up to `limit` held archives, those verified longest ago first, from behind `after` on.

    Reads no more rows than that, however many there are.
    """
    return [held_archive(row) for row in connection.execute(round_query(about, after).limit(limit))]


def round_query(about: Round, after: HeldArchive | None) -> sa.Select[Any]:
    """Return the query for a round's archives from behind `after` on, in order."""
    query = _of_round(about).where(archives.c.verified <= about.until)
    if after is not None:
        ties = sa.or_(archives.c.verified > after.verified, archives.c.id > after.number)
        query = query.where(archives.c.verified >= after.verified, ties)
    return query.order_by(archives.c.verified, archives.c.id)


def _of_round(about: Round) -> sa.Select[Any]:
    one = about.names is not None and len(about.names) == 1
    query = sa.select(archives).where(IS_HELD if one else archives.c.held.is_(True))
    if about.names is not None:
        # SQLite would look up each of several apps by the key, and sort all that there is of them.
        app = archives.c.app if one else archives.c.app.concat("")
        query = query.where(app.in_(about.names))
    if about.since is not None:
        query = query.where(archives.c.day >= about.since)
    return query


def verified_ahead(
    connection: sa.Connection, about: Round, now: datetime, limit: int
) -> list[HeldArchive]:
    """Return up to `limit` held archives that a clock which was ahead of `now` says were verified."""
    query = _of_round(about).where(archives.c.verified > now)
    return [held_archive(row) for row in connection.execute(query.limit(limit))]


def last_verified(connection: sa.Connection, number: int) -> datetime | None:
    """Return when the archive of an arrival was last verified, None if it is not held any more."""
    return connection.execute(_LAST_VERIFIED, {"number": number}).scalar_one_or_none()


_LAST_VERIFIED = sa.select(archives.c.verified).where(
    archives.c.id == sa.bindparam("number"), archives.c.held.is_(True)
)

"""Rounds of verifying: the held archives in the order in which they were verified."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
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
    query, given = round_query(about, after)
    return [held_archive(row) for row in connection.execute(query, {**given, "most": limit})]


def round_query(about: Round, after: HeldArchive | None) -> tuple[sa.Select[Any], dict[str, Any]]:
    """Return the query for the `most` archives of a round from behind `after` on, and what is given to it."""
    given: dict[str, Any] = {"until": about.until, "since": about.since}
    if after is not None:
        given |= {"verified_after": after.verified, "number_after": after.number}
    return _in_order(about.names, about.since is not None, after is not None), given


def verified_ahead(
    connection: sa.Connection, about: Round, now: datetime, limit: int
) -> list[HeldArchive]:
    """Return up to `limit` held archives that a clock which was ahead of `now` says were verified."""
    given = {"now": now, "since": about.since, "most": limit}
    query = _ahead(about.names, about.since is not None)
    return [held_archive(row) for row in connection.execute(query, given)]


# Built once for names that are asked about again and again, and may be a thousand.
@lru_cache(8)
def _in_order(names: tuple[str, ...] | None, since: bool, after: bool) -> sa.Select[Any]:
    query = _of_round(names, since).where(archives.c.verified <= sa.bindparam("until"))
    if after:
        verified: sa.BindParameter[datetime] = sa.bindparam("verified_after")
        ties = archives.c.id > sa.bindparam("number_after")
        query = query.where(
            archives.c.verified >= verified, sa.or_(archives.c.verified > verified, ties)
        )
    return query.order_by(archives.c.verified, archives.c.id)


@lru_cache(8)
def _ahead(names: tuple[str, ...] | None, since: bool) -> sa.Select[Any]:
    return _of_round(names, since).where(archives.c.verified > sa.bindparam("now"))


def _of_round(names: tuple[str, ...] | None, since: bool) -> sa.Select[Any]:
    one = names is not None and len(names) == 1
    query = sa.select(archives).where(IS_HELD if one else archives.c.held.is_(True))
    if names is not None:
        # SQLite would look up each of several apps by the key, and sort all that there is of them.
        app = archives.c.app if one else archives.c.app.concat("")
        query = query.where(app.in_(names))
    if since:
        query = query.where(archives.c.day >= sa.bindparam("since"))
    return query.limit(sa.bindparam("most", type_=sa.Integer))


def last_verified(connection: sa.Connection, number: int) -> datetime | None:
    """Return when the archive of an arrival was last verified, None if it is not held any more."""
    return connection.execute(_LAST_VERIFIED, {"number": number}).scalar_one_or_none()


_LAST_VERIFIED = sa.select(archives.c.verified).where(
    archives.c.id == sa.bindparam("number"), archives.c.held.is_(True)
)

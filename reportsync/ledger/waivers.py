"""Waivers: a person closes days that will never have a report, and may reopen them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

import sqlalchemy as sa

from reportsync.ledger.tables import waivers
from reportsync.model import ONE_DAY, Waiver


def add(connection: sa.Connection, waiver: Waiver) -> None:
    """Add `waiver`."""
    connection.execute(sa.insert(waivers).values(**_values(waiver)))


def take_back(connection: sa.Connection, app: str, first: date, last: date, now: datetime) -> int:
    """End what waives the days `first` to `last` of `app`; return how many waivers that touched.

    What a touched waiver covers outside the range goes on under its reason and author.
    """
    touching = sa.and_(
        waivers.c.app == app,
        waivers.c.ended.is_(None),
        waivers.c.first <= last,
        waivers.c.last >= first,
    )
    rows = connection.execute(sa.select(waivers).where(touching)).all()
    for row in rows:
        connection.execute(sa.update(waivers).where(waivers.c.id == row.id).values(ended=now))
        for start, end in _rest(row.first, row.last, first, last):
            rest = Waiver(app, start, end, row.reason, row.author, row.created, row.until)
            add(connection, rest)
    return len(rows)


def _rest(start: date, end: date, first: date, last: date) -> Iterator[tuple[date, date]]:
    """Yield what is left of the days `start` to `end` without `first` to `last`."""
    if start < first:
        yield start, first - ONE_DAY
    if last < end:
        yield last + ONE_DAY, end


def _values(waiver: Waiver) -> dict[str, object]:
    return {
        "app": waiver.app,
        "first": waiver.first,
        "last": waiver.last,
        "reason": waiver.reason,
        "author": waiver.author,
        "created": waiver.created,
        "until": waiver.until,
    }

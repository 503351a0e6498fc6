"""What the ledger knows of each app: read from what is not stored, whatever the history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from reportsync.incidents import Incident
from reportsync.known import Coverage, Known, Missing, coverage
from reportsync.ledger import incidents
from reportsync.ledger.tables import IS_HELD, IS_MISSING, apps, archives, reports, waivers
from reportsync.model import Outcome, Waiver
from reportsync.settings import App


def known(
    connection: sa.Connection,
    names: Sequence[str],
    open_now: Iterable[Incident] = (),
    *,
    verified: bool = True,
) -> dict[str, Known]:
    """Return what the ledger holds about each app of `names`; reads only rows that are not stored.

    `damaged` is by the incidents `open_now`. `verified_since` is for those who show it, and left out without
    `verified`.
    """
    missing = _missing_by_app(connection)
    waived = waivers_by_app(connection)
    ranges = {row.name: row for row in connection.execute(_SHOWN if verified else _RANGES)}
    damaged = _damaged_by_app(connection, names, open_now)
    result = {}
    for name in names:
        row = ranges.get(name)
        beyond = _stored_beyond(connection, name, row)
        result[name] = Known(
            first=row.first if row else None,
            through=row.through if row else None,
            missing=tuple(missing.get(name, ())),
            beyond=beyond,
            waivers=tuple(waived.get(name, ())),
            bytes=row.bytes if row else 0,
            newest=row.newest if row else max(beyond, default=None),
            verified_since=_verified_since(connection, name, row) if verified else None,
            damaged=frozenset(damaged.get(name, ())),
        )
    return result


def _stored_beyond(connection: sa.Connection, name: str, row: Any) -> frozenset[date]:
    """Return the stored days outside the covered range: adopted files of days not expected then."""
    if row is None:
        return frozenset(connection.execute(_STORED, {"of_app": name}).scalars())
    if not row.has_beyond:
        return frozenset()
    limits = {"of_app": name, "first": row.first, "through": row.through}
    return frozenset(connection.execute(_BEYOND, limits).scalars())


def _verified_since(connection: sa.Connection, name: str, row: Any) -> datetime | None:
    if row is not None:
        since: datetime | None = row.verified_since
        return since
    return connection.execute(_OLDEST.where(archives.c.app == name)).scalar_one_or_none()


_IS_STORED = reports.c.state == "stored"
_OUTSIDE = (reports.c.day < apps.c.first, reports.c.day > apps.c.through)
_RANGES = sa.select(
    apps,
    sa.select(reports.c.day)
    .where(reports.c.app == apps.c.name, _IS_STORED)
    .order_by(reports.c.day.desc())
    .limit(1)
    .scalar_subquery()
    .label("newest"),
    sa.or_(
        *(sa.exists().where(reports.c.app == apps.c.name, _IS_STORED, side) for side in _OUTSIDE)
    ).label("has_beyond"),
)
"""One question for all apps: a pass asks it twice, and one per app would cost more than all the rest."""

_OLDEST = sa.select(archives.c.verified).where(IS_HELD).order_by(archives.c.verified).limit(1)
_SHOWN = _RANGES.add_columns(
    _OLDEST.where(archives.c.app == apps.c.name).scalar_subquery().label("verified_since")
)
_STORED = sa.select(reports.c.day).where(reports.c.app == sa.bindparam("of_app"), _IS_STORED)
_BEYOND = _STORED.where(
    sa.or_(reports.c.day < sa.bindparam("first"), reports.c.day > sa.bindparam("through"))
)


def coverages(connection: sa.Connection, apps: Sequence[App], now: datetime) -> list[Coverage]:
    """Return the coverage of each of `apps` at `now`."""
    held = known(connection, [app.name for app in apps], verified=False)
    return [coverage(app, held[app.name], now) for app in apps]


def _damaged_by_app(
    connection: sa.Connection, names: Sequence[str], open_now: Iterable[Incident]
) -> dict[str, set[date]]:
    found: dict[str, set[date]] = defaultdict(set)
    asked = set(names)
    about = (one for one in open_now if not asked.isdisjoint(one.apps))
    for one in incidents.damaged(connection, about):
        found[one.app].add(one.day)
    return found


def _missing_by_app(connection: sa.Connection) -> dict[str, list[Missing]]:
    found: dict[str, list[Missing]] = defaultdict(list)
    for app, day, made, tries, again, outcome, reason, last in connection.execute(_MISSING):
        found[app].append(
            Missing(day, made, tries, again, Outcome(outcome) if outcome else None, reason, last)
        )
    return found


_MISSING = (
    sa.select(
        reports.c.app,
        reports.c.day,
        reports.c.attempts,
        reports.c.tries,
        reports.c.next_attempt,
        reports.c.last_outcome,
        reports.c.reason,
        reports.c.last_attempt,
    )
    .where(IS_MISSING)
    .order_by(reports.c.app, reports.c.day)
)


def waivers_by_app(connection: sa.Connection) -> dict[str, list[Waiver]]:
    """Return the waivers that nobody has taken back, by app."""
    found: dict[str, list[Waiver]] = defaultdict(list)
    for row in connection.execute(_WAIVERS):
        found[row.app].append(
            Waiver(row.app, row.first, row.last, row.reason, row.author, row.created, row.until)
        )
    return found


_WAIVERS = sa.select(waivers).where(waivers.c.ended.is_(None)).order_by(waivers.c.id)

"""What the ledger says that cannot be: no row for a day, stored without an archive, missing with one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from reportsync.calendar import days
from reportsync.ledger import records
from reportsync.ledger.tables import IS_MISSING, apps, archives, reports
from reportsync.model import Report


@dataclass(frozen=True, slots=True)
class Audit:
    """What does not fit together.

    `absent` are days without a row inside the range of days that all should have one: they would count as
    stored. `bare` are stored reports without a held archive, `settled` missing ones whose newest version
    is held. All of it comes from a database that was damaged without a word, never from a crash.
    """

    absent: tuple[Report, ...] = ()
    bare: tuple[Report, ...] = ()
    settled: tuple[Report, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether all fits together."""
        return not (self.absent or self.bare or self.settled)


def audit(connection: sa.Connection, names: Sequence[str]) -> Audit:
    """Return what does not fit together of the apps `names`."""
    return Audit(
        tuple(_absent(connection, names)),
        tuple(_bare(connection, names)),
        tuple(_settled(connection, names)),
    )


def put_right(connection: sa.Connection, names: Sequence[str]) -> Audit:
    """Bring together what does not fit, and return what that was."""
    found = audit(connection, names)
    for report in found.absent:
        records.ensure_row(connection, report)
    for report in found.bare:
        records.reopen(connection, report)
    for report in found.settled:
        records.settle(connection, report)
    for name in names:
        held = sa.select(sa.func.coalesce(sa.func.sum(archives.c.size), 0))
        held = held.where(archives.c.app == name, archives.c.held.is_(True))
        connection.execute(
            sa.update(apps).where(apps.c.name == name).values(bytes=held.scalar_subquery())
        )
    return found


def _absent(connection: sa.Connection, names: Sequence[str]) -> list[Report]:
    found = []
    for row in connection.execute(_COUNTED, {"names": list(names)}):
        if row.there == (row.through - row.first).days + 1:
            continue
        inside = sa.and_(reports.c.app == row.name, reports.c.day.between(row.first, row.through))
        there = set(connection.execute(sa.select(reports.c.day).where(inside)).scalars())
        found += [Report(row.name, day) for day in days(row.first, row.through) if day not in there]
    return found


_COUNTED = sa.select(
    apps.c.name,
    apps.c.first,
    apps.c.through,
    sa.select(sa.func.count())
    .select_from(reports)
    .where(reports.c.app == apps.c.name, reports.c.day.between(apps.c.first, apps.c.through))
    .scalar_subquery()
    .label("there"),
).where(apps.c.name.in_(sa.bindparam("names", expanding=True)))


def _bare(connection: sa.Connection, names: Sequence[str]) -> list[Report]:
    held = sa.exists().where(
        archives.c.app == reports.c.app,
        archives.c.day == reports.c.day,
        archives.c.held.is_(True),
    )
    query = sa.select(reports.c.app, reports.c.day).where(
        reports.c.app.in_(names), reports.c.state == "stored", ~held
    )
    return [
        Report(*row) for row in connection.execute(query.order_by(reports.c.app, reports.c.day))
    ]


def _settled(connection: sa.Connection, names: Sequence[str]) -> list[Report]:
    newer = archives.alias()
    newest = sa.exists().where(
        archives.c.app == reports.c.app,
        archives.c.day == reports.c.day,
        archives.c.held.is_(True),
        ~sa.exists().where(
            newer.c.app == archives.c.app,
            newer.c.day == archives.c.day,
            newer.c.version > archives.c.version,
        ),
    )
    query = sa.select(reports.c.app, reports.c.day).where(
        reports.c.app.in_(names), IS_MISSING, newest
    )
    return [
        Report(*row) for row in connection.execute(query.order_by(reports.c.app, reports.c.day))
    ]

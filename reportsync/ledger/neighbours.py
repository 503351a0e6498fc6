"""The archives of the days around one, which tell what is usual."""

from __future__ import annotations

import sqlalchemy as sa

from reportsync.ledger.hot import Hot
from reportsync.ledger.statements import naming
from reportsync.ledger.tables import archives
from reportsync.model import Archive, Report


def recent_archives(connection: sa.Connection, report: Report, count: int) -> list[Archive]:
    """Return up to `count` held archives of the days just before and after `report`, nearest first."""
    asked = {**naming(report), "count": count}
    found = [row for query in _NEIGHBOURS for row in query.rows(connection, asked)]
    found.sort(key=lambda row: abs(row[0] - report.day))
    return [Archive(Report(report.app, day), *rest) for day, *rest in found[:count]]


_OF_APP = (
    sa.select(*(archives.c[name] for name in ("day", "version", "size", "sha256", "members")))
    .where(archives.c.app == sa.bindparam("of_app"), archives.c.held.is_(True))
    .limit(sa.bindparam("count", type_=sa.Integer))
)
_OF_DAY = sa.bindparam("of_day", type_=sa.Date)
_NEIGHBOURS = (
    Hot(_OF_APP.where(archives.c.day < _OF_DAY).order_by(archives.c.day.desc())),
    Hot(_OF_APP.where(archives.c.day > _OF_DAY).order_by(archives.c.day)),
)

"""The archives of the days around one, which tell what is usual."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import date

import sqlalchemy as sa

from reportsync.ledger.dialect import as_lines
from reportsync.ledger.hot import Hot
from reportsync.ledger.statements import naming
from reportsync.ledger.tables import archives
from reportsync.model import Archive, Report


def recent_archives(connection: sa.Connection, report: Report, count: int) -> list[Archive]:
    """Return up to `count` held archives of the days just before and after `report`, nearest first."""
    asked = {**naming(report), "count": count}
    found = [
        one for query in _NEIGHBOURS for one in _read(report.app, query.rows(connection, asked))
    ]
    found.sort(key=lambda one: (abs(one.report.day - report.day), one.report.day, one.version))
    return found[:count]


def _read(app: str, rows: list[tuple[str | None]]) -> Iterator[Archive]:
    for line in (rows[0][0] or "").splitlines():
        with suppress(ValueError):  # the ledger was damaged, which others tell; it is no neighbour
            day, version, size, members, sha256 = line.split(" ", 4)
            report = Report(app, date.fromisoformat(day))
            yield Archive(report, int(version), int(size), sha256, int(members))


def _in_one_row(days: sa.ColumnElement[bool], order: sa.ColumnElement[date]) -> Hot:
    """Find archives as lines of one text: with each row, the driver lets other threads in between."""
    columns = (archives.c[name] for name in ("day", "version", "size", "members", "sha256"))
    nearest = (
        sa.select(*columns)
        .where(archives.c.app == sa.bindparam("of_app"), archives.c.held.is_(True), days)
        .order_by(order)
        .limit(sa.bindparam("count", type_=sa.Integer))
        .subquery()
    )
    day, *others = (sa.cast(column, sa.Text) for column in nearest.c)
    line: sa.ColumnElement[str] = day
    for text in others:
        line = line + " " + text
    return Hot(lambda dialect: sa.select(as_lines(dialect, line)))


_OF_DAY = sa.bindparam("of_day", type_=sa.Date)
_NEIGHBOURS = (
    _in_one_row(archives.c.day < _OF_DAY, archives.c.day.desc()),
    _in_one_row(archives.c.day > _OF_DAY, archives.c.day.asc()),
)

"""What is read from the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from reportsync.ledger.statements import naming, of_report
from reportsync.ledger.tables import (
    IS_MISSING,
    archives,
    attempts,
    claims,
    facts,
    passes,
    reports,
    stale_sums,
)
from reportsync.model import Archive, Attempt, Outcome, Report


@dataclass(frozen=True, slots=True)
class HeldArchive:
    """A row about a stored version."""

    number: int
    archive: Archive
    held: bool
    stored: datetime
    verified: datetime
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DayRow:
    """What a calendar shows of one day: its row, and its latest held version where there is one."""

    day: date
    stored: bool
    attempts: int
    last_outcome: Outcome | None
    reason: str | None
    versions: int = 0
    size: int | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportRow:
    """The row of one report."""

    state: str
    attempts: int
    tries: int
    next_attempt: datetime | None
    last_outcome: Outcome | None
    reason: str | None
    last_attempt: datetime | None


def report_row(connection: sa.Connection, report: Report) -> ReportRow | None:
    """Return the row of `report`, None if it has none yet."""
    row = connection.execute(_REPORT_ROW, naming(report)).one_or_none()
    if row is None:
        return None
    outcome = Outcome(row.last_outcome) if row.last_outcome else None
    return ReportRow(
        row.state, row.attempts, row.tries, row.next_attempt, outcome, row.reason, row.last_attempt
    )


_REPORT_ROW = sa.select(reports).where(of_report(reports))


def attempts_of(connection: sa.Connection, report: Report) -> list[Attempt]:
    """Return every attempt at `report`, oldest first."""
    query = sa.select(attempts).where(of_report(attempts)).order_by(attempts.c.id)
    return [_attempt(row) for row in connection.execute(query, naming(report))]


def _attempt(row: Any) -> Attempt:
    return Attempt(
        Report(row.app, row.day),
        row.started,
        row.ended,
        Outcome(row.outcome),
        row.requests,
        row.status,
        row.size,
        row.reason,
        row.pass_id,
    )


def versions_of(connection: sa.Connection, report: Report) -> list[HeldArchive]:
    """Return every version of `report` that was ever stored, oldest first."""
    return [held_archive(row) for row in connection.execute(_VERSIONS, naming(report))]


_VERSIONS = sa.select(archives).where(of_report(archives)).order_by(archives.c.version)


def arrivals_after(connection: sa.Connection, number: int, limit: int) -> list[HeldArchive]:
    """Return up to `limit` arrivals with numbers over `number`, in the order of their numbers.

    What is read once is never followed by a smaller number that comes late: writers take turns, so that
    numbers are committed in their order (see `Ledger`).
    """
    query = sa.select(archives).where(archives.c.id > number).order_by(archives.c.id).limit(limit)
    return [held_archive(row) for row in connection.execute(query)]


def last_arrival_number(connection: sa.Connection) -> int:
    """Return the number of the latest arrival, 0 before the first."""
    return int(connection.execute(sa.select(sa.func.max(archives.c.id))).scalar() or 0)


def stored_within(connection: sa.Connection, app: str, first: date, last: date) -> int:
    """Return how many days of `app` from `first` to `last` are stored."""
    query = sa.select(sa.func.count()).select_from(reports)
    query = query.where(reports.c.app == app, reports.c.day.between(first, last))
    return connection.execute(query.where(reports.c.state == "stored")).scalar_one()


def days_of(connection: sa.Connection, app: str) -> list[DayRow]:
    """Return every day of `app` that has a row, in the order of days."""
    held: dict[date, list[tuple[int, str]]] = defaultdict(list)
    versions = sa.select(archives.c.day, archives.c.size, archives.c.flags)
    versions = versions.where(archives.c.app == app, archives.c.held.is_(True))
    for day, size, flags in connection.execute(
        versions.order_by(archives.c.day, archives.c.version)
    ):
        held[day].append((size, flags))
    query = sa.select(
        reports.c.day,
        reports.c.state,
        reports.c.attempts,
        reports.c.last_outcome,
        reports.c.reason,
    ).where(reports.c.app == app)
    return [
        _day_row(row, held.get(row.day, []))
        for row in connection.execute(query.order_by(reports.c.day))
    ]


def _day_row(row: Any, held: list[tuple[int, str]]) -> DayRow:
    size, flags = held[-1] if held else (None, "")
    return DayRow(
        row.day,
        row.state == "stored",
        row.attempts,
        Outcome(row.last_outcome) if row.last_outcome else None,
        row.reason,
        len(held),
        size,
        tuple(flags.split("\n")) if flags else (),
    )


def latest_attempts(connection: sa.Connection, app: str, count: int) -> list[Attempt]:
    """Return the last `count` attempts at reports of `app`, newest first."""
    # By `started`, not `id`: else the planner walks the whole table backwards for an app without any.
    query = sa.select(attempts).where(attempts.c.app == app)
    query = query.order_by(attempts.c.started.desc(), attempts.c.id.desc()).limit(count)
    return [_attempt(row) for row in connection.execute(query)]


def last_arrival(connection: sa.Connection) -> datetime | None:
    """Return when the latest archive of any app was recorded, None if there never was one."""
    latest = sa.select(sa.func.max(archives.c.id)).scalar_subquery()
    query = sa.select(archives.c.stored).where(archives.c.id == latest)
    return connection.execute(query).scalar_one_or_none()


def apps_with_archives(connection: sa.Connection) -> list[str]:
    """Return the names of all apps of which an archive is, or was, held, in order."""
    query = sa.select(archives.c.app).distinct().order_by(archives.c.app)
    return list(connection.execute(query).scalars())


def held_archives(
    connection: sa.Connection, app: str, since: date | None = None
) -> list[HeldArchive]:
    """Return the held archives of `app` from the day `since` on, in order."""
    query = sa.select(archives).where(archives.c.app == app, archives.c.held.is_(True))
    if since is not None:
        query = query.where(archives.c.day >= since)
    query = query.order_by(archives.c.day, archives.c.version)
    return [held_archive(row) for row in connection.execute(query)]


def lost_reports(connection: sa.Connection, names: Iterable[str]) -> list[Report]:
    """Return the missing reports of the apps `names` that once were stored, in order."""
    same = sa.and_(archives.c.app == reports.c.app, archives.c.day == reports.c.day)
    query = (
        sa.select(reports.c.app, reports.c.day)
        .where(IS_MISSING, reports.c.app.in_(list(names)), sa.exists().where(same))
        .order_by(reports.c.app, reports.c.day)
    )
    return [Report(app, day) for app, day in connection.execute(query)]


def held_archive(row: sa.Row[tuple[object, ...]]) -> HeldArchive:
    flags = tuple(row.flags.split("\n")) if row.flags else ()
    return HeldArchive(row.id, _archive(row), row.held, row.stored, row.verified, flags)


def _archive(row: sa.Row[tuple[object, ...]]) -> Archive:
    return Archive(Report(row.app, row.day), row.version, row.size, row.sha256, row.members)


def year_sums(connection: sa.Connection, app: str, year: int) -> list[tuple[date, int, str]]:
    """Return (day, version, sha256) of each held archive of `app` whose day is in `year`."""
    limits = {"of_app": app, "first": date(year, 1, 1), "last": date(year, 12, 31)}
    return [(day, version, digest) for day, version, digest in connection.execute(_SUMS, limits)]


_SUMS = sa.select(archives.c.day, archives.c.version, archives.c.sha256).where(
    archives.c.app == sa.bindparam("of_app"),
    archives.c.day.between(sa.bindparam("first"), sa.bindparam("last")),
    archives.c.held.is_(True),
)


def missing_days(connection: sa.Connection, app: str, year: int) -> list[date]:
    """Return the missing days of `app` in `year`."""
    query = sa.select(reports.c.day).where(
        IS_MISSING,
        reports.c.app == app,
        reports.c.day.between(date(year, 1, 1), date(year, 12, 31)),
    )
    return list(connection.execute(query).scalars())


def years_of(connection: sa.Connection, app: str) -> list[int]:
    """Return the years of which `app` has held archives, in order."""
    year = sa.extract("year", archives.c.day)
    query = sa.select(year).where(archives.c.app == app, archives.c.held.is_(True))
    return sorted(int(one) for one in connection.execute(query.distinct()).scalars())


def stale_years(connection: sa.Connection) -> list[tuple[str, int, int]]:
    """Return (app, year, serial) of each SHA256SUMS that is behind."""
    return [(app, year, serial) for app, year, serial in connection.execute(_STALE)]


_STALE = sa.select(stale_sums.c.app, stale_sums.c.year, stale_sums.c.serial)


def archive_id(connection: sa.Connection) -> str | None:
    """Return the id of the archive folder that this ledger is about."""
    return connection.execute(_ARCHIVE).scalar_one_or_none()


_ARCHIVE = sa.select(facts.c.value).where(facts.c.name == "archive")


def claim_end(connection: sa.Connection, report: Report) -> tuple[str, datetime] | None:
    """Return owner and lease end of the claim on `report`, None if it is free."""
    query = sa.select(claims.c.owner, claims.c.lease_end).where(of_report(claims))
    row = connection.execute(query, naming(report)).one_or_none()
    return None if row is None else (row.owner, row.lease_end)


def last_progress(
    connection: sa.Connection, kind: str, now: datetime
) -> tuple[datetime, bool] | None:
    """Return when the latest pass of `kind` last showed life, and whether it is still going on.

    Passes begun after `now` were written while the clock was ahead, and would outshine all others.
    """
    query = sa.select(passes.c.beat, passes.c.ended).where(
        passes.c.kind == kind, passes.c.started <= now
    )
    row = connection.execute(query.order_by(passes.c.started.desc()).limit(1)).one_or_none()
    return None if row is None else (row.beat, row.ended is None)

"""What is read from the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from reportsync.known import Coverage, Known, Missing, coverage
from reportsync.ledger.statements import naming, of_report
from reportsync.ledger.tables import (
    IS_MISSING,
    apps,
    archives,
    attempts,
    claims,
    facts,
    passes,
    reports,
    stale_sums,
    waivers,
)
from reportsync.model import Archive, Attempt, Outcome, Report, Waiver
from reportsync.settings import App


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


def known(
    connection: sa.Connection, names: Sequence[str], *, verified: bool = True
) -> dict[str, Known]:
    """Return what the ledger holds about each app of `names`; reads only rows that are not stored.

    But for `verified`, which looks at every archive and is for those who show it.
    """
    missing = _missing_by_app(connection)
    waived = waivers_by_app(connection)
    ranges = {row.name: row for row in connection.execute(_RANGES)}
    since = verified_since(connection) if verified else {}
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
            verified_since=since.get(name),
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

_STORED = sa.select(reports.c.day).where(reports.c.app == sa.bindparam("of_app"), _IS_STORED)
_BEYOND = _STORED.where(
    sa.or_(reports.c.day < sa.bindparam("first"), reports.c.day > sa.bindparam("through"))
)


def coverages(connection: sa.Connection, apps: Sequence[App], now: datetime) -> list[Coverage]:
    """Return the coverage of each of `apps` at `now`."""
    held = known(connection, [app.name for app in apps], verified=False)
    return [coverage(app, held[app.name], now) for app in apps]


def _missing_by_app(connection: sa.Connection) -> dict[str, list[Missing]]:
    found: dict[str, list[Missing]] = defaultdict(list)
    columns = (
        reports.c.app,
        reports.c.day,
        reports.c.attempts,
        reports.c.tries,
        reports.c.next_attempt,
        reports.c.last_outcome,
        reports.c.reason,
        reports.c.last_attempt,
    )
    query = sa.select(*columns).where(IS_MISSING).order_by(reports.c.app, reports.c.day)
    for app, day, made, tries, again, outcome, reason, last in connection.execute(query):
        found[app].append(
            Missing(day, made, tries, again, Outcome(outcome) if outcome else None, reason, last)
        )
    return found


def waivers_by_app(connection: sa.Connection) -> dict[str, list[Waiver]]:
    """Return the waivers that nobody has taken back, by app."""
    found: dict[str, list[Waiver]] = defaultdict(list)
    for row in connection.execute(
        sa.select(waivers).where(waivers.c.ended.is_(None)).order_by(waivers.c.id)
    ):
        found[row.app].append(
            Waiver(row.app, row.first, row.last, row.reason, row.author, row.created, row.until)
        )
    return found


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
    return [_held(row) for row in connection.execute(_VERSIONS, naming(report))]


_VERSIONS = sa.select(archives).where(of_report(archives)).order_by(archives.c.version)


def arrivals_after(connection: sa.Connection, number: int, limit: int) -> list[HeldArchive]:
    """Return up to `limit` arrivals with numbers over `number`, in the order of their numbers.

    What is read once is never followed by a smaller number that comes late: writers take turns, so that
    numbers are committed in their order (see `Ledger`).
    """
    query = sa.select(archives).where(archives.c.id > number).order_by(archives.c.id).limit(limit)
    return [_held(row) for row in connection.execute(query)]


def last_arrival_number(connection: sa.Connection) -> int:
    """Return the number of the latest arrival, 0 before the first."""
    return int(connection.execute(sa.select(sa.func.max(archives.c.id))).scalar() or 0)


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
    query = sa.select(archives.c.stored).order_by(archives.c.id.desc()).limit(1)
    return connection.execute(query).scalar_one_or_none()


def held_archives(
    connection: sa.Connection,
    names: Iterable[str] | None = None,
    since: date | None = None,
) -> list[HeldArchive]:
    """Return the held archives of the apps `names`, None for all, from the day `since` on, in order."""
    query = _held_ones(names, since)
    query = query.order_by(archives.c.app, archives.c.day, archives.c.version)
    return [_held(row) for row in connection.execute(query)]


def _held_ones(names: Iterable[str] | None, since: date | None) -> sa.Select[Any]:
    query = sa.select(archives).where(archives.c.held.is_(True))
    if names is not None:
        query = query.where(archives.c.app.in_(list(names)))
    if since is not None:
        query = query.where(archives.c.day >= since)
    return query


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
    return [_held(row) for row in connection.execute(round_query(about, after).limit(limit))]


def round_query(about: Round, after: HeldArchive | None) -> sa.Select[Any]:
    """Return the query for a round's archives from behind `after` on, in order."""
    query = _held_ones(about.names, about.since).where(archives.c.verified <= about.until)
    if after is not None:
        ties = sa.or_(archives.c.verified > after.verified, archives.c.id > after.number)
        query = query.where(archives.c.verified >= after.verified, ties)
    return query.order_by(archives.c.verified, archives.c.id)


def verified_ahead(
    connection: sa.Connection, about: Round, now: datetime, limit: int
) -> list[HeldArchive]:
    """Return up to `limit` held archives that a clock which was ahead of `now` says were verified."""
    query = _held_ones(about.names, about.since).where(archives.c.verified > now)
    return [_held(row) for row in connection.execute(query.limit(limit))]


def last_verified(connection: sa.Connection, number: int) -> datetime | None:
    """Return when the archive of an arrival was last verified, None if it is not held any more."""
    query = sa.select(archives.c.verified)
    query = query.where(archives.c.id == number, archives.c.held.is_(True))
    return connection.execute(query).scalar_one_or_none()


def verified_since(connection: sa.Connection) -> dict[str, datetime]:
    """Return the instant since which each held archive of an app was verified, by app."""
    oldest = sa.func.min(archives.c.verified)
    query = sa.select(archives.c.app, oldest).where(archives.c.held.is_(True))
    return {row[0]: row[1] for row in connection.execute(query.group_by(archives.c.app))}


def lost_reports(connection: sa.Connection, names: Iterable[str]) -> list[Report]:
    """Return the missing reports of the apps `names` that once were stored, in order."""
    same = sa.and_(archives.c.app == reports.c.app, archives.c.day == reports.c.day)
    query = (
        sa.select(reports.c.app, reports.c.day)
        .where(IS_MISSING, reports.c.app.in_(list(names)), sa.exists().where(same))
        .order_by(reports.c.app, reports.c.day)
    )
    return [Report(app, day) for app, day in connection.execute(query)]


def _held(row: sa.Row[tuple[object, ...]]) -> HeldArchive:
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


def stale_years(connection: sa.Connection) -> list[tuple[str, int, int]]:
    """Return (app, year, serial) of each SHA256SUMS that is behind."""
    query = sa.select(stale_sums.c.app, stale_sums.c.year, stale_sums.c.serial)
    return [(app, year, serial) for app, year, serial in connection.execute(query)]


def archive_id(connection: sa.Connection) -> str | None:
    """Return the id of the archive folder that this ledger is about."""
    return connection.execute(
        sa.select(facts.c.value).where(facts.c.name == "archive")
    ).scalar_one_or_none()


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

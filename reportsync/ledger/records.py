"""What is written of a report: its expected day, its attempts, its archives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa

from reportsync.calendar import days, due_through
from reportsync.ledger.claims import Claim, ClaimLost, release
from reportsync.ledger.dialect import upsert
from reportsync.ledger.hot import Hot
from reportsync.ledger.neighbours import recent_archives
from reportsync.ledger.statements import given, naming, of_report
from reportsync.ledger.tables import apps, archives, attempts, reports, stale_sums
from reportsync.model import HAVE, ONE_DAY, Archive, Attempt, Report
from reportsync.oddity import oddities
from reportsync.settings import App

_CHUNK = 10_000
_NEIGHBOURS = 14
"""How many archives of the days around tell what is usual."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a record came to: the arrival's number if an archive arrived, and what is odd about it.

    `attempts` is how many attempts the report has had, this one included.
    """

    attempts: int
    arrival: int | None = None
    flags: tuple[str, ...] = ()


def cover_due(connection: sa.Connection, apps: Iterable[App], now: datetime) -> None:
    """Give every day of `apps` that is due at `now` its row."""
    ranges = {row.name: row for row in connection.execute(_RANGES)}
    spans = (_Span(app.name, app.since, last) for app in apps if (last := due_through(app, now)))
    _cover(connection, spans, ranges)


def cover(connection: sa.Connection, app: str, since: date, through: date) -> int:
    """Give every day of `app` from `since` to `through` a row, and return how many were added.

    Days that have one keep it. Costs one look when nothing is new.
    """
    rows = connection.execute(_RANGES.where(apps.c.name == app))
    return _cover(connection, [_Span(app, since, through)], {row.name: row for row in rows})


_RANGES = sa.select(apps.c.name, apps.c.first, apps.c.through)


class _Span(NamedTuple):
    """Days of an app that are to have rows; none if `through` is before `since`."""

    app: str
    since: date
    through: date


def _cover(connection: sa.Connection, spans: Iterable[_Span], ranges: Mapping[str, Any]) -> int:
    """Do what `cover` does for all of `spans`; `ranges` is what the ledger holds of each app's range."""
    holes, wider = list[_Span](), list[dict[str, Any]]()
    for span in spans:
        row = ranges.get(span.app)
        if row is None:
            _begin_app(connection, span)
            holes.append(span)
        elif span.since < row.first or row.through < span.through:
            holes.append(_Span(span.app, span.since, row.first - ONE_DAY))
            holes.append(_Span(span.app, row.through + ONE_DAY, span.through))
            first, through = min(span.since, row.first), max(span.through, row.through)
            wider.append({"of_app": span.app, "first": first, "through": through})
    rows = (
        {"app": hole.app, "day": day, "state": "missing", "attempts": 0, "tries": 0}
        for hole in holes
        for day in days(hole.since, hole.through)
    )
    added = 0
    while chunk := list(islice(rows, _CHUNK)):
        connection.execute(_expected(connection.dialect.name), chunk)
        added += len(chunk)
    if wider:
        connection.execute(_WIDEN, wider)
    return added


def _begin_app(connection: sa.Connection, span: _Span) -> None:
    """Note the range of an app that had none, with the bytes of what is held of it already."""
    held = sa.select(sa.func.coalesce(sa.func.sum(archives.c.size), 0)).where(
        archives.c.app == span.app, archives.c.held.is_(True)
    )
    connection.execute(
        sa.insert(apps).values(
            name=span.app, first=span.since, through=span.through, bytes=held.scalar_subquery()
        )
    )


_WIDEN = (
    sa.update(apps).where(apps.c.name == sa.bindparam("of_app")).values(given("first", "through"))
)


@cache
def _expected(dialect: str) -> Any:
    columns = given("app", "day", "state", "attempts", "tries")
    return upsert(dialect, reports).values(columns).on_conflict_do_nothing()


def record_archive(
    connection: sa.Connection, claim: Claim, attempt: Attempt, archive: Archive
) -> Recorded:
    """Record that `archive` is durable under its final name, with the attempt that brought it.

    Frees the claim; raises `ClaimLost` if it was another's by now. Never touches an earlier version.
    """
    _finish(connection, claim, attempt)
    flags = oddities(archive, recent_archives(connection, archive.report, _NEIGHBOURS))
    arrival = insert_archive(connection, archive, attempt.ended, flags)
    _update_report(connection, _STORED, attempt)
    return Recorded(claim.attempts + 1, arrival, flags)


def record_unchanged(connection: sa.Connection, claim: Claim, attempt: Attempt) -> Recorded:
    """Record that the report was asked for again and is what the ledger has already."""
    _finish(connection, claim, attempt)
    _update_report(connection, _STORED, attempt)
    return Recorded(claim.attempts + 1)


def record_failure(
    connection: sa.Connection,
    claim: Claim,
    attempt: Attempt,
    next_attempt: datetime | None,
    counted: bool,
) -> Recorded:
    """Record an attempt that brought nothing; a stored report stays stored.

    `counted` says whether it lengthens the pause before the next one.
    """
    _finish(connection, claim, attempt)
    more = {"more_tries": int(counted), "next_attempt": next_attempt}
    _update_report(connection, _FAILED, attempt, **more)
    return Recorded(claim.attempts + 1)


def _finish(connection: sa.Connection, claim: Claim, attempt: Attempt) -> None:
    if not release(connection, claim):
        raise ClaimLost(str(claim.report))
    _ADD_ATTEMPT.change(
        connection,
        {
            **attempt.report._asdict(),
            "pass_id": attempt.pass_id,
            "started": attempt.started,
            "ended": attempt.ended,
            "outcome": attempt.outcome.value,
            "requests": attempt.requests,
            "status": attempt.status,
            "size": attempt.size,
            "reason": attempt.reason,
        },
    )


_ADD_ATTEMPT = Hot(
    sa.insert(attempts).inline().values(given(*attempts.c.keys()[1:]))  # its number is not given
)


def _update_report(
    connection: sa.Connection, statement: Hot, attempt: Attempt, **values: Any
) -> None:
    statement.change(
        connection,
        {
            **naming(attempt.report),
            "last_attempt": attempt.ended,
            "last_outcome": attempt.outcome.value,
            "reason": None if attempt.outcome in HAVE else attempt.reason,
            **values,
        },
    )


_ATTEMPTED = (
    sa.update(reports)
    .where(of_report(reports))
    .values(attempts=reports.c.attempts + 1, **given("last_attempt", "last_outcome", "reason"))
)
_STORED = Hot(_ATTEMPTED.values(state="stored", tries=0, next_attempt=None))
_FAILED = Hot(
    _ATTEMPTED.values(tries=reports.c.tries + sa.bindparam("more_tries"), **given("next_attempt"))
)


def insert_archive(
    connection: sa.Connection, archive: Archive, now: datetime, flags: tuple[str, ...] = ()
) -> int | None:
    """Add the row of a held archive, or say of one that was lost that it is held again.

    Return the arrival's number, None if it had one before. Marks the year's SHA256SUMS as behind.
    """
    app, day = archive.report
    same = _naming_version(archive.report, archive.version)
    known = _KNOWN_VERSION.rows(connection, same)
    values = {
        "held": True,
        "size": archive.size,
        "sha256": archive.sha256,
        "members": archive.members,
        "flags": "\n".join(flags),
        "stored": now,
        "verified": now,
    }
    arrival = None
    if not known:
        key = {"app": app, "day": day, "version": archive.version}
        arrival = _ADD_ARCHIVE.add(connection, {**key, **values})
    else:
        connection.execute(_HOLD_AGAIN, {**same, **values})
    if not any(held for (held,) in known):
        _add_bytes(connection, app, archive.size)
    mark_stale(connection, app, day.year)
    return arrival


_VERSION = sa.and_(of_report(archives), archives.c.version == sa.bindparam("of_version"))
_CONTENT = given("held", "size", "sha256", "members", "flags", "stored", "verified")
_KNOWN_VERSION = Hot(sa.select(archives.c.held).where(_VERSION))


def _add_archive(dialect: str) -> Any:
    row = sa.insert(archives).values({**given("app", "day", "version"), **_CONTENT})
    # Not of every SQLite, which tells the number anyway.
    return row.returning(archives.c.id) if dialect == "postgresql" else row.inline()


_ADD_ARCHIVE = Hot(_add_archive)
_HOLD_AGAIN = sa.update(archives).where(_VERSION).values(_CONTENT)


def _naming_version(report: Report, version: int) -> dict[str, Any]:
    return {**naming(report), "of_version": version}


def lose_archive(connection: sa.Connection, report: Report, version: int) -> bool:
    """Say that the file of a version is gone, and reopen the report unless a newer one is held.

    The server has the newest content alone: it can give that back, but no older one. Return whether the
    report was reopened.
    """
    same = _naming_version(report, version)
    row = connection.execute(_HELD_VERSION, same).one_or_none()
    if row is not None:
        connection.execute(_LET_GO, same)
        _add_bytes(connection, report.app, -row.size)
        mark_stale(connection, report.app, report.day.year)
    if connection.execute(_NEWER_HELD, same).first() is not None:
        return False
    reopen(connection, report)
    return True


def reopen(connection: sa.Connection, report: Report) -> None:
    """Say of a stored report that it is missing, and may be asked for at once."""
    connection.execute(_REOPEN, naming(report))


_HELD_VERSION = sa.select(archives.c.size).where(_VERSION, archives.c.held.is_(True))
_LET_GO = sa.update(archives).where(_VERSION).values(held=False)
_HELD = sa.and_(of_report(archives), archives.c.held.is_(True))
_NEWER_HELD = (
    sa.select(archives.c.id).where(_HELD, archives.c.version > sa.bindparam("of_version")).limit(1)
)
_REOPEN = (
    sa.update(reports)
    .where(of_report(reports), reports.c.state == "stored")
    .values(state="missing", tries=0, next_attempt=None, reason="its archive was lost or damaged")
)


def adopt_row(connection: sa.Connection, archive: Archive, now: datetime) -> int | None:
    """Record a whole file that was found under its final name, outside of any attempt.

    The report is stored with it, unless a newer version of it is known, and lost.
    """
    flags = oddities(archive, recent_archives(connection, archive.report, _NEIGHBOURS))
    arrival = insert_archive(connection, archive, now, flags)
    ensure_row(connection, archive.report)
    settle(connection, archive.report)
    return arrival


def ensure_row(connection: sa.Connection, report: Report) -> None:
    """Give `report` a row, as missing, if it has none."""
    connection.execute(_one_row(connection.dialect.name), report._asdict())


@cache
def _one_row(dialect: str) -> Any:
    row = upsert(dialect, reports).values(
        **given("app", "day"), state="missing", attempts=0, tries=0
    )
    return row.on_conflict_do_nothing()


def settle(connection: sa.Connection, report: Report) -> bool:
    """Say that `report` is stored if the newest version that is known of it is held; return if it is."""
    newest = connection.execute(_NEWEST, naming(report)).scalar()
    if newest:
        connection.execute(_SETTLE, naming(report))
    return bool(newest)


_NEWEST = (
    sa.select(archives.c.held)
    .where(of_report(archives))
    .order_by(archives.c.version.desc())
    .limit(1)
)
_SETTLE = (
    sa.update(reports)
    .where(of_report(reports), reports.c.state == "missing")
    .values(state="stored", tries=0, next_attempt=None, reason=None)
)


def correct_archive(connection: sa.Connection, archive: Archive, now: datetime) -> None:
    """Have the row of a held version say what its file, found to be right at `now`, says."""
    same = _naming_version(archive.report, archive.version)
    row = connection.execute(_HELD_VERSION, same).one_or_none()
    if row is None:
        return
    right = {"size": archive.size, "sha256": archive.sha256, "members": archive.members}
    connection.execute(_CORRECT, {**same, **right, "verified": now})
    _add_bytes(connection, archive.report.app, archive.size - row.size)
    mark_stale(connection, archive.report.app, archive.report.day.year)


_CORRECT = (
    sa.update(archives).where(_VERSION).values(given("size", "sha256", "members", "verified"))
)


def set_verified(connection: sa.Connection, report: Report, version: int, now: datetime) -> None:
    """Note that the file of a version was found right at `now`."""
    _VERIFIED.change(connection, {**_naming_version(report, version), "verified": now})


_VERIFIED = Hot(sa.update(archives).where(_VERSION).values(given("verified")))


def mark_stale(connection: sa.Connection, app: str, year: int) -> None:
    """Note that the year's SHA256SUMS is behind."""
    _BEHIND.change(connection, {"app": app, "year": year})


def _behind(dialect: str) -> Any:
    return (
        upsert(dialect, stale_sums)
        .values(**given("app", "year"), serial=1)
        .on_conflict_do_update(
            index_elements=[stale_sums.c.app, stale_sums.c.year],
            set_={"serial": stale_sums.c.serial + 1},
        )
    )


_BEHIND = Hot(_behind)


def _add_bytes(connection: sa.Connection, app: str, size: int) -> None:
    _ADD_BYTES.change(connection, {"of_app": app, "more_bytes": size})


_ADD_BYTES = Hot(
    sa.update(apps)
    .where(apps.c.name == sa.bindparam("of_app"))
    .values(bytes=apps.c.bytes + sa.bindparam("more_bytes"))
)

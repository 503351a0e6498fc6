"""Incidents in the ledger: which are open, what a review changes, what was told of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from reportsync.incidents import Cause, Incident, Notice, Phase, Reviewed, Span
from reportsync.ledger.tables import archives, incidents, reports
from reportsync.model import Archive, Report

_OPEN = incidents.c.closed.is_(None)
_RUNS_AT_ONCE = 200  # SQLite nests what is joined by OR, a thousand deep at most
_DOUBT = (
    sa.update(archives)
    .where(
        archives.c.app == sa.bindparam("whose"),
        archives.c.day == sa.bindparam("which"),
        archives.c.version == sa.bindparam("number"),
        archives.c.verified > sa.bindparam("since"),
    )
    .values(verified=sa.bindparam("since"))
)


def open_now(connection: sa.Connection) -> list[Incident]:
    """Return the incidents that are open, oldest first."""
    return _in_order(connection, sa.select(incidents).where(_OPEN))


def untold_ends(connection: sa.Connection, since: datetime) -> list[Incident]:
    """Return the incidents closed after `since` of whose end nobody knows yet, oldest first."""
    query = sa.select(incidents).where(incidents.c.closed > since, incidents.c.end_told.is_(None))
    return _in_order(connection, query)


def _in_order(connection: sa.Connection, query: sa.Select[Any]) -> list[Incident]:
    # Asked for an order, SQLite would read every incident there ever was rather than sort the few.
    return sorted(map(_incident, connection.execute(query)), key=lambda one: one.number or 0)


def history(connection: sa.Connection) -> list[Incident]:
    """Return every incident that ever was, oldest first."""
    return [_incident(r) for r in connection.execute(sa.select(incidents).order_by(incidents.c.id))]


def apply(connection: sa.Connection, found: Reviewed, now: datetime) -> list[Incident]:
    """Write what a review at `now` came to, and return the new incidents with the numbers of their rows.

    Of the end of what nobody was told about, nobody needs to be told.
    """
    for one in found.lasting:
        _update(
            connection, one, held=_text(one.held), reason=one.reason, hint=one.hint, told=one.told
        )
    for one in found.closed:
        silent = now if one.told is None else None
        _update(connection, one, closed=now, outcome=one.outcome, handed=None, end_told=silent)
    for one in found.dropped:
        _update(connection, one, closed=now, handed=None, end_told=now)
    return [_insert(connection, one) for one in found.opened]


def hand(connection: sa.Connection, numbers: Iterable[int], now: datetime) -> None:
    """Note that notices about the incidents `numbers` are given to the channels at `now`."""
    _set(connection, numbers, handed=now)


def told(connection: sa.Connection, numbers: Iterable[int], now: datetime, *, end: bool) -> None:
    """Note that somebody was told at `now`: of an incident, or of its `end`."""
    _set(connection, numbers, handed=None, **{"end_told" if end else "told": now})


def note_delivery(
    connection: sa.Connection, arrived: Iterable[Notice], failed: Iterable[Notice], now: datetime
) -> None:
    """Note what became of notices: told, or free for whoever comes next; a reminder can wait a day."""
    for one in arrived:
        told(connection, one.numbers, now, end=one.phase is Phase.CLOSED)
    for one in failed:
        if one.phase is Phase.REMINDER:
            told(connection, one.numbers, now, end=False)
        else:
            _set(connection, one.numbers, handed=None)


def bring_back(connection: sa.Connection, now: datetime) -> None:
    """Have what was opened under a clock that was ahead count as opened at `now`, or nothing ends it."""
    connection.execute(
        sa.update(incidents).where(_OPEN, incidents.c.opened > now).values(opened=now)
    )


def doubt(connection: sa.Connection, damaged: Iterable[Archive], found: Iterable[Incident]) -> None:
    """Have `damaged` archives count as not found right since the damage of their app that is open began.

    They were right once, perhaps since then, and would be taken for mended.
    """
    opened = {one.subject: one.opened for one in found if one.cause is Cause.DAMAGE}
    doubted = [
        {
            "whose": one.report.app,
            "which": one.report.day,
            "number": one.version,
            "since": opened[one.report.app],
        }
        for one in damaged
        if one.report.app in opened
    ]
    if doubted:
        connection.execute(_DOUBT, doubted)


def damaged(connection: sa.Connection, found: Iterable[Incident]) -> frozenset[Report]:
    """Return which reports of open damage are stored, and were not found right since it opened."""
    left: set[Report] = set()
    for one in found:
        # By the text: a kind that this version does not know must not keep metrics from being told.
        if one.key.startswith(f"{Cause.DAMAGE}:"):
            doubtful = archives.c.held.is_(True), archives.c.verified <= one.opened
            missing = reports.c.state == "missing"
            left |= _among_held(connection, one, archives, *doubtful)
            left -= _among_held(connection, one, reports, missing)
    return frozenset(left)


def _among_held(
    connection: sa.Connection, one: Incident, table: sa.Table, *wanted: sa.ColumnElement[bool]
) -> set[Report]:
    """Return the reports that damage holds of its app and that have a row of `table` as `wanted`."""
    mine = [span for span in one.held if span.app == one.subject]
    chosen = sa.select(table.c.day).where(table.c.app == one.subject, *wanted)
    found: set[Report] = set()
    for begin in range(0, len(mine), _RUNS_AT_ONCE):
        within = (
            table.c.day.between(span.first, span.last)
            for span in mine[begin : begin + _RUNS_AT_ONCE]
        )
        days = connection.execute(chosen.where(sa.or_(*within))).scalars()
        found.update(Report(one.subject, day) for day in days)
    return found


def _insert(connection: sa.Connection, one: Incident) -> Incident:
    inserted = connection.execute(
        sa.insert(incidents).values(
            key=one.key,
            opened=one.opened,
            held=_text(one.held),
            reason=one.reason,
            hint=one.hint,
        )
    )
    assert inserted.inserted_primary_key is not None
    return _numbered(one, int(inserted.inserted_primary_key[0]))


def _numbered(one: Incident, number: int) -> Incident:
    return Incident(one.key, one.opened, one.held, one.reason, one.hint, number=number)


def _update(connection: sa.Connection, one: Incident, **values: object) -> None:
    connection.execute(sa.update(incidents).where(incidents.c.id == one.number).values(**values))


def _set(connection: sa.Connection, numbers: Iterable[int], **values: object) -> None:
    chosen = list(numbers)
    if chosen:
        connection.execute(sa.update(incidents).where(incidents.c.id.in_(chosen)).values(**values))


def _incident(row: sa.Row[tuple[object, ...]]) -> Incident:
    return Incident(
        key=row.key,
        opened=row.opened,
        held=_spans(row.held),
        reason=row.reason,
        hint=row.hint,
        told=row.told,
        handed=row.handed,
        closed=row.closed,
        outcome=row.outcome,
        number=row.id,
    )


def _text(held: Sequence[Span]) -> str:
    return "\n".join(f"{app} {first} {last}" for app, first, last in held)


def _spans(text: str) -> tuple[Span, ...]:
    words = [line.split(" ") for line in text.splitlines()]
    return tuple(
        Span(app, date.fromisoformat(first), date.fromisoformat(last)) for app, first, last in words
    )

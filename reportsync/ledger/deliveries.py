"""Deliveries: the arrivals that the hook still has to be run for, in the ledger, so that none gets lost."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from reportsync.ledger.claims import LONGEST_LEASE, is_dead, this_process
from reportsync.ledger.dialect import server_now, upsert
from reportsync.ledger.queries import last_arrival_number
from reportsync.ledger.tables import archives, deliveries, facts

LONGEST_PAUSE = timedelta(hours=6)
"""The longest pause between two runs for one arrival."""

_MARK = "hook"
"""The fact that holds the number up to which every arrival has or had its delivery."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The right to run the hook for an arrival; `token` proves it, `tries` counts the failures so far.

    `orphan` names the process that a dead owner left running for the same arrival.
    """

    arrival: int
    app: str
    asked: datetime
    tries: int
    token: str
    orphan: str | None = None


@dataclass(frozen=True, slots=True)
class FailingHook:
    """The delivery that has been failing for longest, and how many fail."""

    arrival: int
    app: str
    day: date
    tries: int
    since: datetime
    error: str
    next_attempt: datetime
    failing: int


@dataclass(frozen=True, slots=True)
class HookState:
    """For how many arrivals the hook has yet to be run, and the one that has been failing for longest."""

    waiting: int = 0
    failing: FailingHook | None = None


def begin(connection: sa.Connection) -> None:
    """See to it that arrivals from now on get a delivery; those before the first call do not."""
    if _mark(connection) is None:
        _set_mark(connection, last_arrival_number(connection))


def queue(connection: sa.Connection, now: datetime) -> None:
    """Give every new arrival its delivery, due at `now`."""
    mark = _mark(connection)
    if mark is None:
        return
    last = last_arrival_number(connection)
    new = sa.select(archives.c.id, archives.c.app, _instant(now), sa.literal(0), _instant(now))
    new = new.where(archives.c.id > mark, archives.c.id <= last)
    _insert(connection, new, on_conflict={})
    _set_mark(connection, last)


def replay(connection: sa.Connection, first: int, last: int, now: datetime) -> int:
    """Have the hook run again for the arrivals `first` to `last`; return how many those are.

    One that is being run for right now gets another run afterwards.
    """
    begin(connection)
    queue(connection, now)
    chosen = sa.and_(archives.c.id >= first, archives.c.id <= last)
    again = sa.select(archives.c.id, archives.c.app, _instant(now), sa.literal(0), _instant(now))
    fresh = {"asked": now, "next_attempt": now}
    _insert(connection, again.where(chosen), on_conflict=fresh)
    count: int = connection.execute(
        sa.select(sa.func.count()).select_from(archives).where(chosen)
    ).scalar_one()
    return count


def is_work_there(
    connection: sa.Connection, now: datetime, lease: timedelta, without: Collection[str] = ()
) -> bool:
    """Say whether an arrival is not queued yet or a delivery is due and free; writes nothing.

    `lease` is for how long a delivery is claimed.
    """
    mark = _mark(connection)
    if mark is not None and last_arrival_number(connection) > mark:
        return True
    return bool(_ready(connection, now, lease, without))


def take(
    connection: sa.Connection,
    *,
    now: datetime,
    lease: timedelta,
    turns: Mapping[str, int],
    without: Collection[str] = (),
) -> Delivery | None:
    """Claim the delivery that is next for `lease`, None if none is due and free.

    Of one app only the arrival with the smallest number is ever next. Among apps, not those of
    `without`, it is the one whose last turn, a growing number in `turns`, is the longest ago.
    """
    ready = _ready(connection, now, lease, without)
    if not ready:
        return None
    row = min(ready, key=lambda row: (turns.get(row.app, 0), row.arrival))
    token = secrets.token_hex(16)
    lease_end = (server_now(connection) or now) + lease
    connection.execute(
        sa.update(deliveries)
        .where(deliveries.c.arrival == row.arrival)
        .values(owner=this_process(), token=token, lease_end=lease_end, process=None)
    )
    orphan = row.process if row.owner is not None and is_dead(row.owner) else None
    return Delivery(row.arrival, row.app, row.asked, row.tries, token, orphan)


def started(connection: sa.Connection, delivery: Delivery, process: str) -> None:
    """Note which process was started for `delivery`."""
    connection.execute(sa.update(deliveries).where(_mine(delivery)).values(process=process))


def delivered(connection: sa.Connection, delivery: Delivery) -> None:
    """Note that the hook exited 0; a replay asked for in the meantime stays to be done."""
    connection.execute(
        sa.delete(deliveries).where(_mine(delivery), deliveries.c.asked == delivery.asked)
    )
    connection.execute(
        sa.update(deliveries)
        .where(_mine(delivery))
        .values(**_FREE, tries=0, failed_since=None, error=None)
    )


def failed(
    connection: sa.Connection,
    delivery: Delivery,
    error: str,
    now: datetime,
    next_attempt: datetime,
) -> None:
    """Note that the hook failed at `now` with `error`, fit for display, and when it is run again.

    A replay asked for in the meantime does not wait for that.
    """
    replayed = deliveries.c.asked != delivery.asked
    connection.execute(
        sa.update(deliveries)
        .where(_mine(delivery))
        .values(
            **_FREE,
            tries=deliveries.c.tries + 1,
            next_attempt=sa.case((replayed, _instant(now)), else_=_instant(next_attempt)),
            failed_since=sa.func.coalesce(deliveries.c.failed_since, _instant(now)),
            error=error,
        )
    )


def give_back(connection: sa.Connection, delivery: Delivery) -> None:
    """Free `delivery`, whose run was broken off by us: it costs nothing."""
    connection.execute(sa.update(deliveries).where(_mine(delivery)).values(**_FREE))


def hook_state(connection: sa.Connection) -> HookState:
    """Return how far the hook is behind, and with what it fails."""
    return HookState(_waiting(connection), failing_hook(connection))


def _waiting(connection: sa.Connection) -> int:
    mark = _mark(connection)
    queued = connection.execute(sa.select(sa.func.count()).select_from(deliveries)).scalar_one()
    if mark is None:
        return int(queued)
    new = sa.select(sa.func.count()).select_from(archives).where(archives.c.id > mark)
    return int(queued + connection.execute(new).scalar_one())


def failing_hook(connection: sa.Connection) -> FailingHook | None:
    """Return what is known of the delivery that has been failing for longest, None if none fails."""
    failing = deliveries.c.tries > 0
    query = (
        sa.select(deliveries, archives.c.day)
        .join(archives, archives.c.id == deliveries.c.arrival)
        .where(failing)
        .order_by(deliveries.c.failed_since, deliveries.c.arrival)
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    count = sa.select(sa.func.count()).select_from(deliveries).where(failing)
    return FailingHook(
        row.arrival,
        row.app,
        row.day,
        row.tries,
        row.failed_since,
        row.error,
        row.next_attempt,
        connection.execute(count).scalar_one(),
    )


_FREE: dict[str, None] = {"owner": None, "token": None, "lease_end": None, "process": None}


def _ready(
    connection: sa.Connection, now: datetime, lease: timedelta, without: Collection[str]
) -> list[Any]:
    """Return the first delivery of each app, where it is due and free."""
    firsts = sa.select(sa.func.min(deliveries.c.arrival)).group_by(deliveries.c.app)
    rows = connection.execute(sa.select(deliveries).where(deliveries.c.arrival.in_(firsts))).all()
    due = [row for row in rows if row.app not in without and _is_due(row.next_attempt, now)]
    clock = server_now(connection) or now if due else now
    return [row for row in due if not _is_held(row, clock, lease)]


def _is_due(next_attempt: datetime, now: datetime) -> bool:
    # Further ahead than any pause: written while the clock was ahead.
    return next_attempt <= now or next_attempt > now + LONGEST_PAUSE


def _is_held(row: Any, now: datetime, lease: timedelta) -> bool:
    if row.owner is None or is_dead(row.owner):
        return False
    return bool(now < row.lease_end <= now + max(lease, LONGEST_LEASE))


def _insert(connection: sa.Connection, rows: sa.Select[Any], on_conflict: dict[str, Any]) -> None:
    columns = ["arrival", "app", "asked", "tries", "next_attempt"]
    # `rows` has a WHERE: without one SQLite would take ON CONFLICT for the beginning of a join.
    insert = upsert(connection.dialect.name, deliveries).from_select(columns, rows)
    if on_conflict:
        insert = insert.on_conflict_do_update(
            index_elements=[deliveries.c.arrival], set_=on_conflict
        )
    else:
        insert = insert.on_conflict_do_nothing()
    connection.execute(insert)


def _instant(value: datetime) -> sa.ColumnElement[Any]:
    return sa.literal(value, deliveries.c.asked.type)


def _mark(connection: sa.Connection) -> int | None:
    value = connection.execute(
        sa.select(facts.c.value).where(facts.c.name == _MARK)
    ).scalar_one_or_none()
    return None if value is None else int(value)


def _set_mark(connection: sa.Connection, number: int) -> None:
    row = upsert(connection.dialect.name, facts).values(name=_MARK, value=str(number))
    connection.execute(
        row.on_conflict_do_update(index_elements=[facts.c.name], set_={"value": str(number)})
    )


def _mine(delivery: Delivery) -> sa.ColumnElement[bool]:
    return sa.and_(deliveries.c.arrival == delivery.arrival, deliveries.c.token == delivery.token)

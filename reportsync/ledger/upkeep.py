"""What the ledger notes about itself: the archive it belongs to, passes, SHA256SUMS that are behind."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from reportsync.ledger.claims import drop_dead
from reportsync.ledger.dialect import upsert
from reportsync.ledger.statements import given
from reportsync.ledger.tables import archives, facts, passes, stale_sums

KEPT = timedelta(days=90)
"""How long a pass is remembered; what it asked for is in the attempts, for ever."""

_BEFORE_ANY = datetime(2020, 1, 1, tzinfo=UTC)


def remember_archive(connection: sa.Connection, archive: str) -> None:
    """Note the id of the archive folder that this ledger is about."""
    row = upsert(connection.dialect.name, facts).values(name="archive", value=archive)
    connection.execute(
        row.on_conflict_do_update(index_elements=[facts.c.name], set_={"value": archive})
    )


def number_arrivals_on(connection: sa.Connection, now: datetime) -> None:
    """Have a ledger begun anew give numbers to arrivals that the lost one has not given.

    They go on from the seconds since 2020: an archive gets fewer reports than one a second.
    """
    if connection.execute(sa.select(archives.c.id).limit(1)).first() is not None:
        return
    number = max(int((now - _BEFORE_ANY).total_seconds()), 1)
    if connection.dialect.name == "postgresql":
        sequence = sa.func.pg_get_serial_sequence("archives", "id")
        connection.execute(sa.select(sa.func.setval(sequence, number)))
        return
    sequences = sa.table("sqlite_sequence", sa.column("name"), sa.column("seq"))
    connection.execute(sa.delete(sequences).where(sequences.c.name == "archives"))
    connection.execute(sa.insert(sequences).values(name="archives", seq=number))


def begin_pass(connection: sa.Connection, pass_id: str, kind: str, now: datetime) -> None:
    """Note that a pass has begun; drop claims that dead processes left behind, and notes of old passes."""
    drop_dead(connection)
    connection.execute(_FORGET, {"oldest": now - KEPT, "at": now})
    connection.execute(_BEGIN, {"id": pass_id, "kind": kind, "started": now, "beat": now})


_BEGIN = sa.insert(passes).values(given("id", "kind", "started", "beat"))

_recent = passes.alias()
_FORGET = sa.delete(passes).where(
    passes.c.id.in_(
        sa.select(passes.c.id)
        .where(
            passes.c.started < sa.bindparam("oldest"),
            # Not at the word of a clock that has just jumped ahead.
            sa.exists().where(
                _recent.c.started.between(sa.bindparam("oldest"), sa.bindparam("at"))
            ),
        )
        .order_by(passes.c.started)
        .limit(10)
    )
)


def beat(connection: sa.Connection, pass_id: str, now: datetime) -> None:
    """Note that the pass still makes progress."""
    connection.execute(sa.update(passes).where(passes.c.id == pass_id).values(beat=now))


def end_pass(
    connection: sa.Connection,
    pass_id: str,
    now: datetime,
    *,
    asked: int,
    stored: int,
    missing: int,
    exit: int,
) -> None:
    """Note how the pass ended."""
    came = {"asked": asked, "stored": stored, "missing": missing, "exit": exit}
    connection.execute(_END, {"of_pass": pass_id, "beat": now, "ended": now, **came})


_END = (
    sa.update(passes)
    .where(passes.c.id == sa.bindparam("of_pass"))
    .values(given("beat", "ended", "asked", "stored", "missing", "exit"))
)


def sums_written(connection: sa.Connection, written: Iterable[tuple[str, int, int]]) -> None:
    """Note that each SHA256SUMS, of (app, year, serial), is as current as the ledger was at `serial`."""
    values = [{"of_app": app, "of_year": year, "at": serial} for app, year, serial in written]
    if values:
        connection.execute(_IS_CURRENT, values)


_IS_CURRENT = sa.delete(stale_sums).where(
    stale_sums.c.app == sa.bindparam("of_app"),
    stale_sums.c.year == sa.bindparam("of_year"),
    stale_sums.c.serial == sa.bindparam("at"),
)

"""Claims: the leases by which one process at a time works on a report."""

from __future__ import annotations

import os
import re
import secrets
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from reportsync.ledger.dialect import server_now, upsert
from reportsync.ledger.hot import Hot
from reportsync.ledger.statements import given, naming, of_report
from reportsync.ledger.tables import archives, claims, reports
from reportsync.model import Outcome, Report

_UNKNOWN = "-"

LONGEST_LEASE = timedelta(days=1)
"""A lease that ends further ahead was begun while the clock was ahead, and does not hold."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on `report` until the lease ends; `token` proves it when recording.

    `attempts` is how many the report had when it was claimed, and nobody else makes any meanwhile. `fresh`:
    no version of it was ever stored.
    """

    report: Report
    token: str
    attempts: int
    fresh: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """Another process has the claim until `until` at the latest."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Settled:
    """Nothing is left to do: the report is stored, or was asked for since the caller wanted it."""

    stored: bool
    outcome: Outcome | None
    reason: str | None


class ClaimLost(Exception):
    """The lease ran out and another process took the claim; this one may record nothing."""


def take(
    connection: sa.Connection,
    report: Report,
    *,
    now: datetime,
    lease: timedelta,
    wanted_at: datetime,
    again: bool,
) -> Claim | Taken | Settled:
    """Claim `report` for `lease`, unless it is held or settled.

    `wanted_at` is the instant from which an attempt by anybody satisfies the caller; `again` asks for a
    stored report once more. A claim whose owner is a dead process of this machine is taken over at once.
    On PostgreSQL the server's clock decides about leases, `now` is not used.
    """
    (row,) = _REPORT.rows(connection, naming(report))
    state, attempts, last_attempt, last_outcome, reason, version, owner, held, lease_end = row
    stored = state == "stored"
    if _asked_since(last_attempt, wanted_at, now + lease) or (stored and not again):
        return Settled(stored, Outcome(last_outcome) if last_outcome else None, reason)
    now = server_now(connection) or now
    believed = held is not None and now < lease_end <= now + max(lease, LONGEST_LEASE)
    if believed and not is_dead(owner):
        return Taken(lease_end)
    token = secrets.token_hex(16)
    values = {"owner": this_process(), "token": token, "lease_end": now + lease}
    claimed = _CLAIM.change(connection, {**report._asdict(), **values, "token_before": held or ""})
    return Claim(report, token, attempts, version is None) if claimed == 1 else Taken(now + lease)


def _asked_since(last_attempt: datetime | None, wanted_at: datetime, latest: datetime) -> bool:
    """Say whether there was an attempt from `wanted_at` on.

    One later than `latest` was written while the clock was ahead, and says nothing.
    """
    return last_attempt is not None and wanted_at <= last_attempt <= latest


def renew(connection: sa.Connection, claim: Claim, *, now: datetime, lease: timedelta) -> None:
    """Let the lease of `claim` run for `lease` from `now`; raise `ClaimLost` if it is another's by now."""
    now = server_now(connection) or now
    if (
        _RENEW.change(connection, {**_proof(claim.report, claim.token), "lease_end": now + lease})
        != 1
    ):
        raise ClaimLost(str(claim.report))


def release(connection: sa.Connection, claim: Claim) -> bool:
    """Free `claim`; return False if it was another's by now."""
    return _RELEASE.change(connection, _proof(claim.report, claim.token)) == 1


def drop_dead(connection: sa.Connection) -> None:
    """Drop the claims whose owners are dead processes of this machine.

    Nobody would: a report whose file such a process left behind is adopted by a repair, and then not
    worked on again.
    """
    for app, day, owner, token in connection.execute(_ALL):
        if is_dead(owner):
            _RELEASE.change(connection, _proof(Report(app, day), token))


_ANY_VERSION = (
    sa.select(archives.c.version).where(of_report(archives)).limit(sa.literal_column("1"))
)
_REPORT = Hot(
    sa.select(
        *(
            reports.c[name]
            for name in ("state", "attempts", "last_attempt", "last_outcome", "reason")
        ),
        _ANY_VERSION.scalar_subquery(),
        *(claims.c[name] for name in ("owner", "token", "lease_end")),
    )
    .outerjoin(claims, sa.and_(claims.c.app == reports.c.app, claims.c.day == reports.c.day))
    .where(of_report(reports))
)
_ALL = sa.select(claims.c.app, claims.c.day, claims.c.owner, claims.c.token)
_MINE = sa.and_(of_report(claims), claims.c.token == sa.bindparam("my_token"))
_RENEW = Hot(sa.update(claims).where(_MINE).values(given("lease_end")))
_RELEASE = Hot(sa.delete(claims).where(_MINE))


def _claim(dialect: str) -> Any:
    """Add a claim, or take over the one that has `token_before`."""
    insert = upsert(dialect, claims).values(given("app", "day", "owner", "token", "lease_end"))
    return insert.on_conflict_do_update(
        index_elements=[claims.c.app, claims.c.day],
        set_={name: insert.excluded[name] for name in ("owner", "token", "lease_end")},
        where=claims.c.token == sa.bindparam("token_before"),
    )


_CLAIM = Hot(_claim)


def _proof(report: Report, token: str) -> dict[str, Any]:
    return {**naming(report), "my_token": token}


def this_process() -> str:
    """Return what names this process for others: host, boot, PID namespace, PID and its start time."""
    return _this_process(os.getpid())


@cache
def _this_process(pid: int) -> str:
    return name_process(pid)


def name_process(pid: int) -> str:
    """Return what names the process `pid` of this machine, for `is_dead`."""
    return " ".join((socket.gethostname(), *_machine(), str(pid), _started(pid) or _UNKNOWN))


def is_dead(owner: str) -> bool:
    """Say whether `owner` is a process of this very machine and PID namespace that no longer runs.

    False where that cannot be told: then only the end of the lease decides.
    """
    named = _named_here(owner)
    if named is None:
        return False
    started = _started(named[0])
    return started is None or (_UNKNOWN not in (started, named[1]) and started != named[1])


def living(process: str) -> int | None:
    """Return the id of `process` if it surely is one of this very machine and namespace that still runs.

    Never that of the first process, which as a group would stand for all there are.
    """
    named = _named_here(process)
    return named[0] if named and named[0] > 1 and _started(named[0]) == named[1] else None


def _named_here(process: str) -> tuple[int, str] | None:
    """Return id and start time in the name of a process of this machine and namespace, None for others."""
    fields = process.split(" ")
    if len(fields) != 5 or not re.fullmatch(r"[0-9]{1,9}", fields[3]):
        return None
    return (int(fields[3]), fields[4]) if tuple(fields[1:3]) == _machine() else None


def _machine() -> tuple[str, str]:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        # Not Linux: the host's name stands in for both, and `_started` tells live from dead.
        return socket.gethostname(), "-"
    return boot, namespace


def _started(pid: int) -> str | None:
    """Return the start time of process `pid` in clock ticks since boot, or None if there is none.

    `_UNKNOWN` where there is one but the system does not say more: on macOS, or with hidepid.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return _UNKNOWN if _is_running(pid) else None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else fields[19]


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

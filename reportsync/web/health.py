"""Is the daemon alive, does it get anywhere, is it ready? Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reportsync.model import instant_text
from reportsync.service.health import SLACK
from reportsync.web.standing import Standing, stalled


@dataclass(frozen=True, slots=True)
class Liveness:
    """What the daemon knows of itself.

    `last_pass` is when the last pass ended, `failing_since` when the first of those did which disk or ledger
    have failed since a good one. `progress` is the last sign of life of a pass under way, None while there is
    none; `silence` is for how long such a pass may have nothing to tell.
    """

    scheduler_alive: bool
    started: datetime
    last_pass: datetime | None
    interval: timedelta
    failing_since: datetime | None = None
    progress: datetime | None = None
    silence: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Yes or no, and the sentence behind it."""

    good: bool
    text: str


def health(
    live: Liveness,
    standings: Sequence[Standing] | None,
    last_arrival: datetime | None,
    now: datetime,
) -> Verdict:
    """Say whether the daemon makes progress at `now`; `standings` is None if the ledger cannot be read.

    Unhealthy when the scheduler is dead, the ledger cannot be read, a pass under way has been silent for
    too long, no pass has ended for two intervals, disk or ledger have failed each pass for as long, or
    nothing has succeeded for too long (see `stalled`, judged once a pass has ended).
    """
    if not live.scheduler_alive:
        return Verdict(False, "the scheduler's thread is dead")
    if standings is None:
        return Verdict(False, "the ledger cannot be read")
    late = _late(live, now)
    if late is not None:
        return Verdict(False, late)
    if live.last_pass is None:
        return Verdict(True, "the first pass is under way")
    since = live.failing_since
    if since is not None and now - since > _two_intervals(live):
        why = "the archive or the ledger cannot be used; the log says why"
        return Verdict(False, f"every pass has failed since {instant_text(since)}: {why}")
    stuck = stalled(standings, last_arrival, now)
    if stuck is not None:
        last = instant_text(last_arrival) if last_arrival else "never"
        return Verdict(False, f"nothing has succeeded for too long: {stuck}; last arrival {last}")
    return Verdict(True, f"last pass ended {instant_text(live.last_pass)}")


def _late(live: Liveness, now: datetime) -> str | None:
    """Say that passes do not go on, None while they do."""
    if live.progress is not None:
        if now - live.progress <= live.silence:
            return None
        return f"a pass has been silent since {instant_text(live.progress)}"
    since = live.last_pass or live.started
    if now - since <= _two_intervals(live):
        return None
    return f"no pass has ended since {instant_text(since)}"


def _two_intervals(live: Liveness) -> timedelta:
    return 2 * live.interval + SLACK


def readiness(live: Liveness, ledger_readable: bool) -> Verdict:
    """Say whether there is something to show: a pass has ended and the ledger can be read."""
    if not ledger_readable:
        return Verdict(False, "the ledger cannot be read")
    if live.last_pass is None:
        return Verdict(False, "no pass has ended yet")
    return Verdict(True, "ready")

"""When the daemon looks again, and how long a pass may be silent. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from reportsync.calendar import next_due
from reportsync.known import Coverage, Missing
from reportsync.settings import Http

AT_MOST_EVERY = timedelta(seconds=1)


def next_wake(
    covered: Sequence[Coverage], planned: datetime | None, now: datetime, interval: timedelta
) -> datetime:
    """Return the instant of the next pass: a day becomes due, a next attempt is reached, the interval ends.

    `planned` is when the pass before last looked for what is to be asked for, `now` is after its end: what
    fell between the two, while it wound up or the machine slept, is next. At least a second after `now`.
    """
    planned = min(planned or now, now)
    instants = [now + interval]
    instants += [found[1] for one in covered if (found := next_due(one.app, planned))]
    instants += [at for one in covered for row in one.missing if (at := _again(row, planned, now))]
    return max(min(instants), now + AT_MOST_EVERY)


def _again(row: Missing, planned: datetime, now: datetime) -> datetime | None:
    """Return the next attempt of `row` if the pass before has not had its chance at it."""
    asked = row.last_attempt is not None and row.last_attempt >= planned
    at = row.next_attempt
    return at if at is not None and at > (now if asked else planned) else None


def silence_allowed(http: Http) -> float:
    """Return for how many seconds a healthy pass may have nothing to tell.

    That is one report asked for as often as allowed, each time up to the deadline and with the
    longest pause, and some minutes for a slow disk.
    """
    return http.attempts * (http.deadline.total_seconds() + 120) + 300

"""When the daemon looks again, and how long a pass may be silent. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from reportsync.calendar import next_due
from reportsync.known import Coverage
from reportsync.settings import Http

AT_MOST_EVERY = timedelta(seconds=1)


def next_wake(covered: Sequence[Coverage], now: datetime, interval: timedelta) -> datetime:
    """Return the instant of the next pass: a day becomes due, a next attempt is reached, the interval ends.

    At least a second after `now`.
    """
    instants = [now + interval]
    instants += [found[1] for one in covered if (found := next_due(one.app, now))]
    instants += [
        row.next_attempt
        for one in covered
        for row in one.missing
        if row.next_attempt is not None and row.next_attempt > now
    ]
    return max(min(instants), now + AT_MOST_EVERY)


def silence_allowed(http: Http) -> float:
    """Return for how many seconds a healthy pass may have nothing to tell.

    That is one report asked for as often as allowed, each time up to the deadline and with the
    longest pause, and some minutes for a slow disk.
    """
    return http.attempts * (http.deadline.total_seconds() + 120) + 300

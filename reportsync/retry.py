"""When to ask again: inside an attempt, and after it. Pure: the roll of the dice comes in as a number."""

from __future__ import annotations

from datetime import datetime, timedelta

from reportsync.errors import AttemptFailed, KeyRefused, OwnFault, Trouble
from reportsync.settings import Http, Schedule

PATIENCE = timedelta(seconds=60)
"""The longest pause inside one attempt; whoever asks for more is asked again by a later pass."""

LONG_MISSING = timedelta(days=30)
WEEKLY = timedelta(days=7)

CLOCKS_DIFFER = timedelta(minutes=5)
"""By so much at most, between two hosts with one ledger or before and after a clock was put right."""


def repetition(error: AttemptFailed, made: int, http: Http, roll: float) -> timedelta | None:
    """Return the pause before the next request of the same attempt, or None if the attempt is over.

    `made` counts the requests made so far, `roll` is a random number from 0 to 1. Only transient faults
    are repeated. The pause doubles from `http.backoff`, spread over half to one and a half of it, and is
    never shorter than what the server asked for.
    """
    if error.trouble is not Trouble.TRANSIENT or made >= http.attempts:
        return None
    pause = min(_doubled(http.backoff, made, PATIENCE) * (0.5 + roll), PATIENCE)
    if error.retry_after is not None:
        pause = max(pause, error.retry_after)
    return pause if pause <= PATIENCE else None


def next_attempt(
    error: AttemptFailed, tries: int, now: datetime, due: datetime, schedule: Schedule
) -> datetime | None:
    """Return the instant before which a missing report is not asked for again by itself.

    `tries` counts the attempts that failed so far, this one included. None means the next pass: a refused
    key, or a fault of this machine, says nothing about the day, so it costs the day nothing. "Not there" on
    a day that has been due for 30 days is asked again weekly; everything else after pauses doubling from
    `retry_every` to `retry_at_most`, or later if the server asked for it (within `retry_at_most`).
    """
    if not tells_of_day(error):
        return None
    if error.trouble is Trouble.NOT_READY and now - due >= LONG_MISSING:
        return now + WEEKLY
    pause = _doubled(schedule.retry_every, tries, schedule.retry_at_most)
    if error.retry_after is not None:
        pause = max(pause, min(error.retry_after, schedule.retry_at_most))
    return now + pause


def tells_of_day(error: AttemptFailed) -> bool:
    """Say whether `error` is about the day that was asked for, and so lengthens its pause."""
    return not isinstance(error, KeyRefused | OwnFault)


def believable(
    next_attempt: datetime | None,
    now: datetime,
    schedule: Schedule,
    last_attempt: datetime | None = None,
) -> datetime | None:
    """Return `next_attempt`, or None if it was written while the clock was ahead.

    Then it lies further ahead of `now` than any pause reaches, or the attempt before it is still to come.
    To wait for it could take years, and let a day that becomes due meanwhile be late.
    """
    if last_attempt is not None and last_attempt - now > CLOCKS_DIFFER:
        return None
    longest = max(schedule.retry_at_most, WEEKLY)
    return None if next_attempt is None or next_attempt - now > longest else next_attempt


def _doubled(first: timedelta, times: int, at_most: timedelta) -> timedelta:
    """Return `first` doubled `times - 1` times, at most `at_most`; safe for any count."""
    if not first:
        return first
    factor = 2 ** min(max(times - 1, 0), 62)
    # Compared before it is multiplied: half an hour doubled 36 times is more than a timedelta holds.
    return at_most if factor >= at_most / first else first * factor

"""When a report is due, found in another way than the program's: by looking at clocks on walls."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ONE_DAY = timedelta(days=1)


def instant(seconds: float) -> datetime:
    """Return the instant that lies so many seconds after 1970."""
    return EPOCH + timedelta(seconds=seconds)


@cache
def generated(day: date, zone: str, at: time) -> datetime:
    """Return when the clocks of `zone` show `at` on the day after `day` for the first time.

    If they skip that time, what they would have shown had they not been set.
    """
    place = ZoneInfo(zone)
    wanted = datetime.combine(day + ONE_DAY, at)
    around = wanted.replace(tzinfo=UTC)
    # No zone is further from UTC than 15 hours, so these are before and after any change in question.
    offsets = [
        (around + hours * timedelta(hours=1)).astimezone(place).utcoffset() or timedelta(0)
        for hours in (-40, -16, 16, 40)
    ]
    instants = sorted({around - offset for offset in offsets})
    shown = [one for one in instants if one.astimezone(place).replace(tzinfo=None) == wanted]
    if shown:
        return shown[0]
    # Skipped: the clocks before the change, which is between the instants, were the slower ones.
    return instants[-1]


def due(day: date, zone: str, at: time, buffer: timedelta) -> datetime:
    """Return when the report about `day` may be asked for."""
    return generated(day, zone, at) + buffer


def last_due(now: datetime, zone: str, at: time, buffer: timedelta) -> date:
    """Return the latest day that is due at `now`."""
    day = (now - buffer).astimezone(ZoneInfo(zone)).date() + ONE_DAY
    while due(day, zone, at, buffer) > now:
        day -= ONE_DAY
    return day

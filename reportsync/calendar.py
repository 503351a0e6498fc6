"""When a report is due, and which days are expected. Pure: instants come in as arguments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING

from reportsync.model import ONE_DAY

if TYPE_CHECKING:
    from reportsync.settings import App, Schedule


def scheduled(day: date, schedule: Schedule) -> datetime:
    """Return the instant (UTC) at which the vendor begins to generate the report of `day`.

    That is `report_time` on the next calendar day in the app's zone. A local time that does not exist
    moves forward by the length of the gap; of a local time that comes twice the first counts.
    """
    return _scheduled(day, schedule.report_time, schedule.timezone)


# The schedule of all apps is the same, or nearly so, and a pass asks for each some ten times.
@lru_cache(1024)
def _scheduled(day: date, report_time: time, timezone: tzinfo) -> datetime:
    local = datetime.combine(day + ONE_DAY, report_time, tzinfo=timezone)
    return local.replace(fold=0).astimezone(UTC)


def due(day: date, schedule: Schedule) -> datetime:
    """Return the instant (UTC) from which the report of `day` may be asked for."""
    return scheduled(day, schedule) + schedule.buffer


def last_due(now: datetime, schedule: Schedule) -> date:
    """Return the latest day whose report is due at the instant `now`."""
    # Around the local date of now minus buffer; zone changes shift a day's instant by at most 25 hours.
    day = (now - schedule.buffer).astimezone(schedule.timezone).date() + ONE_DAY
    while due(day, schedule) > now:
        day -= ONE_DAY
    return day


def due_through(app: App, now: datetime) -> date | None:
    """Return the last expected day of `app` at `now`, or None if no report is due yet."""
    day = last_due(now, app)
    if app.until is not None:
        day = min(day, app.until)
    return day if day >= app.since else None


def next_due(app: App, now: datetime) -> tuple[date, datetime] | None:
    """Return the next day to become due after `now` and that instant; None once `until` has passed."""
    day = max(last_due(now, app) + ONE_DAY, app.since)
    if app.until is not None and day > app.until:
        return None
    return day, due(day, app)


def days(first: date, last: date) -> Iterator[date]:
    """Yield every day from `first` to `last`, both included; nothing if `last` is earlier."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


@dataclass(frozen=True, slots=True)
class DayWord:
    """A day as a person writes it: a date, or so many days before today in the app's own zone."""

    day: date | None = None
    days_ago: int = 0

    def resolve(self, schedule: Schedule, now: datetime) -> date:
        """Return the calendar day that is meant at the instant `now` for an app with `schedule`."""
        if self.day is not None:
            return self.day
        return now.astimezone(schedule.timezone).date() - timedelta(days=self.days_ago)

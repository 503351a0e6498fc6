"""Days and instants on the command line: read strictly, refused with what would be right."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click

from reportsync.calendar import DayWord
from reportsync.errors import UsageProblem
from reportsync.notation import FIRST_DAY, LAST_DAY

_FORMS = "write it as YYYY-MM-DD, YYYYMMDD, yesterday or -7d"


def parse_day(text: str) -> DayWord:
    """Read a day as a person writes it; raise ValueError saying what is wrong."""
    if text == "yesterday":
        return DayWord(days_ago=1)
    ago = re.fullmatch(r"-(\d{1,5})d", text, re.ASCII)
    if ago:
        return DayWord(days_ago=int(ago[1]))
    match = re.fullmatch(r"(\d{4})-(\d{2})-(\d{2})|(\d{4})(\d{2})(\d{2})", text, re.ASCII)
    if not match:
        raise ValueError(f"is not a day; {_FORMS}")
    year, month, day = (int(part) for part in match.groups() if part is not None)
    try:
        found = date(year, month, day)
    except ValueError:
        raise ValueError("is not a day of the calendar") from None
    if found > LAST_DAY:
        raise ValueError(f"is after {LAST_DAY}")
    return DayWord(day=found)


class Day(click.ParamType[DayWord]):
    """A click type for days."""

    name = "day"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> DayWord:
        """Turn text into a `DayWord`, or fail as a usage error."""
        if isinstance(value, DayWord):
            return value
        try:
            return parse_day(value)
        except ValueError as error:
            self.fail(f"'{value}' {error}.", param, ctx)


class Moment(click.ParamType[datetime]):
    """A click type for instants: ISO 8601, UTC where no offset is given."""

    name = "instant"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Turn text into an aware instant, or fail as a usage error."""
        if isinstance(value, datetime):
            return value
        form = r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?)?"
        try:
            instant = datetime.fromisoformat(value if re.fullmatch(form, value, re.ASCII) else "")
        except ValueError:
            self.fail(f"'{value}' is not an instant; write it as 2026-11-23T02:00Z.", param, ctx)
        if not FIRST_DAY <= instant.date() <= LAST_DAY:
            self.fail(f"'{value}' is not between {FIRST_DAY} and {LAST_DAY}.", param, ctx)
        return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


DAY = Day()
MOMENT = Moment()


def check_range(since: DayWord | None, until: DayWord | None, now: datetime) -> None:
    """Raise `UsageProblem` for a range that runs backwards or lies in the future everywhere on earth."""
    latest = (now + timedelta(hours=14)).astimezone(UTC).date()
    plain = {"first": _plain(since, now), "last": _plain(until, now)}
    for which, day in plain.items():
        if day is not None and day > latest:
            raise UsageProblem(
                f"the {which} day {day} is in the future", hint=f"today is {now.date()} (UTC)"
            )
    check_order(since, until, now)


def check_order(since: DayWord | None, until: DayWord | None, now: datetime) -> None:
    """Raise `UsageProblem` for a range that runs backwards."""
    first, last = _plain(since, now), _plain(until, now)
    if first is not None and last is not None:
        refuse_backwards(first, last)


def refuse_backwards(first: date, last: date) -> None:
    """Raise `UsageProblem` if `last` is before `first`."""
    if first > last:
        raise UsageProblem(
            f"the range runs backwards: {first} is after {last}", hint="swap the two days"
        )


def _plain(word: DayWord | None, now: datetime) -> date | None:
    if word is None:
        return None
    return word.day or now.astimezone(UTC).date() - timedelta(days=word.days_ago)

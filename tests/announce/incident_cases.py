"""Coverages and looks as plain values, for the tests of the decisions about incidents."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime

from reportsync.incidents import Incident, Reviewed, Seen, review
from reportsync.known import Coverage, Known, Missing, coverage
from reportsync.model import Outcome, Waiver
from reportsync.settings import App

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
"""16 hours after the report of the 22nd became due: with alert_after 12h all due days may be late."""

NEWEST = date(2026, 11, 22)
SINCE = date(2026, 11, 1)


def app(name: str = "shop", host: str = "api-01.moengage.com", since: date = SINCE) -> App:
    """Return a configured app in UTC with the defaults."""
    return App.model_validate(
        {
            "name": name,
            "app_id": name,
            "secret_key": "k-123456",
            "base_url": f"https://{host}",
            "since": since,
        }
    )


def day(number: int) -> date:
    """Return that day of November 2026."""
    return date(2026, 11, number)


def missing(
    days: Iterable[int], outcome: Outcome | None, reason: str = "it said no"
) -> list[Missing]:
    """Return rows of days that were asked for with `outcome`; None is not asked for."""
    return [Missing(day(n), 1, 1, None, outcome, reason) for n in sorted(days)]


def covered(
    one: App,
    rows: Iterable[Missing] = (),
    now: datetime = NOW,
    waivers: Iterable[Waiver] = (),
) -> Coverage:
    """Return the coverage of an app of which `rows` are missing and all else is stored."""
    known = Known(SINCE, NEWEST, tuple(rows), frozenset(), tuple(waivers))
    return coverage(one, known, now)


def keys(incidents: Iterable[Incident]) -> list[str]:
    """Return the keys of incidents."""
    return [incident.key for incident in incidents]


def look(
    *coverages: Coverage,
    open_now: Iterable[Incident] = (),
    seen: Seen | None = None,
    now: datetime = NOW,
) -> Reviewed:
    """Review with what is given."""
    return review(tuple(open_now), coverages, seen or Seen(), now)


def told(incidents: Iterable[Incident], now: datetime = NOW) -> tuple[Incident, ...]:
    """Return incidents as they are once somebody was told of them at `now`."""
    return tuple(replace(one, told=now, number=n) for n, one in enumerate(incidents, 1))

"""Helpers for the tests of the pure decisions: apps, what is known of them, and instants."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from pydantic import SecretStr

from reportsync.calendar import days
from reportsync.known import Known, Missing
from reportsync.model import ONE_DAY, Outcome, Waiver
from reportsync.settings import App

SINCE = date(2026, 1, 1)
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)  # the report of the 30th is due since 04:00
LAST = date(2026, 1, 30)
HOUR = timedelta(hours=1)


def shop(name: str = "shop", since: date = SINCE, until: date | None = None, **more: Any) -> App:
    zone = ZoneInfo(more.pop("zone", "UTC"))
    return App(
        name=name, app_id="A1", secret_key=(SecretStr("no-real-key"),),
        base_url="https://example.com", since=since, until=until, timezone=zone, **more,
    )  # fmt: skip


def waiver(first: date, last: date | None = None, until: date | None = None) -> Waiver:
    return Waiver("shop", first, last or first, "the setting was off", "operator", NOW, until)


def knowing(
    missing: Iterable[Missing | date] = (),
    *,
    first: date = SINCE,
    through: date = LAST,
    waivers: Iterable[Waiver] = (),
    beyond: Iterable[date] = (),
    damaged: Iterable[date] = (),
) -> Known:
    """Return a `Known` of a ledger in which every day of the range but `missing` is stored."""
    rows = (one if isinstance(one, Missing) else Missing(one) for one in missing)
    spoilt = frozenset(damaged)
    return Known(first, through, tuple(rows), frozenset(beyond), tuple(waivers), damaged=spoilt)


def january(*numbers: int) -> list[date]:
    return [date(2026, 1, number) for number in numbers]


near = st.integers(-40, 40).map(lambda n: SINCE + n * ONE_DAY)
instants = st.integers(-24 * 50, 24 * 50).map(lambda hours: NOW + hours * HOUR)


@st.composite
def rows(draw: st.DrawFn, day: date) -> Missing:
    tries = draw(st.integers(0, 60))
    again = draw(st.none() | instants)
    reason = draw(st.sampled_from([None, "HTTP 404", "HTTP 503"]))
    return Missing(day, tries + draw(st.integers(0, 2)), tries, again, Outcome.FAILED, reason)


@st.composite
def knowns(draw: st.DrawFn) -> Known:
    """Draw what a ledger may hold: a range with missing days, stored days outside, waivers, damage."""
    found = [draw(st.builds(waiver, near)) for _ in range(draw(st.integers(0, 2)))]
    waivers = tuple(one if one.first <= one.last else waiver(one.first) for one in found)
    outside = frozenset(draw(st.sets(near, max_size=6)))
    damaged = frozenset(draw(st.sets(near, max_size=3)))
    if draw(st.booleans()):
        return Known(None, None, (), outside, waivers, damaged=damaged)
    first = draw(near)
    through = first + draw(st.integers(0, 30)) * ONE_DAY
    inside = list(days(first, through))
    chosen = draw(st.sets(st.sampled_from(inside)))
    missing = tuple(draw(rows(day)) for day in sorted(chosen))
    outside -= frozenset(inside)
    return Known(first, through, missing, outside, waivers, damaged=damaged)


apps = st.builds(
    shop,
    since=near,
    zone=st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York", "Pacific/Apia"]),
) | near.map(lambda since: shop(since=since, until=since + 9 * ONE_DAY))

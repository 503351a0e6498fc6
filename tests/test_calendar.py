"""Each day is due exactly once, at the right instant, in every zone and over every jump of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from reportsync import calendar
from reportsync.calendar import DayWord, days, due, due_through, last_due, next_due, scheduled
from reportsync.model import ONE_DAY
from reportsync.settings import App, Schedule

ZONES = sorted(available_timezones())
HALF_HOURS = [time(n // 2, n % 2 * 30) for n in range(48)]
FIRST, LAST = date(2024, 1, 1), date(2027, 12, 31)
BUFFERS = [timedelta(0), timedelta(hours=2), timedelta(hours=36), timedelta(days=5)]
SECOND = timedelta(seconds=1)

zones = st.sampled_from(ZONES)
half_hours = st.sampled_from(HALF_HOURS)
buffers = st.sampled_from(BUFFERS)


@cache
def zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def schedule(
    name: str, report_time: str | time = "02:00", buffer: timedelta = timedelta(0)
) -> Schedule:
    at = time.fromisoformat(report_time) if isinstance(report_time, str) else report_time
    return Schedule(timezone=zone(name), report_time=at, buffer=buffer)


def app(name: str = "UTC", since: date = FIRST, until: date | None = None) -> App:
    return App(
        name="shop", app_id="A1", secret_key=(SecretStr("no-real-key"),), base_url="https://example.com",
        timezone=zone(name), buffer=timedelta(hours=2), since=since, until=until,
    )  # fmt: skip


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def assert_at_the_scheduled_wall_time(day: date, at: Schedule) -> None:
    """Check the instant of `day` against what clocks on the wall show, looked up the other way."""
    instant = scheduled(day, at)
    wanted = datetime.combine(day + ONE_DAY, at.report_time)
    shown = instant.astimezone(at.timezone).replace(tzinfo=None, fold=0)
    if shown == wanted:
        # It may come again later, never before.
        assert instant.astimezone(at.timezone).fold == 0, (day, at)
        return
    before, after = (
        at.timezone.utcoffset(wanted.replace(fold=fold)) or timedelta(0) for fold in (0, 1)
    )
    assert shown - wanted == after - before > timedelta(0), (day, at)


def assert_last_due_agrees(day: date, at: Schedule) -> None:
    """Check that `day` is due from its instant on, and not a moment before."""
    instant = due(day, at)
    assert last_due(instant, at) >= day, (day, at)
    assert last_due(instant - SECOND, at) < day, (day, at)


def arrivals(at: Schedule, instants: list[datetime]) -> Iterator[tuple[date, datetime, datetime]]:
    """Yield each day that becomes due while the clock moves on, and the steps it did so between."""
    known = last_due(instants[0], at)
    for before, now in pairwise(instants):
        reached = last_due(now, at)
        assert reached >= known, (now, at)
        for day in days(known + ONE_DAY, reached):
            yield day, before, now
        known = reached


def assert_each_day_comes_once(at: Schedule, instants: list[datetime]) -> None:
    found = list(arrivals(at, instants))
    first, last = last_due(instants[0], at), last_due(instants[-1], at)
    assert [day for day, _, _ in found] == list(days(first + ONE_DAY, last))
    for day, before, now in found:
        assert before < due(day, at) <= now, (day, at)
    assert due(last, at) <= instants[-1] < due(last + ONE_DAY, at)


def stepped(start: datetime, steps: list[timedelta]) -> list[datetime]:
    instants = [start]
    for step in steps:
        instants.append(instants[-1] + step)
    return instants


@settings(max_examples=2000)
@given(zones, half_hours, buffers, st.dates(FIRST, LAST))
@pytest.mark.slow
def test_fault_32_every_day_of_every_zone_is_due_at_its_wall_time(
    name: str, at: time, buffer: timedelta, day: date
) -> None:
    chosen = schedule(name, at, buffer)
    assert_at_the_scheduled_wall_time(day, chosen)
    assert_last_due_agrees(day, chosen)
    assert due(day, chosen) - scheduled(day, chosen) == buffer
    assert due(day, chosen) <= due(day + ONE_DAY, chosen)


@settings(max_examples=200)  # each zone and half-hour has its turn in the longer suite
@given(
    zones, half_hours, buffers, st.integers(0, int(timedelta(days=1200) / SECOND)),
    st.lists(st.timedeltas(SECOND, timedelta(hours=50)), min_size=1, max_size=30),
)  # fmt: skip
def test_fault_32_as_the_clock_moves_on_each_day_becomes_due_exactly_once(
    name: str, at: time, buffer: timedelta, start: int, steps: list[timedelta]
) -> None:
    instants = stepped(utc("2024-01-01") + start * SECOND, steps)
    assert_each_day_comes_once(schedule(name, at, buffer), instants)


@pytest.mark.parametrize(
    ("name", "around"),
    [
        ("Africa/Cairo", "2024-04-26"),
        ("America/New_York", "2024-03-10"),
        ("America/New_York", "2024-11-03"),
        ("Australia/Lord_Howe", "2025-04-06"),  # by half an hour
        ("Antarctica/Troll", "2025-10-26"),  # by two hours
        ("America/Scoresbysund", "2024-03-31"),
        ("Pacific/Apia", "2011-12-30"),  # this day never was
        ("Pacific/Kwajalein", "1993-08-21"),  # nor this
        ("Pacific/Kwajalein", "1969-10-01"),  # back by 23 hours
        ("Asia/Manila", "1844-12-31"),
        ("America/Juneau", "1867-10-18"),  # back by a day, then come twice
    ],
)
def test_fault_32_around_every_kind_of_jump_each_day_becomes_due_exactly_once(
    name: str, around: str
) -> None:
    start = utc(around) - timedelta(days=4)
    hourly = stepped(start, [timedelta(minutes=30)] * 48 * 10)
    for at in HALF_HOURS[::5]:
        for buffer in BUFFERS:
            assert_each_day_comes_once(schedule(name, at, buffer), hourly)
    for at in HALF_HOURS:
        for day in days(date.fromisoformat(around) - 4 * ONE_DAY, start.date() + 8 * ONE_DAY):
            assert_at_the_scheduled_wall_time(day, schedule(name, at))


SHARES = 8


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES))
def test_fault_32_all_zones_all_days_of_four_years_all_half_hours(
    share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is asked for once is only slower for being remembered.
    monkeypatch.setattr(calendar, "_scheduled", calendar._scheduled.__wrapped__)
    wanted = list(days(FIRST, LAST))
    alike = zones_by_clock()
    assert sum(map(len, alike)) == len(ZONES) > 400
    for name, *others in alike[share::SHARES]:
        near = set(near_jumps(zone(name))) | set(wanted[::29])
        for number, at in enumerate(HALF_HOURS):
            chosen = schedule(name, at, timedelta(hours=2))
            instants = [due(day, chosen) for day in wanted]
            for day, (one, other) in zip(wanted, pairwise(instants), strict=False):
                # A day apart, or near a jump, which is looked at below.
                assert other - one == ONE_DAY or (day in near and other >= one), (day, chosen)
            for day in near:
                assert_at_the_scheduled_wall_time(day, chosen)
                assert_last_due_agrees(day, chosen)
            # Those that show the same all the time are due at the same instants: each at a few half hours.
            for same in others[number % ALIKE :: ALIKE]:
                there = schedule(same, at, timedelta(hours=2))
                assert [due(day, there) for day in wanted] == instants, there


ALIKE = 12


@cache
def zones_by_clock() -> list[list[str]]:
    """Return the zones, those together that show the same at every half hour of the years, and around."""
    found: dict[tuple[object, ...], list[str]] = {}
    for name in ZONES:
        found.setdefault(shown(zone(name)), []).append(name)
    return list(found.values())


def shown(place: ZoneInfo) -> tuple[object, ...]:
    """Return the offset at the beginning of each UTC day, and at each half hour of days with a jump."""
    start = utc(f"{FIRST}") - timedelta(days=8)
    daily = offsets(place, start, ONE_DAY, (LAST - FIRST).days + 16)
    jumps = [number for number, (one, other) in enumerate(pairwise(daily)) if one != other]
    halves = [offsets(place, start + n * ONE_DAY, timedelta(minutes=30), 49) for n in jumps]
    return (*daily, *halves)


def offsets(
    place: ZoneInfo, start: datetime, step: timedelta, count: int
) -> tuple[timedelta | None, ...]:
    """Return the zone's offset at `start` and after each of `count` steps."""
    return tuple((start + n * step).astimezone(place).utcoffset() for n in range(count))


def near_jumps(place: ZoneInfo) -> Iterator[date]:
    """Yield the days of the years in question around each change of the zone's offset."""
    offsets = [datetime.combine(day, time(12), place).utcoffset() for day in days(FIRST, LAST)]
    for number, (one, other) in enumerate(pairwise(offsets)):
        if one != other:
            yield from (FIRST + (number + more) * ONE_DAY for more in range(-3, 4))


@pytest.mark.parametrize(
    ("name", "at", "day", "expected"),
    [
        ("Africa/Cairo", "00:00", "2024-04-25", "2024-04-25T22:00"),  # shown as 01:00
        ("America/New_York", "02:30", "2024-03-09", "2024-03-10T07:30"),  # shown as 03:30
        ("America/New_York", "01:30", "2024-11-02", "2024-11-03T05:30"),  # the first of two
        ("Australia/Lord_Howe", "02:15", "2025-10-04", "2025-10-04T15:45"),  # shown as 02:45
        ("Pacific/Apia", "02:00", "2011-12-28", "2011-12-29T12:00"),
        ("Pacific/Apia", "02:00", "2011-12-29", "2011-12-30T12:00"),  # shown as 02:00 on the 31st
        ("Pacific/Apia", "02:00", "2011-12-30", "2011-12-30T12:00"),
        ("Pacific/Apia", "02:00", "2011-12-31", "2011-12-31T12:00"),
        ("Asia/Kolkata", "10:00", "2026-11-22", "2026-11-23T04:30"),
    ],
)
def test_row_02_gap_and_fold_have_one_instant_each(
    name: str, at: str, day: str, expected: str
) -> None:
    assert scheduled(date.fromisoformat(day), schedule(name, at)) == utc(expected)


def test_fault_32_the_day_that_never_was_becomes_due_together_with_its_neighbour() -> None:
    samoa = schedule("Pacific/Apia")
    moment = utc("2011-12-30T12:00")
    assert last_due(moment - SECOND, samoa) == date(2011, 12, 28)
    assert last_due(moment, samoa) == date(2011, 12, 30)


def test_fault_32_leap_day_and_change_of_year_are_days_like_others() -> None:
    london = schedule("Europe/London")
    for day, expected in [
        (date(2024, 2, 27), "2024-02-28T02:00"),
        (date(2024, 2, 28), "2024-02-29T02:00"),
        (date(2024, 2, 29), "2024-03-01T02:00"),
        (date(2025, 2, 28), "2025-03-01T02:00"),
        (date(2025, 12, 31), "2026-01-01T02:00"),
    ]:
        assert due(day, london) == utc(expected)
        assert last_due(utc(expected), london) == day
        assert last_due(utc(expected) - SECOND, london) == day - ONE_DAY


def test_row_01_a_report_is_due_at_a_wall_clock_time_summer_and_winter() -> None:
    berlin = schedule("Europe/Berlin", "06:00")
    assert due(date(2026, 7, 1), berlin) == utc("2026-07-02T04:00")
    assert due(date(2026, 12, 1), berlin) == utc("2026-12-02T05:00")


def test_row_03_the_buffer_is_added_to_the_instant_not_to_the_wall_clock() -> None:
    night = schedule("America/New_York", "01:30", timedelta(hours=2))
    day = date(2024, 3, 9)
    assert due(day, night) == utc("2024-03-10T08:30"), "two hours pass, and the clock shows 04:30"
    assert scheduled(day, night) == utc("2024-03-10T06:30")


def test_row_04_yesterday_is_a_matter_of_each_apps_own_zone() -> None:
    now = utc("2026-11-23T09:00")
    assert last_due(now, schedule("Pacific/Auckland", "02:00")) == date(2026, 11, 22)
    assert last_due(now, schedule("Pacific/Honolulu", "02:00")) == date(2026, 11, 21)
    kiritimati, baker = schedule("Pacific/Kiritimati"), schedule("Etc/GMT+12")
    assert last_due(utc("2026-11-23T12:00"), kiritimati) == date(2026, 11, 23)
    assert last_due(utc("2026-11-23T12:00"), baker) == date(2026, 11, 21)


def test_row_05_after_forty_days_asleep_all_forty_days_are_due() -> None:
    before = utc("2026-10-01T05:00")
    after = before + timedelta(days=40)
    found = [day for day, _, _ in arrivals(schedule("UTC"), [before, after])]
    assert found == list(days(date(2026, 10, 1), date(2026, 11, 9)))


def test_a_buffer_of_several_days_holds_every_day_back_by_as_much() -> None:
    patient = schedule("Asia/Kolkata", "02:00", timedelta(days=5))
    moment = utc("2026-11-22T20:30")
    assert last_due(moment, patient) == date(2026, 11, 17)
    assert last_due(moment - SECOND, patient) == date(2026, 11, 16)


def test_the_zone_of_now_does_not_matter() -> None:
    samoa = schedule("Pacific/Apia", buffer=timedelta(days=5))
    moment = utc("2012-01-04T12:00")
    for name in ("Pacific/Apia", "America/New_York", "UTC"):
        for step in (timedelta(0), SECOND):
            now = (moment - step).astimezone(zone(name))
            assert last_due(now, samoa) == last_due(moment - step, samoa)


def test_row_07_the_expected_days_begin_with_since_and_end_with_until() -> None:
    now = utc("2026-11-23T09:00")
    assert due_through(app(), now) == date(2026, 11, 22)
    assert due_through(app(until=date(2026, 6, 30)), now) == date(2026, 6, 30)
    assert due_through(app(since=date(2026, 11, 22)), now) == date(2026, 11, 22)
    assert due_through(app(since=date(2026, 11, 23)), now) is None


def test_the_next_day_to_become_due_is_told_with_its_instant() -> None:
    now = utc("2026-11-23T03:59:59")
    tomorrow = (date(2026, 11, 22), utc("2026-11-23T04:00"))
    assert next_due(app(), now) == tomorrow
    assert next_due(app(), now + SECOND) == (date(2026, 11, 23), utc("2026-11-24T04:00"))
    start = date(2027, 1, 1)
    assert next_due(app(since=start), now) == (start, utc("2027-01-02T04:00"))
    assert next_due(app(until=date(2026, 11, 22)), now) == tomorrow
    assert next_due(app(until=date(2026, 11, 22)), now + SECOND) is None


def test_days_are_listed_with_both_ends() -> None:
    assert list(days(date(2024, 2, 28), date(2024, 3, 1))) == [
        date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1),
    ]  # fmt: skip
    assert list(days(FIRST, FIRST)) == [FIRST]
    assert list(days(FIRST + ONE_DAY, FIRST)) == []


def test_days_ago_count_from_today_in_the_apps_own_zone() -> None:
    now = utc("2026-11-23T20:00")
    assert DayWord(days_ago=1).resolve(schedule("Asia/Kolkata"), now) == date(2026, 11, 23)
    assert DayWord(days_ago=1).resolve(schedule("America/New_York"), now) == date(2026, 11, 22)
    assert DayWord(day=FIRST).resolve(schedule("UTC"), now) == FIRST

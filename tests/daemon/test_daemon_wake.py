"""When the next pass begins: a pure function of coverage, instant and interval."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from reportsync.daemon.wake import AT_MOST_EVERY, next_wake, silence_allowed
from reportsync.known import Coverage, Missing
from reportsync.settings import App, Http

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
INTERVAL = timedelta(minutes=5)


def app(name: str, at: time, zone: str = "UTC") -> App:
    return App(
        name=name,
        app_id="A",
        secret_key=(SecretStr("k" * 8),),
        base_url="http://127.0.0.1:1",
        since=date(2026, 1, 1),
        report_time=at,
        buffer=timedelta(0),
        timezone=ZoneInfo(zone),
    )


def covered(one: App, *missing: Missing) -> Coverage:
    return Coverage(one, date(2026, 11, 22), 326, missing, ())


def test_with_nothing_ahead_the_next_pass_comes_after_the_interval() -> None:
    assert next_wake([covered(app("a", time(9, 0)))], NOW, NOW, INTERVAL) == NOW + INTERVAL


def test_row_01_a_day_that_becomes_due_sooner_is_the_next_wake_up() -> None:
    at = datetime(2026, 11, 23, 3, 4, tzinfo=UTC)
    apps = [covered(app("late", time(9, 0))), covered(app("soon", time(3, 4)))]
    assert next_wake(apps, NOW, NOW, INTERVAL) == at


def test_the_next_attempt_of_a_missing_day_is_a_wake_up() -> None:
    at = NOW + timedelta(minutes=2)
    row = Missing(date(2026, 11, 1), next_attempt=at)
    assert next_wake([covered(app("a", time(9, 0)), row)], NOW, NOW, INTERVAL) == at


def test_a_next_attempt_in_the_past_makes_no_storm() -> None:
    rows = [
        Missing(date(2026, 11, 1), next_attempt=NOW - timedelta(hours=1)),
        Missing(date(2026, 11, 2)),
    ]
    assert next_wake([covered(app("a", time(9, 0)), *rows)], NOW, NOW, INTERVAL) == NOW + INTERVAL


def test_fault_27_what_fell_due_while_a_pass_wound_up_is_next() -> None:
    planned = NOW - timedelta(minutes=1)
    soon = NOW + AT_MOST_EVERY
    due_meanwhile = [covered(app("a", time(2, 59, 30)))]
    assert next_wake(due_meanwhile, planned, NOW, INTERVAL) == soon
    again = Missing(date(2026, 11, 1), next_attempt=NOW - timedelta(seconds=5))
    apps = [covered(app("a", time(9, 0)), again)]
    assert next_wake(apps, planned, NOW, INTERVAL) == soon
    asked = replace(again, last_attempt=NOW - timedelta(seconds=30))
    apps = [covered(app("a", time(9, 0)), asked)]
    assert next_wake(apps, planned, NOW, INTERVAL) == NOW + INTERVAL
    assert next_wake(apps, NOW + timedelta(days=1), NOW, INTERVAL) == NOW + INTERVAL


def test_two_passes_begin_at_least_a_second_apart() -> None:
    row = Missing(date(2026, 11, 1), next_attempt=NOW + timedelta(milliseconds=1))
    wake = next_wake([covered(app("a", time(9, 0)), row)], NOW, NOW, INTERVAL)
    assert wake == NOW + AT_MOST_EVERY


def test_a_pass_may_be_silent_for_one_report_asked_for_as_often_as_allowed() -> None:
    http = Http(deadline=timedelta(minutes=10), attempts=3)
    assert silence_allowed(http) >= 3 * 600

"""When to ask again: decided by the class of the error, growing, bounded, whatever the server says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportsync.errors import (
    AppRefused,
    ArchiveRefused,
    AttemptFailed,
    KeyRefused,
    NotThereYet,
    OwnFault,
    TooLarge,
    TransientFault,
)
from reportsync.retry import PATIENCE, WEEKLY, believable, next_attempt, repetition
from reportsync.settings import Http, Schedule

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
FRESH = NOW - timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SCHEDULE = Schedule(retry_every=30 * MINUTE, retry_at_most=timedelta(days=1))
HTTP = Http(attempts=5, backoff=timedelta(seconds=2))
FAULTS: list[type[AttemptFailed]] = [
    TransientFault, NotThereYet, KeyRefused, AppRefused, ArchiveRefused, TooLarge,
]  # fmt: skip
rolls = st.floats(0, 1)
durations = st.timedeltas(timedelta(seconds=1), timedelta(days=3650))


def seconds(pause: timedelta | None) -> float | None:
    return None if pause is None else pause.total_seconds()


@pytest.mark.parametrize("kind", [kind for kind in FAULTS if kind is not TransientFault])
def test_row_20_only_transient_faults_are_repeated_inside_an_attempt(
    kind: type[AttemptFailed],
) -> None:
    assert repetition(kind("x"), 1, HTTP, 0.5) is None
    assert repetition(TransientFault("x"), 1, HTTP, 0.5) is not None


def test_row_22_pauses_inside_an_attempt_double_and_are_spread() -> None:
    fault = TransientFault("x")
    assert [seconds(repetition(fault, made, HTTP, 0.5)) for made in (1, 2, 3, 4)] == [2, 4, 8, 16]
    assert [seconds(repetition(fault, 2, HTTP, roll)) for roll in (0, 1)] == [2, 6]
    assert repetition(fault, 5, HTTP, 0.5) is None


@given(st.integers(1, 19), rolls, st.timedeltas(timedelta(0), timedelta(days=3650)))
def test_a_pause_inside_an_attempt_is_never_longer_than_a_minute(
    made: int, roll: float, backoff: timedelta
) -> None:
    http = Http(attempts=20, backoff=backoff)
    pause = repetition(TransientFault("x"), made, http, roll)
    assert pause is not None
    assert timedelta(0) <= pause <= PATIENCE


def test_row_21_what_the_server_asks_for_is_waited_for_or_left_to_a_later_pass() -> None:
    def pause(asked: timedelta) -> float | None:
        return seconds(repetition(TransientFault("x", retry_after=asked), 1, HTTP, 0.5))

    assert pause(timedelta(seconds=30)) == 30
    assert pause(timedelta(0)) == 2
    assert pause(PATIENCE) == 60
    assert pause(PATIENCE + timedelta(seconds=1)) is None
    assert pause(timedelta.max) is None


def test_row_22_pauses_between_attempts_double_up_to_the_longest() -> None:
    def pause(tries: int) -> timedelta:
        again = next_attempt(NotThereYet("x"), tries, NOW, FRESH, SCHEDULE)
        assert again is not None
        return again - NOW

    assert [pause(tries) / MINUTE for tries in range(1, 9)] == [
        30, 60, 120, 240, 480, 960, 1440, 1440,
    ]  # fmt: skip


@given(
    st.sampled_from([kind for kind in FAULTS if kind is not KeyRefused]),
    st.integers(0, 10_000),
    durations,
    durations,
    st.none() | st.timedeltas(timedelta(0), timedelta.max),
)
def test_row_23_no_number_of_failures_breaks_the_pause_or_makes_it_longer_than_the_longest(
    kind: type[AttemptFailed],
    tries: int,
    first: timedelta,
    longest: timedelta,
    asked: timedelta | None,
) -> None:
    first, longest = sorted((first, longest))
    schedule = Schedule(retry_every=first, retry_at_most=longest)
    again = next_attempt(kind("x", retry_after=asked), tries, NOW, FRESH, schedule)
    assert again is not None
    assert first <= again - NOW <= longest
    more = next_attempt(kind("x", retry_after=asked), tries + 1, NOW, FRESH, schedule)
    assert more is not None
    assert more >= again
    assert believable(again, NOW, schedule) == again


def test_row_21_between_attempts_the_server_is_heeded_within_the_longest_pause() -> None:
    def pause(asked: Any) -> timedelta:
        error = TransientFault("x", retry_after=asked)
        again = next_attempt(error, 1, NOW, FRESH, SCHEDULE)
        assert again is not None
        return again - NOW

    assert pause(timedelta(hours=5)) == timedelta(hours=5)
    assert pause(timedelta(minutes=5)) == 30 * MINUTE
    assert pause(timedelta(days=900)) == timedelta(days=1)


@pytest.mark.parametrize(
    ("kind", "age", "pause"),
    [
        (NotThereYet, timedelta(days=30), WEEKLY),
        (NotThereYet, timedelta(days=900), WEEKLY),
        (NotThereYet, timedelta(days=30) - timedelta(seconds=1), timedelta(days=1)),
        (TransientFault, timedelta(days=900), timedelta(days=1)),
        (AppRefused, timedelta(days=900), timedelta(days=1)),
        (ArchiveRefused, timedelta(days=900), timedelta(days=1)),
    ],
)
def test_fault_10_after_thirty_days_not_there_is_asked_weekly_and_nothing_else_is(
    kind: type[AttemptFailed], age: timedelta, pause: timedelta
) -> None:
    assert next_attempt(kind("x"), 40, NOW, NOW - age, SCHEDULE) == NOW + pause


def test_a_first_backfill_of_old_days_asks_weekly_from_the_first_answer_on() -> None:
    error = NotThereYet("x")
    assert next_attempt(error, 1, NOW, NOW - timedelta(days=365), SCHEDULE) == NOW + WEEKLY


@given(st.integers(0, 1000), st.timedeltas(timedelta(0), timedelta(days=900)))
def test_fault_09_a_refused_key_costs_the_day_nothing(tries: int, age: timedelta) -> None:
    assert next_attempt(KeyRefused("x"), tries, NOW, NOW - age, SCHEDULE) is None


@given(st.integers(0, 1000), st.timedeltas(timedelta(0), timedelta(days=900)))
def test_fault_22_a_fault_of_this_machine_costs_the_day_nothing(tries: int, age: timedelta) -> None:
    assert next_attempt(OwnFault("x"), tries, NOW, NOW - age, SCHEDULE) is None


def test_fault_33_a_due_instant_to_come_is_no_reason_to_ask_weekly() -> None:
    ahead = NOW + timedelta(days=3650)
    assert next_attempt(NotThereYet("x"), 1, NOW, ahead, SCHEDULE) == NOW + 30 * MINUTE


@pytest.mark.parametrize("longest", [timedelta(days=1), timedelta(days=30)])
def test_a_next_attempt_further_ahead_than_any_pause_is_not_believed(longest: timedelta) -> None:
    schedule = Schedule(retry_at_most=longest)
    reach = max(longest, WEEKLY)
    assert believable(NOW + reach, NOW, schedule) == NOW + reach
    assert believable(NOW + reach + timedelta(seconds=1), NOW, schedule) is None
    assert believable(NOW - timedelta(days=3650), NOW, schedule) is not None
    assert believable(None, NOW, schedule) is None


def test_fault_33_a_next_attempt_is_not_believed_while_the_attempt_before_it_is_still_to_come() -> (
    None
):
    again = NOW + timedelta(days=6)
    ahead = again - 30 * MINUTE
    assert believable(again, NOW, SCHEDULE, ahead) is None
    assert believable(again, NOW, SCHEDULE, NOW + 4 * MINUTE) == again, "two hosts' clocks differ"
    assert believable(again, ahead + MINUTE, SCHEDULE, ahead) == again

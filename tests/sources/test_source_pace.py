"""Turns are spaced evenly, in order, per host; a pause that was asked for holds everybody."""

from __future__ import annotations

import itertools
import threading

from hypothesis import given
from hypothesis import strategies as st

from reportsync.sources.pace import Pace


class Time:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_turns_come_one_by_one_at_the_rate() -> None:
    pace = Pace(2.0, Time())
    assert [pace.take("a") for _ in range(4)] == [0.0, 0.5, 1.0, 1.5]


def test_hosts_do_not_wait_for_each_other() -> None:
    pace = Pace(1.0, Time())
    assert [pace.take("a"), pace.take("b"), pace.take("a")] == [0.0, 0.0, 1.0]


def test_idle_time_is_not_saved_up_for_a_burst() -> None:
    time = Time()
    pace = Pace(1.0, time)
    pace.take("a")
    time.now += 100
    assert [pace.take("a"), pace.take("a")] == [0.0, 1.0]


def test_rate_zero_is_no_limit_but_a_pause_holds() -> None:
    time = Time()
    pace = Pace(0.0, time)
    assert [pace.take("a") for _ in range(3)] == [0.0] * 3
    pace.hold("a", 5)
    assert pace.take("a") == 5.0 and pace.take("b") == 0.0
    time.now += 5
    assert pace.take("a") == 0.0


def test_after_a_pause_the_turns_are_spaced_again() -> None:
    pace = Pace(2.0, Time())
    pace.hold("a", 10)
    assert [pace.take("a") for _ in range(3)] == [10.0, 10.5, 11.0]


def test_the_longer_of_two_pauses_counts() -> None:
    time = Time()
    pace = Pace(0.0, time)
    pace.hold("a", 10)
    pace.hold("a", 3)
    assert pace.rest("a") == 10.0 and pace.rest("b") == 0.0
    time.now += 11
    assert pace.rest("a") == 0.0


def test_amounts_are_paid_for_by_those_who_come_after() -> None:
    pace = Pace(100.0, Time())
    assert [pace.take("", 50), pace.take("", 200), pace.take("", 1)] == [0.0, 0.5, 2.5]


def test_threads_get_turns_that_no_other_thread_has() -> None:
    pace, waits = Pace(10.0, Time()), list[float]()

    def take() -> None:
        waits.extend(pace.take("a") for _ in range(100))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [round(wait, 6) for wait in sorted(waits)] == [round(n / 10, 6) for n in range(400)]


@given(
    rate=st.sampled_from([0.5, 1.0, 2.0, 8.0]),
    steps=st.lists(st.floats(0, 3), min_size=1, max_size=50),
)
def test_no_window_ever_holds_more_turns_than_the_rate_allows(
    rate: float, steps: list[float]
) -> None:
    time, turns = Time(), list[float]()
    pace = Pace(rate, time)
    for step in steps:
        time.now += step
        turns.append(time.now + pace.take("a"))
    assert all(later - turn >= 1 / rate - 1e-6 for turn, later in itertools.pairwise(turns))

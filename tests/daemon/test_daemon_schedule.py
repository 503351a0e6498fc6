"""A real daemon wakes in time, whatever happened to it in between."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from daemon_process import Running, since, wait_until

from reportsync.sandbox import Fault, Sandbox


def due_in(seconds: int) -> tuple[str, datetime]:
    """Return a schedule by which yesterday's report becomes due in so many seconds, and the instant."""
    now = datetime.now(UTC)
    at = (now + timedelta(seconds=seconds)).replace(microsecond=0)
    buffer = int((at - at.replace(hour=0, minute=0, second=0)).total_seconds())
    return f'report_time: "00:00", buffer: {buffer}s', at


def stored_at(running: Running, day: object) -> datetime | None:
    """Return when the log says that `day` was stored, None if it was not yet."""
    for event in running.events("report"):
        if event["day"] == str(day) and event["outcome"] == "stored":
            return datetime.fromisoformat(event["at"])
    return None


def test_row_05_days_missed_while_it_was_down_are_fetched_at_the_start(
    start: Callable[..., Running],
) -> None:
    running = start(days=40)
    assert running.await_event("pass")["stored"] == 40


@pytest.mark.slow
def test_row_01_a_day_is_fetched_within_two_seconds_of_becoming_due(
    start: Callable[..., Running],
) -> None:
    schedule, at = due_in(4)
    running = start(app=schedule)
    stored: datetime = wait_until(lambda: stored_at(running, since(1)))
    assert timedelta(0) <= stored - at <= timedelta(seconds=2)


@pytest.mark.slow
def test_row_23_the_next_attempt_is_kept_to_the_second_and_across_a_restart(
    start: Callable[..., Running], sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault("404", day=since(1), times=1))
    app = 'report_time: "00:00", buffer: 0s, retry_every: 4s'
    first = start(app=app)
    asked = datetime.fromisoformat(first.await_event("pass")["at"])
    first.end()
    again = start(app=app)
    stored: datetime = wait_until(lambda: stored_at(again, since(1)))
    assert timedelta(seconds=3) <= stored - asked <= timedelta(seconds=12)
    assert sandbox.asked("DAEMONAPP", since(1)) == 2


@pytest.mark.slow
def test_fault_27_a_daemon_that_was_stopped_over_the_due_instant_catches_up_at_once(
    start: Callable[..., Running],
) -> None:
    schedule, at = due_in(8)
    running = start(app=schedule, rest="log: {level: debug, format: json}")
    # The alarm that counts is set after the pass was logged. Stopped in between, the daemon would look at
    # the clock first thing when it goes on, and no alarm would be late.
    alarm = datetime.fromisoformat(running.await_event("alarm", 2)["next_pass"])
    running.send(signal.SIGSTOP)
    assert at <= alarm <= at + timedelta(seconds=5), "too slow a start for the test"
    time.sleep((alarm - datetime.now(UTC)).total_seconds() + 3)
    assert stored_at(running, since(1)) is None
    running.send(signal.SIGCONT)
    woken = datetime.now(UTC)
    stored: datetime = wait_until(lambda: stored_at(running, since(1)))
    assert stored - woken <= timedelta(seconds=2)


@pytest.mark.slow
def test_a_pass_is_made_every_interval(start: Callable[..., Running]) -> None:
    running = start(daemon="interval: 1s, grace: 3s")
    running.await_event("pass")
    ledger = running.folder / "ledger.db"

    def passes() -> int:
        with closing(sqlite3.connect(ledger)) as connection:
            return int(connection.execute("SELECT count(*) FROM passes").fetchone()[0])

    assert wait_until(lambda: (made := passes()) >= 3 and made) >= 3

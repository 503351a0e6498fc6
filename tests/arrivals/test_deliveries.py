"""The outbox in the ledger: what is queued, who may run it, and that nothing is lost or doubled."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from arrival_cases import FIRST, NOW, add

from reportsync.ledger import Ledger, claims, deliveries, open_writing, queries
from reportsync.ledger.deliveries import LONGEST_PAUSE, Delivery
from reportsync.service.hooks import pause_after

LEASE = timedelta(minutes=6)
MINUTE = timedelta(minutes=1)


def take(ledger: Ledger, now: datetime = NOW, **more: Any) -> Delivery | None:
    """Queue what is new, and claim what is next."""
    ledger.write(deliveries.queue, now)
    return ledger.write(deliveries.take, **{"now": now, "lease": LEASE, "turns": {}, **more})


def taken(ledger: Ledger, now: datetime = NOW, **more: Any) -> Delivery:
    """Claim what is next, which there must be."""
    found = take(ledger, now, **more)
    assert found is not None
    return found


def fail(ledger: Ledger, delivery: Delivery, now: datetime, again: datetime) -> None:
    """Say that the hook failed."""
    ledger.write(deliveries.failed, delivery, "exit 1", now, again)


def numbers(ledger: Ledger, now: datetime = NOW) -> list[int]:
    """Deliver all that can be delivered, and return the numbers in the order in which that was."""
    done = []
    while (delivery := take(ledger, now)) is not None:
        ledger.write(deliveries.delivered, delivery)
        done.append(delivery.arrival)
    return done


def test_without_a_hook_nothing_is_queued(ledger: Ledger) -> None:
    add(ledger, days=2)
    assert take(ledger) is None
    assert not ledger.read(deliveries.is_work_there, NOW, LEASE)
    assert ledger.read(deliveries.hook_state) == deliveries.HookState()


def test_a_hook_on_an_empty_ledger_gets_every_arrival_in_order(ledger: Ledger) -> None:
    ledger.write(deliveries.begin)
    add(ledger, days=5)
    assert ledger.read(deliveries.hook_state).waiting == 5
    assert numbers(ledger) == [1, 2, 3, 4, 5]
    assert ledger.read(deliveries.hook_state).waiting == 0


def test_a_hook_on_an_archive_with_history_gets_what_comes_later(ledger: Ledger) -> None:
    add(ledger, days=3)
    ledger.write(deliveries.begin)
    assert take(ledger) is None
    add(ledger, first=3)
    assert numbers(ledger) == [4]


def test_to_begin_again_forgets_nothing(ledger: Ledger) -> None:
    ledger.write(deliveries.begin)
    add(ledger, days=2)
    ledger.write(deliveries.begin)
    assert numbers(ledger) == [1, 2]


def test_what_arrives_while_no_hook_is_configured_is_kept_for_it(ledger: Ledger) -> None:
    ledger.write(deliveries.begin)
    assert numbers(ledger) == []
    add(ledger, days=3)  # by a command whose config has no hook
    ledger.write(deliveries.begin)
    assert numbers(ledger) == [1, 2, 3]


def test_of_one_app_the_next_waits_for_the_one_before(ledger: Ledger) -> None:
    ledger.write(deliveries.begin)
    add(ledger, days=2)
    first = taken(ledger)
    assert (first.arrival, take(ledger)) == (1, None)
    fail(ledger, first, NOW, NOW + MINUTE)
    assert take(ledger) is None
    again = taken(ledger, NOW + MINUTE)
    assert (again.arrival, again.tries) == (1, 1)
    ledger.write(deliveries.delivered, again)
    assert taken(ledger, NOW + MINUTE).arrival == 2


def test_a_failing_app_does_not_hold_up_the_others(ledger: Ledger) -> None:
    ledger.write(deliveries.begin)
    add(ledger, "bad", 2)
    add(ledger, "good", 3)
    fail(ledger, taken(ledger), NOW, NOW + MINUTE)
    assert numbers(ledger) == [3, 4, 5]


def test_apps_take_turns(ledger: Ledger) -> None:
    ledger.write(deliveries.begin)
    for app in ("many", "few", "one"):
        add(ledger, app, {"many": 5, "few": 2, "one": 1}[app])
    turns: dict[str, int] = {}
    order = []
    for turn in range(1, 9):
        delivery = taken(ledger, turns=turns)
        turns[delivery.app] = turn
        order.append(delivery.app)
        ledger.write(deliveries.delivered, delivery)
    assert order == ["many", "few", "one", "many", "few", "many", "many", "many"]


def test_apps_can_be_left_aside(ledger: Ledger) -> None:
    ledger.write(deliveries.begin)
    add(ledger, "one")
    assert take(ledger, without={"one"}) is None
    assert not ledger.read(deliveries.is_work_there, NOW, LEASE, {"one"})
    assert ledger.read(deliveries.is_work_there, NOW, LEASE)


def test_a_claimed_delivery_is_nobody_elses_until_its_lease_ends(ledger: Ledger) -> None:
    ledger.write(deliveries.begin)
    add(ledger)
    first = taken(ledger)
    assert take(ledger) is None
    ledger.write(deliveries.give_back, first)
    # On PostgreSQL the server's clock decides, which no test moves: so this lease has ended already.
    second = taken(ledger, lease=timedelta(0))
    third = taken(ledger)
    assert first.arrival == second.arrival == third.arrival
    assert len({first.token, second.token, third.token}) == 3


def test_a_claim_holds_as_long_as_the_hook_may_run_and_be_it_days(ledger: Ledger) -> None:
    ledger.write(deliveries.begin)
    add(ledger)
    lease = timedelta(days=3)
    taken(ledger, lease=lease)
    assert take(ledger, lease=lease) is None
    assert not ledger.read(deliveries.is_work_there, NOW, lease)


def test_one_who_lost_the_claim_can_note_nothing(ledger: Ledger) -> None:
    ledger.write(deliveries.begin)
    add(ledger)
    delivery = taken(ledger)
    late = Delivery(delivery.arrival, delivery.app, delivery.asked, 0, "f" * 32)
    ledger.write(deliveries.delivered, late)
    ledger.write(deliveries.failed, late, "exit 1", NOW, NOW)
    ledger.write(deliveries.give_back, late)
    ledger.write(deliveries.started, late, "somebody")
    assert ledger.read(deliveries.hook_state) == deliveries.HookState(waiting=1)
    assert take(ledger) is None
    ledger.write(deliveries.delivered, delivery)
    assert ledger.read(deliveries.hook_state).waiting == 0


@pytest.mark.slow
def test_a_claim_of_a_dead_process_is_taken_over_at_once(url: str, ledger: Ledger) -> None:
    ledger.write(deliveries.begin)
    add(ledger)
    code = f"""
from datetime import datetime, timedelta
from reportsync.ledger import deliveries, open_writing
with open_writing({url!r}) as ledger:
    now = datetime.fromisoformat({NOW.isoformat()!r})
    ledger.write(deliveries.queue, now)
    taken = ledger.write(deliveries.take, now=now, lease=timedelta(minutes=6), turns={{}})
    ledger.write(deliveries.started, taken, "a b c 999999999 1")
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    delivery = taken(ledger)
    assert delivery.arrival == 1
    assert delivery.orphan == "a b c 999999999 1"


def test_a_delivery_given_back_costs_nothing(ledger: Ledger) -> None:
    ledger.write(deliveries.begin)
    add(ledger)
    ledger.write(deliveries.give_back, taken(ledger))
    again = taken(ledger)
    assert (again.arrival, again.tries, again.orphan) == (1, 0, None)


def test_a_lease_or_a_pause_from_a_clock_that_was_ahead_does_not_hold(lite: Ledger) -> None:
    ledger = lite
    ledger.write(deliveries.begin)
    add(ledger)
    ahead = NOW + timedelta(days=3650)
    taken(ledger, ahead)
    delivery = taken(ledger, NOW)
    fail(ledger, delivery, ahead, ahead + LONGEST_PAUSE)
    assert taken(ledger, NOW).tries == 1


def test_row_42_a_replay_runs_again_what_was_delivered(ledger: Ledger) -> None:
    ledger.write(deliveries.begin)
    add(ledger, days=4)
    numbers(ledger)
    assert ledger.write(deliveries.replay, 2, 3, NOW) == 2
    assert numbers(ledger) == [2, 3]
    assert ledger.write(deliveries.replay, 5, 9, NOW) == 0


def test_a_replay_reaches_arrivals_from_before_the_first_hook(ledger: Ledger) -> None:
    add(ledger, days=3)
    assert ledger.write(deliveries.replay, 1, 2, NOW) == 2
    assert numbers(ledger) == [1, 2]
    add(ledger, first=3)
    assert numbers(ledger) == [4]


def test_a_replay_asked_for_during_the_run_is_done_afterwards(ledger: Ledger) -> None:
    ledger.write(deliveries.begin)
    add(ledger)
    delivery = taken(ledger)
    ledger.write(deliveries.replay, 1, 1, NOW + MINUTE)
    assert take(ledger, NOW + MINUTE) is None
    ledger.write(deliveries.delivered, delivery)
    assert numbers(ledger, NOW + MINUTE) == [1]
    assert numbers(ledger, NOW + MINUTE) == []


def test_a_replay_asked_for_during_a_run_that_fails_does_not_wait_for_its_pause(
    ledger: Ledger,
) -> None:
    ledger.write(deliveries.begin)
    add(ledger)
    delivery = taken(ledger)
    ledger.write(deliveries.replay, 1, 1, NOW + MINUTE)
    fail(ledger, delivery, NOW + MINUTE, NOW + LONGEST_PAUSE)
    assert taken(ledger, NOW + MINUTE).tries == 1


def test_a_replay_does_not_wait_for_the_pause_of_a_failing_one(ledger: Ledger) -> None:
    ledger.write(deliveries.begin)
    add(ledger)
    fail(ledger, taken(ledger), NOW, NOW + LONGEST_PAUSE)
    assert take(ledger) is None
    ledger.write(deliveries.replay, 1, 1, NOW)
    assert taken(ledger).tries == 1


def test_what_fails_is_known_with_its_first_failure_and_its_last_error(ledger: Ledger) -> None:
    ledger.write(deliveries.begin)
    add(ledger, "late", 1)
    add(ledger, "early", 2)
    assert ledger.read(deliveries.failing_hook) is None
    first, second = taken(ledger, without={"late"}), taken(ledger, without={"early"})
    fail(ledger, first, NOW, NOW + MINUTE)
    fail(ledger, second, NOW + MINUTE, NOW + 2 * MINUTE)
    again = taken(ledger, NOW + MINUTE)
    ledger.write(deliveries.failed, again, "exit 2", NOW + MINUTE, NOW + 3 * MINUTE)
    assert ledger.read(deliveries.failing_hook) == deliveries.FailingHook(
        arrival=2,
        app="early",
        day=FIRST,
        tries=2,
        since=NOW,
        error="exit 2",
        next_attempt=NOW + 3 * MINUTE,
        failing=2,
    )
    assert ledger.read(deliveries.hook_state).waiting == 3


def test_a_success_ends_the_failing(ledger: Ledger) -> None:
    ledger.write(deliveries.begin)
    add(ledger)
    fail(ledger, taken(ledger), NOW, NOW)
    assert ledger.read(deliveries.failing_hook) is not None
    numbers(ledger)
    assert ledger.read(deliveries.failing_hook) is None


def test_row_i_numbers_are_read_in_their_order_while_many_write(url: str, ledger: Ledger) -> None:
    """A reader who keeps the last number misses none, though four connections commit at once."""
    threads = [threading.Thread(target=_write, args=(url, name)) for name in "abcd"]
    seen: list[int] = []
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        seen += [row.number for row in ledger.read(queries.arrivals_after, max(seen, default=0), 9)]
    for thread in threads:
        thread.join()
    while rows := ledger.read(queries.arrivals_after, max(seen, default=0), 9):
        seen += [row.number for row in rows]
    assert seen == sorted(seen)
    assert len(seen) == 4 * 12
    assert ledger.read(queries.last_arrival_number) == seen[-1]


def _write(url: str, name: str) -> None:
    with open_writing(url) as ledger:
        for day in range(12):
            add(ledger, name, first=day)


def test_two_processes_never_run_one_delivery_both(url: str, ledger: Ledger) -> None:
    ledger.write(deliveries.begin)
    add(ledger, "a", 15)
    add(ledger, "b", 15)
    done: list[int] = []

    def work() -> None:
        with open_writing(url) as mine:
            done.extend(numbers(mine))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done += numbers(ledger)
    assert sorted(done) == list(range(1, 31))


def test_a_process_has_one_name_as_long_as_it_lives() -> None:
    child = subprocess.Popen(["sleep", "30"])
    name = claims.name_process(child.pid)
    try:
        assert name == claims.name_process(child.pid)
        assert not claims.is_dead(name)
    finally:
        child.kill()
        child.wait()
    assert claims.is_dead(name)


@pytest.mark.parametrize("tries", [1, 2, 6, 7, 9, 10, 11, 400, 10**6])
def test_pauses_double_from_a_minute_to_six_hours(tries: int) -> None:
    minutes = min(2 ** min(tries - 1, 20), 360)
    assert pause_after(tries) == timedelta(minutes=minutes)

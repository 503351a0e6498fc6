"""Who works on what next: probes before crowds, newest days first, apps in turn, nothing twice."""

from __future__ import annotations

import cProfile
import pstats
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest
from lanes_cases import DAY, ended, exchanged, helpers, reports, taken, waits, wide

from reportsync.collect import Collected
from reportsync.errors import AppRefused
from reportsync.model import ONE_DAY, Outcome, Report
from reportsync.service.lanes import PATIENCE_WITH_APP, SILENCE, Lanes, Turn
from reportsync.width import Sign


def lanes_of(*queued: Iterable[Report], workers: int = 4, reserved: int = 0) -> Lanes:
    lanes = Lanes(workers, reserved)
    for some in queued:
        lanes.add(some)
    return lanes


def drain(lanes: Lanes, end: Callable[[Turn], Collected]) -> list[Report]:
    """Work through `lanes` alone, ending each turn as `end` says; return the reports in their order."""
    order = []
    while (turn := lanes.take()) is not None:
        order.append(turn.report)
        lanes.done(turn, end(turn))
    return order


def test_until_the_key_is_accepted_an_app_has_one_request_under_way() -> None:
    lanes = lanes_of(reports("a", 5))
    taken(lanes)
    assert waits(lanes)


def test_a_key_accepted_by_the_server_opens_the_app_while_the_probe_goes_on() -> None:
    lanes = lanes_of(reports("a", 3))
    taken(lanes)
    lanes.accepted("a")
    assert [taken(lanes).report for _ in range(2)] == reports("a", 3)[1:]


@pytest.mark.parametrize(
    "outcome", [Outcome.STORED, Outcome.VERSION, Outcome.UNCHANGED, Outcome.WAITING]
)
def test_an_answer_to_the_probe_opens_the_app(outcome: Outcome) -> None:
    lanes = lanes_of(reports("a", 4))
    probe = taken(lanes)
    lanes.done(probe, ended(probe, outcome))
    assert {taken(lanes).report for _ in range(3)} == set(reports("a", 3))


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.BUSY, Outcome.ADOPTED])
def test_what_says_nothing_about_the_key_lets_one_probe_follow_another(outcome: Outcome) -> None:
    lanes = lanes_of(reports("a", 4))
    for _ in range(2):
        probe = taken(lanes)
        lanes.done(probe, ended(probe, outcome))
    taken(lanes)
    assert waits(lanes)


def test_the_probe_of_one_app_holds_up_no_other() -> None:
    lanes = lanes_of(reports("a", 2), reports("b", 2), reports("c", 2))
    assert [taken(lanes).report.app for _ in range(3)] == ["a", "b", "c"]


def test_fault_09_a_refused_key_ends_the_app_s_turn_after_one_request() -> None:
    lanes = lanes_of(reports("bad", 50), reports("good", 3))
    order = drain(
        lanes,
        lambda turn: (
            ended(turn, Outcome.REJECTED, bars_app=True)
            if turn.report.app == "bad"
            else ended(turn)
        ),
    )
    assert Counter(report.app for report in order) == {"bad": 1, "good": 3}
    assert lanes.left() == 49


def test_fault_12_ten_failures_without_an_answer_between_end_the_app_s_turn() -> None:
    lanes = lanes_of(reports("a", 50), reports("b", 20))
    order = drain(
        lanes,
        lambda turn: ended(turn, Outcome.FAILED if turn.report.app == "a" else Outcome.STORED),
    )
    assert Counter(report.app for report in order) == {"a": PATIENCE_WITH_APP, "b": 20}
    assert PATIENCE_WITH_APP == 10


def refused(turn: Turn) -> Collected:
    return Collected(turn.report, Outcome.FAILED, error=AppRefused("410"))


def test_fault_13_a_way_that_is_barred_for_three_days_in_a_row_ends_the_app_s_turn() -> None:
    lanes = lanes_of(reports("gone", 50), reports("good", 5))
    order = drain(lanes, lambda turn: refused(turn) if turn.report.app == "gone" else ended(turn))
    assert Counter(report.app for report in order) == {"gone": 3, "good": 5}


def test_fault_14_a_redirect_of_one_day_holds_up_no_other_day() -> None:
    lanes = lanes_of(reports("a", 9))
    odd = {DAY + 8 * ONE_DAY, DAY + 2 * ONE_DAY, DAY + ONE_DAY}
    order = drain(lanes, lambda turn: refused(turn) if turn.report.day in odd else ended(turn))
    assert len(order) == 9


def test_an_answer_between_the_failures_begins_the_count_anew() -> None:
    lanes = lanes_of(reports("a", 50))
    count = iter(range(100))
    order = drain(
        lanes,
        lambda turn: ended(turn, Outcome.WAITING if next(count) % 9 == 8 else Outcome.FAILED),
    )
    assert len(order) == 50


def test_a_file_adopted_between_the_failures_is_no_answer_of_the_server() -> None:
    lanes = lanes_of(reports("a", 50))
    count = iter(range(100))
    drain(
        lanes,
        lambda turn: ended(turn, Outcome.ADOPTED if next(count) % 2 else Outcome.FAILED),
    )
    assert lanes.left() == 50 - (2 * PATIENCE_WITH_APP - 1)


def test_a_barred_app_stays_barred_whatever_its_other_requests_end_in() -> None:
    lanes = lanes_of(reports("a", 9), workers=8)
    lanes.accepted("a")
    turns = [taken(lanes) for _ in range(4)]
    outcomes = [Outcome.REJECTED, Outcome.FAILED, Outcome.STORED, Outcome.WAITING]
    for turn, outcome in zip(turns, outcomes, strict=True):
        lanes.done(turn, ended(turn, outcome, bars_app=outcome is Outcome.REJECTED))
    assert lanes.take() is None
    assert lanes.left() == 5


def test_an_app_that_is_barred_from_outside_gets_no_more_turns() -> None:
    lanes = lanes_of(reports("a", 3), reports("b", 1))
    lanes.bar("a")
    assert taken(lanes).report.app == "b"
    assert lanes.left() == 3


def test_row_14_the_newest_days_go_before_every_gap() -> None:
    lanes = Lanes(4)
    newest = {Report(app, DAY + 9 * ONE_DAY) for app in "abc"}
    for app in "abc":
        lanes.add(reports(app, 10), newest=newest)
        lanes.accepted(app)
    first = [taken(lanes) for _ in range(4)]
    assert {turn.report for turn in first[:3]} == newest
    assert [turn.newest for turn in first] == [True, True, True, False]


def test_row_14_a_newest_day_that_comes_late_overtakes_the_gaps() -> None:
    lanes = lanes_of(reports("a", 9))
    lanes.accepted("a")
    taken(lanes)
    late = Report("a", DAY + 99 * ONE_DAY)
    assert lanes.add([late], newest=[late]) == 1
    assert taken(lanes) == Turn(late, newest=True)


def test_row_14_a_reserved_worker_is_free_for_a_day_that_becomes_due_meanwhile() -> None:
    lanes = lanes_of(reports("a", 50), workers=4, reserved=1)
    lanes.accepted("a")
    for _ in range(3):
        taken(lanes)
    got: list[Turn | None] = []
    idle = threading.Thread(target=lambda: got.append(lanes.take()), daemon=True)
    idle.start()
    idle.join(0.05)
    assert got == [], "the last worker takes no gap"
    late = Report("b", DAY)
    lanes.add([late], newest=[late])
    idle.join(5)
    assert got == [Turn(late, newest=True)]


def test_row_14_a_gap_worker_that_is_done_goes_on_with_the_gaps() -> None:
    lanes = lanes_of(reports("a", 50), workers=2, reserved=1)
    lanes.accepted("a")
    turn = taken(lanes)
    lanes.done(turn, ended(turn))
    assert not taken(lanes).newest


def test_one_worker_alone_fills_gaps_even_with_one_reserved() -> None:
    lanes = lanes_of(reports("a", 3), workers=1, reserved=1)
    assert len(drain(lanes, ended)) == 3


def test_fault_12_a_slow_app_takes_no_workers_from_fast_ones() -> None:
    lanes = lanes_of(reports("slow", 50), reports("fast", 20), reports("quick", 20), workers=8)
    for app in ("slow", "fast", "quick"):
        lanes.accepted(app)
    under_way = [taken(lanes) for _ in range(8)]
    order: list[str] = []
    for _ in range(60):
        fast = [turn for turn in under_way if turn.report.app != "slow"]
        if not fast:
            break
        under_way.remove(fast[0])
        lanes.done(fast[0], ended(fast[0]))
        under_way.append(taken(lanes))
        order.append(under_way[-1].report.app)
    # It keeps the workers it has; while the others have gaps they go on with theirs.
    assert Counter(order[:34]) == {"fast": 17, "quick": 17}


def test_apps_take_turns_at_their_gaps() -> None:
    lanes = lanes_of(reports("a", 3), reports("b", 3), reports("c", 1))
    order = drain(lanes, ended)
    assert [report.app for report in order] == ["a", "b", "c", "a", "b", "a", "b"]
    assert [report.day for report in order if report.app == "a"] == [
        report.day for report in reports("a", 3)
    ]


def test_a_report_is_handed_out_once_however_often_it_is_queued() -> None:
    lanes = lanes_of(reports("a", 3))
    assert lanes.add(reports("a", 4)) == 1
    assert lanes.add(reports("a", 4), newest=reports("a", 4)) == 0
    assert len(drain(lanes, ended)) == 4
    assert lanes.add(reports("a", 4)) == 0
    assert lanes.take() is None


def test_with_nothing_queued_there_is_nothing_to_wait_for() -> None:
    assert Lanes(4, 1).take() is None


def test_who_waits_is_sent_home_when_the_last_turn_ends() -> None:
    lanes = lanes_of(reports("a", 1))
    turn = taken(lanes)
    with ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(lanes.take) for _ in range(3)]
        assert not any(future.done() for future in waiting)
        lanes.done(turn, ended(turn))
        assert [future.result(5) for future in waiting] == [None, None, None]


def test_a_turn_that_ended_in_an_error_of_ours_frees_its_place_and_teaches_nothing() -> None:
    lanes = lanes_of(reports("a", 3))
    lanes.done(taken(lanes), None)
    taken(lanes)
    assert waits(lanes)


def test_closed_lanes_hand_out_nothing_and_send_everybody_home() -> None:
    lanes = lanes_of(reports("a", 5))
    taken(lanes)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(lanes.take)
        time.sleep(0.02)
        lanes.close()
        assert waiting.result(5) is None
    assert lanes.take() is None
    assert lanes.left() == 4


def test_invariant_7_many_workers_take_each_report_once_and_leave_none() -> None:
    queued = [report for app in "abcdefgh" for report in reports(app, 40)]
    lanes = Lanes(16, 1)
    lanes.add(queued, newest=[Report(app, DAY + 39 * ONE_DAY) for app in "abcdefgh"])
    seen: list[Report] = []

    def work(_: int) -> None:
        while (turn := lanes.take()) is not None:
            seen.append(turn.report)
            lanes.done(turn, ended(turn))

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(work, range(16)))
    assert Counter(seen) == Counter(queued)
    assert lanes.left() == 0


def test_each_host_is_asked_for_no_more_at_once_than_its_width() -> None:
    lanes = wide(8, 2, a="one", b="one", c="two")
    assert sorted(taken(lanes).report.app for _ in range(4)) == ["a", "b", "c", "c"]
    assert lanes.widths() == {"one": 2, "two": 2}
    assert waits(lanes)


def test_a_good_answer_makes_room_for_one_more_and_wakes_who_waits_for_it() -> None:
    lanes = wide(8, 2, a="one")
    turns = [taken(lanes) for _ in range(2)]
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(lanes.take)
        time.sleep(0.02)
        assert not waiting.done()
        exchanged(lanes, turns[0].report)
        assert waiting.result(5) is not None
    assert lanes.widths() == {"one": 3}
    taken(lanes)
    assert waits(lanes), "three are being downloaded; what is verified meanwhile does not count"


def test_fault_11_a_strained_host_is_asked_for_half_and_the_others_for_as_much_as_before() -> None:
    lanes = wide(16, 4, a="one", b="two")
    turns = [taken(lanes) for _ in range(8)]
    mine = [turn for turn in turns if turn.report.app == "a"]
    exchanged(lanes, mine[0].report, Sign.LIMIT)
    assert lanes.widths() == {"one": 2, "two": 4}
    for turn in mine[1:3]:
        lanes.done(turn, ended(turn))
    assert waits(lanes), "two of its reports are still under way, one of them in a pause"


def test_row_14_a_newest_day_goes_beside_as_many_gaps_as_are_allowed() -> None:
    lanes = wide(8, 2, a="one", b="one")
    for _ in range(2):
        assert not taken(lanes).newest
    late = [Report(app, DAY + 99 * ONE_DAY) for app in "ab"]
    lanes.add(late, newest=late)
    got: list[Turn | None] = []
    workers = [
        threading.Thread(target=lambda: got.append(lanes.take()), daemon=True) for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    workers[0].join(0.05)
    assert {turn.report for turn in got if turn is not None} == set(late)
    lanes.close()
    for worker in workers:
        worker.join(5)


def test_newest_days_are_asked_for_no_wider_than_gaps() -> None:
    lanes = Lanes(8, 0, dict.fromkeys("abcd", "one"), 2)
    newest = [Report(app, DAY) for app in "abcd"]
    lanes.add(newest, newest=newest)
    turn = taken(lanes)
    taken(lanes)
    lanes.done(turn, ended(turn))
    assert taken(lanes).newest
    assert waits(lanes)


def test_fault_12_the_strain_of_an_app_that_never_got_through_is_its_own() -> None:
    lanes = Lanes(8, 0, {"a": "one", "ill": "one"}, 8)
    ill = Report("ill", DAY)
    exchanged(lanes, ill, Sign.STRAIN)
    assert lanes.widths() == {"one": 4}, "nobody has got through yet"
    lanes.accepted("a")
    exchanged(lanes, ill, Sign.STRAIN)
    assert lanes.widths() == {"one": 4}
    exchanged(lanes, ill, Sign.LIMIT)
    assert lanes.widths() == {"one": 2}


def test_fault_12_requests_that_have_long_been_silent_hold_up_no_others() -> None:
    lanes = wide(8, 2, a="one", b="one")
    silent = [taken(lanes) for _ in range(2)]
    for turn in silent:
        lanes.asked(turn.report, 100.0)
    lanes.look(100.0 + SILENCE - 1)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(lanes.take)
        time.sleep(0.02)
        assert not waiting.done()
        lanes.look(100.0 + SILENCE)
        assert waiting.result(5) is not None
    assert waits(lanes), "one at a time: for all that is known the host has enough"


def test_fault_12_an_archive_that_comes_in_no_pieces_is_silent_too() -> None:
    lanes = wide(8, 2, a="one", b="one")
    coming, dripping = (lanes.asked(taken(lanes).report, 100.0) for _ in range(2))
    lanes.heard(dripping, 101.0)
    lanes.heard(coming, 105.0)
    lanes.look(102.0 + SILENCE)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(lanes.take)
        time.sleep(0.02)
        assert not waiting.done(), "one is a load"
        lanes.look(105.0 + SILENCE)
        assert waiting.result(5) is not None


def test_invariant_7_what_is_to_be_downloaded_once_more_goes_before_others_once_there_is_room() -> (
    None
):
    lanes = wide(8, 1, a="one", b="one")
    first = taken(lanes)
    exchanged(lanes, first.report)
    others = [taken(lanes) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        again = threads.submit(lanes.place, first.report)
        time.sleep(0.02)
        next_one = threads.submit(lanes.take)
        time.sleep(0.02)
        assert not again.done()
        lanes.done(others[0], ended(others[0]))
        again.result(5)
        assert not next_one.done()
        lanes.done(first, ended(first))
        assert next_one.result(5) is not None


def test_what_was_asked_for_before_is_downloaded_once_more_though_the_lanes_are_closed() -> None:
    lanes = wide(8, 1, a="one")
    first = taken(lanes)
    exchanged(lanes, first.report)
    others = [taken(lanes) for _ in range(2)]
    with helpers(lanes) as threads:
        again = threads.submit(lanes.place, first.report)
        time.sleep(0.02)
        lanes.close()
        time.sleep(0.02)
        assert not again.done(), "the host is asked for no more than before"
        lanes.done(others[0], ended(others[0]))
        assert again.result(5) is None


def test_workers_are_wanted_as_the_width_grows_and_no_more_than_there_is_to_do() -> None:
    lanes = Lanes(8, 1, {"a": "one", "b": "two"}, 2)
    lanes.add(reports("a", 4))
    assert lanes.hands() == 2 + 1
    turn = taken(lanes)
    lanes.accepted("a")
    exchanged(lanes, turn.report)
    assert lanes.hands() == 4 + 1, "three to download, one being verified"
    for _ in range(3):
        exchanged(lanes, taken(lanes).report)
    assert lanes.hands() == 4 + 1
    lanes.add(reports("b", 9))
    assert lanes.hands() == 4 + 2 + 1
    lanes.accepted("b")
    for _ in range(2):
        exchanged(lanes, taken(lanes).report)
    assert lanes.hands() == 8


def calls_of_a_turn(apps: int) -> float:
    """Return how many calls of functions a turn takes with gaps of so many apps."""
    lanes = lanes_of(*(reports(f"app-{n}", 2) for n in range(apps)), workers=8)
    profile = cProfile.Profile()
    order = profile.runcall(drain, lanes, ended)
    return pstats.Stats(profile).total_calls / len(order)  # type: ignore[attr-defined]


def test_a_turn_costs_the_same_however_many_apps_there_are() -> None:
    assert calls_of_a_turn(1000) <= 1.2 * calls_of_a_turn(30)

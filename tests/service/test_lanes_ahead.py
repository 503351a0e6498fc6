"""Gaps are handed out before there is room for them: in whose way they may stand, and in whose not."""

from __future__ import annotations

import threading
import time

import pytest
from lanes_cases import DAY, ended, exchanged, helpers, reports, taken, waits, wide

from reportsync.model import ONE_DAY, Outcome, Report
from reportsync.service.lanes import SILENCE, Lanes, NoPlace, Turn


def ahead_of(width: int, ahead: int) -> Lanes:
    """Return lanes with many gaps of two apps at one host, whose keys are accepted."""
    lanes = Lanes(8, 0, {"a": "one", "b": "one"}, width, 32, ahead)
    for app in "ab":
        lanes.add(reports(app, 20))
        lanes.accepted(app)
    return lanes


def test_some_gaps_are_handed_out_ahead_and_wait_for_their_places_in_order() -> None:
    lanes = ahead_of(4, 3)
    turns = [taken(lanes) for _ in range(4 + 3)]
    for turn in turns[:4]:
        lanes.place(turn.report)  # has one already
    with helpers(lanes) as threads:
        following = []
        for turn in turns[4:]:
            following.append(threads.submit(lanes.place, turn.report))
            time.sleep(0.02)
        eighth = threads.submit(lanes.take)
        time.sleep(0.02)
        assert not eighth.done()
        for ended_one, placed in zip(turns, following, strict=False):
            assert not placed.done()
            lanes.done(ended_one, ended(ended_one))
            assert placed.result(5) is None
        assert eighth.result(5) is not None


def test_no_more_are_handed_out_ahead_than_a_host_is_asked_for() -> None:
    lanes = ahead_of(2, 7)
    for _ in range(2 + 2):
        taken(lanes)
    assert waits(lanes)


def test_what_waits_at_one_host_takes_no_place_of_another() -> None:
    lanes = Lanes(3, 0, {"a": "one", "b": "two"}, 1, 16, 2)
    for app in "ab":
        lanes.add(reports(app, 9))
        lanes.accepted(app)
    turns = [taken(lanes) for _ in range(4)]
    assert sorted(turn.report.app for turn in turns) == ["a", "a", "b", "b"]
    with helpers(lanes) as threads:
        mine, other = (threads.submit(lanes.place, turn.report) for turn in turns[2:])
        time.sleep(0.02)
        lanes.done(turns[1], ended(turns[1]))
        assert (mine if turns[1].report.app == turns[2].report.app else other).result(5) is None
        lanes.done(turns[0], ended(turns[0]))
        assert (mine.result(5), other.result(5)) == (None, None)


def test_row_14_a_newest_day_passes_those_that_wait_for_a_place() -> None:
    lanes = ahead_of(2, 2)
    for _ in range(4):
        taken(lanes)
    late = Report("a", DAY + 99 * ONE_DAY)
    lanes.add([late], newest=[late])
    assert taken(lanes) == Turn(late, newest=True)
    lanes.place(late)


def test_fault_12_what_waits_for_a_place_is_given_up_when_its_app_is_barred() -> None:
    lanes = ahead_of(2, 2)
    turns = [taken(lanes) for _ in range(4)]
    assert [turn.report.app for turn in turns] == ["a", "b", "a", "b"]
    with helpers(lanes) as threads:
        mine, other = (threads.submit(lanes.place, turn.report) for turn in turns[2:])
        time.sleep(0.02)
        lanes.bar("a")
        with pytest.raises(NoPlace):
            mine.result(5)
        assert not other.done()
        lanes.done(turns[2], None)
        lanes.done(turns[0], ended(turns[0]))
        assert other.result(5) is None
        assert taken(lanes).report.app == "b"


def test_a_place_that_a_barred_apps_report_is_not_to_have_is_another_apps_at_once() -> None:
    lanes = ahead_of(1, 1)
    first, following = taken(lanes), taken(lanes)
    assert [first.report.app, following.report.app] == ["a", "b"]
    lanes.bar("b")  # its thread, which claims the report, does not know yet
    lanes.done(first, ended(first))
    assert lanes.has_place(taken(lanes).report)


def test_closed_lanes_give_no_place_though_there_is_room() -> None:
    lanes = ahead_of(2, 2)
    turns = [taken(lanes) for _ in range(4)]
    lanes.close()
    for turn in turns[:2]:
        lanes.done(turn, None)
    with pytest.raises(NoPlace):
        lanes.place(turns[2].report)


def test_a_barred_apps_archive_that_came_damaged_is_downloaded_once_more() -> None:
    lanes = wide(8, 1, a="one", b="one")
    damaged = taken(lanes)
    exchanged(lanes, damaged.report)
    others = [taken(lanes) for _ in range(2)]  # one was good, so two at once
    lanes.bar(damaged.report.app)
    with helpers(lanes) as threads:
        again = threads.submit(lanes.place, damaged.report)
        time.sleep(0.02)
        assert not again.done(), "its place is another's by now"
        lanes.done(others[0], ended(others[0]))
        assert again.result(5) is None
        assert waits(lanes), "it has a place, and so has the other"


def test_row_14_newest_days_lose_no_place_to_gaps_ahead() -> None:
    lanes = Lanes(2, 0, {}, 2, 16, 8)
    newest = [Report(app, DAY + 99 * ONE_DAY) for app in "abcdef"]
    for app in "abcdef":
        lanes.add(reports(app, 9))
    lanes.add(newest, newest=newest)
    order = []
    with helpers(lanes) as threads:
        under_way = [taken(lanes) for _ in range(2)]
        for _ in range(4):
            following = threads.submit(lanes.take)
            time.sleep(0.02)
            assert not following.done(), "nothing is handed out ahead of a newest day"
            turn = under_way.pop(0)
            order.append(turn.newest)
            lanes.done(turn, ended(turn))
            taken_next = following.result(5)
            assert taken_next is not None
            under_way.append(taken_next)
        order += [turn.newest for turn in under_way]
    assert order == [True] * 6


def test_places_go_by_turns_and_not_by_who_was_claimed_first() -> None:
    lanes = ahead_of(2, 2)
    turns = [taken(lanes) for _ in range(4)]
    with helpers(lanes) as threads:
        later = threads.submit(lanes.place, turns[3].report)
        time.sleep(0.02)
        earlier = threads.submit(lanes.place, turns[2].report)
        time.sleep(0.02)
        lanes.done(turns[0], ended(turns[0]))
        assert earlier.result(5) is None
        assert not later.done()


def test_at_the_limit_of_all_hosts_who_waits_longest_goes_first() -> None:
    lanes = Lanes(2, 0, {"b": "one", "a": "two"}, 2, 16, 8)
    for app in "ba":
        lanes.add(reports(app, 9))
        lanes.accepted(app)
    turns = [taken(lanes) for _ in range(2 + 4)]
    with helpers(lanes) as threads:
        waiting = []
        for turn in turns[2:]:
            waiting.append(threads.submit(lanes.place, turn.report))
            time.sleep(0.02)
        assert not any(one.done() for one in waiting), "two are downloaded from both together"
        for number, turn in enumerate(turns[:4]):
            lanes.done(turn, ended(turn))
            assert waiting[number].result(5) is None
            assert not any(one.done() for one in waiting[number + 1 :])


def test_no_more_are_handed_out_ahead_at_all_hosts_than_at_one_nor_hired_for_it() -> None:
    hosts = {app: f"host-{app}" for app in "abcdef"}
    lanes = Lanes(16, 0, hosts, 1, 32, 3)
    for app in hosts:
        lanes.add(reports(app, 9))
        lanes.accepted(app)
    assert lanes.hands() == 6 + 3
    for _ in range(6 + 3):
        taken(lanes)
    assert waits(lanes)


def test_what_is_to_be_downloaded_once_more_goes_before_what_waits_ahead() -> None:
    lanes = ahead_of(2, 2)
    turns = [taken(lanes) for _ in range(4)]
    exchanged(lanes, turns[0].report)
    lanes.place(turns[2].report)  # three at once by now
    lanes.place(turns[3].report)
    others = [taken(lanes) for _ in range(2)]
    with helpers(lanes) as threads:
        ahead = [threads.submit(lanes.place, turn.report) for turn in others]
        time.sleep(0.02)
        again = threads.submit(lanes.place, turns[0].report)
        time.sleep(0.02)
        assert not again.done()
        lanes.done(turns[1], ended(turns[1]))
        assert again.result(5) is None
        assert not any(one.done() for one in ahead)


def test_what_needs_no_place_after_all_stands_in_nobodys_way() -> None:
    lanes = ahead_of(2, 2)
    turns = [taken(lanes) for _ in range(4)]
    with helpers(lanes) as threads:
        for _ in range(36):  # whose files lie there already
            lanes.done(turns[-1], ended(turns[-1], Outcome.ADOPTED))
            turns[-1] = threads.submit(taken, lanes).result(5)
    assert lanes.left() == 0


def test_fault_12_what_waits_beside_mere_silence_gets_a_place() -> None:
    lanes = ahead_of(1, 1)
    lanes.asked(taken(lanes).report, 100.0)
    following = taken(lanes)
    with helpers(lanes) as threads:
        placed = threads.submit(lanes.place, following.report)
        time.sleep(0.02)
        assert not placed.done()
        lanes.look(100.0 + SILENCE)
        assert placed.result(5) is None


def test_a_wait_that_ends_in_an_error_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    lanes = ahead_of(1, 1)
    first, following = taken(lanes), taken(lanes)

    def no_memory(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(threading.Condition, "wait", no_memory)
        with pytest.raises(MemoryError):
            lanes.place(following.report)
    lanes.done(following, None)
    lanes.done(first, ended(first))
    lanes.place(taken(lanes).report)

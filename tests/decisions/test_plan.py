"""What is fetched now and in which order: every missing day wanted, each once, the newest first."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from decision_cases import (
    HOUR,
    LAST,
    NOW,
    SINCE,
    apps,
    instants,
    january,
    knowing,
    knowns,
    near,
    shop,
    waiver,
)
from hypothesis import given
from hypothesis import strategies as st

from reportsync.calendar import DayWord, days, next_due
from reportsync.known import Known, Missing, coverage, may_ask_from
from reportsync.model import ONE_DAY, Outcome, Report
from reportsync.plan import Ask, Planned, plan
from reportsync.settings import App

asks = st.builds(
    Ask,
    since=st.none() | near.map(DayWord),
    until=st.none() | near.map(DayWord),
    order=st.sampled_from(["newest", "oldest"]),
    patient=st.booleans(),
)


def planned(known: Known, ask: Ask | None = None, app: App | None = None) -> tuple[Planned, ...]:
    return plan([coverage(app or shop(), known, NOW)], ask or Ask(), NOW)


def fetched(rows: tuple[Planned, ...]) -> list[Report]:
    return [row.report for row in rows if row.action == "fetch"]


def fetched_days(rows: tuple[Planned, ...]) -> list[int]:
    return [report.day.day for report in fetched(rows)]


@given(st.lists(st.tuples(apps, knowns()), min_size=1, max_size=3), asks, instants)
def test_invariant_5_fetched_and_waiting_are_the_missing_days_wanted_each_once(
    drawn: list[tuple[App, Known]], ask: Ask, now: datetime
) -> None:
    named = [
        (app.model_copy(update={"name": f"app{n}"}), known) for n, (app, known) in enumerate(drawn)
    ]
    covered = [coverage(app, known, now) for app, known in named]
    rows = plan(covered, ask, now)
    wanted = {
        Report(one.app.name, row.day): row
        for one in covered
        for row in one.missing
        if ask.wants(one.app, row.day, now)
    }
    upcoming = {
        Report(one.app.name, found[0])
        for one in covered
        if (found := next_due(one.app, now)) and ask.wants(one.app, found[0], now)
    }
    reports = [row.report for row in rows]
    assert len(reports) == len(set(reports))
    assert set(reports) == set(wanted) | upcoming
    for row in rows:
        assert (row.action == "wait") == (row.at > now)
        assert row.reason
    by_name = {one.app.name: one.app for one in covered}
    for report, missing in wanted.items():
        waits = ask.patient and may_ask_from(by_name[report.app], missing) > now
        assert (report in fetched(rows)) != waits
    waiting = [row.at for row in rows if row.action == "wait"]
    assert waiting == sorted(waiting)
    assert [row.action for row in rows] == sorted(row.action for row in rows)


@given(st.lists(st.tuples(apps, knowns()), min_size=1, max_size=3), instants)
def test_row_13_newest_first_begins_with_each_app_s_newest_due_day(
    drawn: list[tuple[App, Known]], now: datetime
) -> None:
    named = [
        (app.model_copy(update={"name": f"app{n}"}), known) for n, (app, known) in enumerate(drawn)
    ]
    covered = [coverage(app, known, now) for app, known in named]
    order = fetched(plan(covered, Ask(patient=False), now))
    newest = {Report(one.app.name, one.due_through) for one in covered if one.due_through}
    first = [report in newest for report in order]
    assert first == sorted(first, reverse=True)
    for app, _ in named:
        own = [report.day for report in order if report.app == app.name]
        assert own == sorted(own, reverse=True)


def test_row_14_a_gap_of_one_app_does_not_go_before_the_newest_day_of_another() -> None:
    gap = coverage(shop("gap"), knowing(january(5)), NOW)
    newest = coverage(shop("newest"), knowing(january(30)), NOW)
    assert [report.app for report in fetched(plan([gap, newest], Ask(), NOW))] == ["newest", "gap"]


def test_row_13_oldest_first_by_choice() -> None:
    assert fetched_days(planned(knowing(january(3, 9, 30)), Ask(order="oldest"))) == [3, 9, 30]
    assert fetched_days(planned(knowing(january(3, 9, 30)))) == [30, 9, 3]


def test_row_14_apps_take_turns_so_that_a_long_gap_of_one_holds_up_no_other() -> None:
    long = coverage(shop("long"), Known(), NOW)
    short = coverage(shop("short"), knowing(january(5, 30)), NOW)
    order = fetched(plan([long, short], Ask(), NOW))
    assert [(report.app, report.day.day) for report in order[:5]] == [
        ("long", 30), ("short", 30), ("long", 29), ("short", 5), ("long", 28),
    ]  # fmt: skip
    assert len(order) == 32


def test_row_10_only_what_is_missing_in_the_range_is_fetched() -> None:
    ask = Ask(DayWord(date(2026, 1, 5)), DayWord(date(2026, 1, 20)), patient=False)
    assert fetched_days(planned(knowing(january(3, 7, 12, 25)), ask)) == [12, 7]


def test_row_04_yesterday_is_each_app_s_own() -> None:
    now = datetime(2026, 1, 20, 20, tzinfo=UTC)  # the 21st in Auckland, the 20th in Los Angeles
    ask = Ask(DayWord(days_ago=1), DayWord(days_ago=1), patient=False)
    for zone, day in (("Pacific/Auckland", 20), ("America/Los_Angeles", 19)):
        one = coverage(shop(zone=zone), Known(), now)
        rows = plan([one], ask, now)
        assert {row.report.day.day for row in rows} == {day}


def test_a_pause_is_kept_to_and_a_person_s_ask_does_not_wait_for_it() -> None:
    row = Missing(date(2026, 1, 5), 3, 3, NOW + HOUR, Outcome.WAITING, "HTTP 404")
    patient = planned(knowing([row]))
    assert patient[0] == Planned(
        Report("shop", row.day), "wait", "next attempt 2026-01-31T13:00:00Z: HTTP 404", NOW + HOUR
    )
    (now, *_) = planned(knowing([row]), Ask(patient=False))
    assert (now.action, now.reason) == ("fetch", "missing, asked for 3 times: HTTP 404")


def test_a_pause_that_is_over_is_over_to_the_second() -> None:
    for again, action in ((NOW, "fetch"), (NOW + timedelta(seconds=1), "wait")):
        row = Missing(date(2026, 1, 5), 1, 1, again, Outcome.FAILED, "HTTP 503")
        assert planned(knowing([row]))[0].action == action


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=3650)])
def test_fault_33_a_clock_set_ahead_and_back_loses_nothing_and_starts_no_storm(
    ahead: timedelta,
) -> None:
    """A failure noted by a clock that was ahead is asked for within the longest pause, once."""
    row = Missing(date(2026, 1, 5), 1, 1, NOW + ahead + HOUR, Outcome.FAILED, "HTTP 503")
    (first, *_) = planned(knowing([row]))
    assert (first.action == "fetch") == (ahead > timedelta(days=7))
    assert first.at - NOW <= timedelta(days=7)


def test_row_09_asked_again_stored_and_waived_days_of_the_range_are_fetched_too() -> None:
    known = knowing(january(5), waivers=[waiver(*january(5))])
    ask = Ask(DayWord(date(2026, 1, 4)), DayWord(date(2026, 1, 6)), patient=False, again=True)
    assert fetched_days(planned(known, ask)) == [6, 5, 4]
    assert fetched_days(planned(known, Ask(ask.since, ask.until, patient=False))) == []


def test_asked_again_of_an_app_without_a_due_day_nothing_is_fetched() -> None:
    late = shop(since=date(2027, 1, 1))
    (row,) = planned(Known(), Ask(patient=False, again=True), late)
    assert (row.action, row.report.day) == ("wait", late.since)


def test_the_next_day_waits_for_its_due_instant_and_none_after_the_last() -> None:
    (row,) = planned(knowing())
    assert row == Planned(
        Report("shop", LAST + ONE_DAY), "wait", "due 2026-02-01T04:00:00Z",
        datetime(2026, 2, 1, 4, tzinfo=UTC),
    )  # fmt: skip
    assert planned(knowing(), app=shop(until=LAST)) == ()


def test_row_11_each_report_says_why_it_is_fetched() -> None:
    once = Missing(date(2026, 1, 7), 1, 1, None, Outcome.FAILED, "HTTP 503")
    lost = Missing(date(2026, 1, 6), 0, 0, None, None, "its archive was lost or damaged")
    reasons = {
        row.report.day.day: row.reason for row in planned(knowing([lost, once, *january(5, 30)]))
    }
    assert reasons[30] == "newest due day"
    assert reasons[7] == "missing, asked for once: HTTP 503"
    assert reasons[6] == "its archive was lost or damaged"
    assert reasons[5] == "not asked for yet"


def test_fault_27_after_forty_days_down_every_day_is_planned_at_once() -> None:
    now = NOW + timedelta(days=40)
    order = fetched(plan([coverage(shop(), knowing(), now)], Ask(), now))
    assert [report.day for report in order] == list(days(LAST + ONE_DAY, LAST + 40 * ONE_DAY))[::-1]
    assert SINCE not in {report.day for report in order}

"""Every expected day is stored, missing or waived, and no other day is; gaps are runs of the missing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

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
    shop,
    waiver,
)
from hypothesis import given
from hypothesis import strategies as st

from reportsync.calendar import days, due, due_through
from reportsync.known import (
    Coverage,
    Gap,
    Known,
    Missing,
    coverage,
    gaps,
    is_waived,
    last_states,
    states,
)
from reportsync.model import ONE_DAY, Outcome
from reportsync.settings import App


def has_archive(known: Known, day: date) -> bool:
    """Say whether `known` tells that `day` is stored, from what its fields mean."""
    if (
        known.first is not None
        and known.through is not None
        and known.first <= day <= known.through
    ):
        return day not in {row.day for row in known.missing}
    return day in known.beyond


@given(apps, knowns(), instants)
def test_invariant_5_stored_missing_and_waived_partition_the_expected_days(
    app: App, known: Known, now: datetime
) -> None:
    one = coverage(app, known, now)
    last = due_through(app, now)
    expected = list(days(app.since, last)) if last else []
    missing, waived = [row.day for row in one.missing], list(one.waived)
    stored = [day for day in expected if has_archive(known, day)]
    assert sorted(missing + waived + stored) == expected
    assert (one.expected, one.stored, one.due_through) == (len(expected), len(stored), last)
    assert missing == sorted(missing)
    assert all(is_waived(day, known.waivers, now) for day in waived)
    assert not any(is_waived(day, known.waivers, now) for day in missing)


@given(apps, knowns(), instants)
def test_gaps_are_the_missing_days_in_runs_that_do_not_touch(
    app: App, known: Known, now: datetime
) -> None:
    one = coverage(app, known, now)
    found = gaps(one)
    inside = [day for gap in found for day in days(gap.first, gap.last)]
    assert inside == [row.day for row in one.missing]
    assert all(later.first - gap.last > ONE_DAY for gap, later in pairwise(found))
    assert sum(gap.days for gap in found) == len(one.missing)


def test_row_07_the_expected_days_can_be_listed_before_anything_is_known() -> None:
    one = coverage(shop(), Known(), NOW)
    assert [row.day for row in one.missing] == list(days(SINCE, LAST))
    assert {row.attempts for row in one.missing} == {0}


def test_row_06_what_is_missing_does_not_depend_on_what_made_the_gap() -> None:
    one = coverage(shop(), knowing(january(3, 4, 9), through=date(2026, 1, 28)), NOW)
    assert [row.day for row in one.missing] == january(3, 4, 9, 29, 30)
    assert one.stored == 25


def test_row_05_no_downtime_is_too_long() -> None:
    now = NOW + timedelta(days=3652)
    one = coverage(shop(), knowing(), now)
    assert len(one.missing) == 3652
    assert one.missing[0].day == LAST + ONE_DAY


def test_row_03_the_buffer_decides_when_a_day_is_expected() -> None:
    instant = datetime(2026, 1, 31, 2, 0, tzinfo=UTC)
    for buffer in (timedelta(0), 2 * HOUR, timedelta(days=2)):
        app = shop(buffer=buffer)
        assert coverage(app, Known(), instant + buffer).due_through == LAST
        just_before = coverage(app, Known(), instant + buffer - timedelta(seconds=1))
        assert just_before.due_through == LAST - ONE_DAY


def test_before_the_first_day_is_due_nothing_is_expected() -> None:
    assert coverage(shop(since=date(2027, 1, 1)), knowing(), NOW) == Coverage(
        shop(since=date(2027, 1, 1)), None, 0, (), ()
    )


def test_after_the_last_day_nothing_more_is_expected() -> None:
    one = coverage(shop(until=date(2026, 1, 10)), Known(), NOW)
    assert (one.expected, one.due_through) == (10, date(2026, 1, 10))


def test_moving_since_back_opens_the_days_before_and_keeps_the_others() -> None:
    one = coverage(shop(since=date(2025, 12, 30)), knowing(january(5)), NOW)
    assert [row.day for row in one.missing] == [date(2025, 12, 30), date(2025, 12, 31), *january(5)]


def test_moving_since_on_drops_the_days_before_and_moving_it_back_brings_them_again() -> None:
    known = knowing(january(5, 15))
    later = coverage(shop(since=date(2026, 1, 10)), known, NOW)
    assert [row.day for row in later.missing] == january(15)
    assert [row.day for row in coverage(shop(), known, NOW).missing] == january(5, 15)


def test_files_adopted_outside_the_range_are_stored_once_their_days_are_expected() -> None:
    known = knowing(first=date(2026, 1, 10), beyond=january(2, 3))
    one = coverage(shop(), known, NOW)
    assert [row.day for row in one.missing] == january(1, 4, 5, 6, 7, 8, 9)


def test_a_lost_file_outside_the_range_keeps_its_history() -> None:
    lost = Missing(date(2026, 1, 2), attempts=4, reason="its archive was lost or damaged")
    one = coverage(shop(), knowing([lost], first=date(2026, 1, 10)), NOW)
    assert lost in one.missing


def test_fault_33_days_known_beyond_what_is_due_by_a_clock_set_back_are_not_expected() -> None:
    known = knowing([date(2035, 12, 31)], through=date(2036, 1, 30))
    one = coverage(shop(), known, NOW)
    assert (one.expected, one.missing) == (30, ())
    back = coverage(shop(), knowing(january(5)), datetime(1970, 1, 1, tzinfo=UTC))
    assert (back.expected, back.missing) == (0, ())


@pytest.mark.parametrize("ahead", [timedelta(days=7, seconds=1), timedelta(days=3650)])
def test_fault_33_a_next_attempt_written_by_a_clock_that_was_ahead_is_not_waited_for(
    ahead: timedelta,
) -> None:
    row = Missing(date(2026, 1, 5), 1, 1, NOW + ahead, Outcome.FAILED, "HTTP 503")
    (seen,) = coverage(shop(), knowing([row]), NOW).missing
    assert seen == Missing(date(2026, 1, 5), 1, 1, None, Outcome.FAILED, "HTTP 503")
    month = shop(retry_at_most=timedelta(days=3651))
    (patient,) = coverage(month, knowing([row]), NOW).missing
    assert patient == row


def test_fault_33_a_day_asked_for_by_a_clock_that_was_ahead_is_not_late_once_it_is_due() -> None:
    ahead = NOW + timedelta(days=6)
    row = Missing(date(2026, 1, 5), 1, 1, ahead, Outcome.WAITING, "HTTP 404", ahead - HOUR)
    (seen,) = coverage(shop(), knowing([row]), NOW).missing
    assert seen.next_attempt is None


def test_the_longest_pause_there_is_is_waited_for() -> None:
    row = Missing(date(2026, 1, 5), next_attempt=NOW + timedelta(days=7))
    assert coverage(shop(), knowing([row]), NOW).missing == (row,)


def test_row_18_a_waived_day_is_not_missing_and_a_stored_one_is_not_waived() -> None:
    one = coverage(shop(), knowing(january(3, 4), waivers=[waiver(*january(4, 5))]), NOW)
    assert [row.day for row in one.missing] == january(3)
    assert list(one.waived) == january(4)


@pytest.mark.parametrize(
    ("until", "waived"),
    [(None, True), (date(2026, 1, 31), True), (date(2026, 1, 30), False)],
)
def test_row_18_a_waiver_holds_to_the_end_of_its_last_date(
    until: date | None, waived: bool
) -> None:
    one = coverage(shop(), knowing(january(4), waivers=[waiver(*january(4), until=until)]), NOW)
    assert (len(one.waived) == 1, len(one.missing) == 0) == (waived, waived)


def test_a_gap_tells_the_commonest_reason_and_the_soonest_next_attempt() -> None:
    known = knowing(
        [
            Missing(date(2026, 1, 3), 1, 1, NOW + 2 * HOUR, Outcome.WAITING, "HTTP 404"),
            Missing(date(2026, 1, 4), 1, 1, NOW + HOUR, Outcome.WAITING, "HTTP 404"),
            Missing(date(2026, 1, 5)),
            Missing(date(2026, 1, 9), 1, 1, NOW + HOUR, Outcome.FAILED, "HTTP 503"),
        ]
    )
    app = shop()
    one, two = gaps(coverage(app, known, NOW))
    assert one == Gap(
        date(2026, 1, 3), date(2026, 1, 5), "HTTP 404 (2 of 3 days)", due(date(2026, 1, 5), app)
    )
    assert two == Gap(date(2026, 1, 9), date(2026, 1, 9), "HTTP 503", NOW + HOUR)


def test_what_one_day_was_told_is_the_reason_also_where_more_were_not_asked_for() -> None:
    refused = Missing(date(2026, 1, 5), 1, 0, None, Outcome.REJECTED, "HTTP 401")
    asked = knowing([Missing(date(2026, 1, 3)), Missing(date(2026, 1, 4)), refused])
    (gap,) = gaps(coverage(shop(), asked, NOW))
    assert gap.reason == "HTTP 401 (1 of 3 days)"
    (gap,) = gaps(coverage(shop(), knowing([Missing(date(2026, 1, 3))]), NOW))
    assert gap.reason == "not asked for yet"


@given(st.dates(SINCE, LAST), st.dates(SINCE, LAST), st.dates(SINCE, LAST))
def test_a_waiver_covers_its_days_both_ends_included(first: date, last: date, day: date) -> None:
    first, last = sorted((first, last))
    assert is_waived(day, [waiver(first, last)], NOW) == (first <= day <= last)


@given(apps, knowns(), instants, st.integers(1, 70))
def test_the_last_days_have_the_states_that_they_have_among_all(
    app: App, known: Known, now: datetime, count: int
) -> None:
    one = coverage(app, known, now)
    other = states(one)
    every = days(app.since, one.due_through) if one.due_through else ()
    assert last_states(one, count) == [(day, other.get(day, "stored")) for day in every][-count:]


def test_a_day_that_the_vendor_says_is_not_there_yet_is_waiting_and_not_merely_missing() -> None:
    rows = [
        Missing(LAST - 2 * ONE_DAY, last_outcome=Outcome.FAILED),
        Missing(LAST - ONE_DAY),
        Missing(LAST, last_outcome=Outcome.WAITING),
    ]
    one = coverage(shop(), knowing(rows, waivers=[waiver(LAST - ONE_DAY)]), NOW)
    assert [state for _, state in last_states(one, 4)] == [
        "stored",
        "missing",
        "waived",
        "waiting",
    ]


def test_a_damaged_day_counts_as_stored_and_is_told_apart_until_it_is_fetched_anew() -> None:
    first, second, third = (LAST - n * ONE_DAY for n in (2, 1, 0))
    outside = SINCE - ONE_DAY, LAST + ONE_DAY
    known = knowing([third], damaged=[*outside, third, second, first])
    one = coverage(shop(), known, NOW)
    assert one.damaged == (first, second)
    assert one.damaged_beyond == outside
    assert one.not_whole == (outside[0], first, second, outside[1])
    assert one.stored == 29
    assert states(one) == {first: "damaged", second: "damaged", third: "missing"}
    assert last_states(one, 2) == [(second, "damaged"), (third, "missing")]

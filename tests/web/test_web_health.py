"""When the daemon counts as healthy and ready, and how apps stand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from web_ledger import NOW, History, alive

from reportsync.known import Known, Missing, coverage
from reportsync.model import Outcome, Waiver
from reportsync.web.health import health, readiness
from reportsync.web.standing import Standing, sentence, stalled, standing, worst_first

FIRST, NEWEST = date(2026, 7, 1), date(2026, 7, 29)
LATE = datetime(2026, 7, 30, 16, 1, tzinfo=UTC)
"""Twelve hours and a minute after 2026-07-29 became due in an app with default settings."""


def stand(
    name: str = "shop",
    missing: dict[date, Outcome | None] | None = None,
    waived: date | None = None,
    now: datetime = LATE,
    damaged: date | None = None,
    **settings: object,
) -> Standing:
    """Return how an app stands whose days from the first of July are stored but for `missing`."""
    app = History(name, FIRST, settings=settings).app
    rows = [Missing(day, last_outcome=outcome) for day, outcome in sorted((missing or {}).items())]
    waivers = [Waiver(name, waived, waived, "r", "ops", NOW)] if waived else []
    known = Known(FIRST, NEWEST, tuple(rows), frozenset(), tuple(waivers), 1, NEWEST)
    known = replace(known, damaged=frozenset({damaged} if damaged else ()))
    return standing(coverage(app, known, now), known, now)


def test_a_missing_newest_day_stalls_once_it_is_overdue_and_nothing_else_arrives() -> None:
    yesterday = LATE - timedelta(hours=36)
    gone = {NEWEST: Outcome.WAITING}
    assert stalled([stand(missing=gone)], yesterday, LATE) is not None
    early = LATE - timedelta(minutes=2)
    assert stalled([stand(missing=gone, now=early)], yesterday, early) is None


def test_one_app_that_goes_on_keeps_the_rest_from_counting_as_a_stall() -> None:
    both = [stand(missing={NEWEST: None}), stand("well")]
    assert stalled(both, LATE - timedelta(hours=36), LATE) is None


def test_an_old_hole_is_no_stall() -> None:
    assert stalled([stand(missing={date(2026, 7, 3): None})], None, LATE) is None


def test_a_waived_newest_day_is_no_stall_but_the_day_before_it_may_be() -> None:
    assert stalled([stand(missing={NEWEST: None}, waived=NEWEST)], None, LATE) is None
    before = NEWEST - timedelta(days=1)
    both = stand(missing={before: None, NEWEST: None}, waived=NEWEST)
    assert both.ripe == before
    assert stalled([both], None, LATE) is not None


def test_an_arrival_within_alert_after_is_progress() -> None:
    gone = [stand(missing={NEWEST: None})]
    assert stalled(gone, LATE - timedelta(hours=11), LATE) is None
    assert stalled(gone, LATE - timedelta(hours=13), LATE) is not None
    assert stalled(gone, None, LATE) is not None


def test_nothing_due_is_no_stall() -> None:
    before = datetime(2026, 6, 30, tzinfo=UTC)
    assert stalled([stand(now=before)], None, before) is None
    assert stalled([], None, LATE) is None


def test_an_app_that_ended_is_judged_by_its_last_day() -> None:
    ended = stand(missing={date(2026, 7, 10): None}, until=date(2026, 7, 10))
    assert ended.ripe == date(2026, 7, 10)
    assert ended.overdue == 1


def test_health_says_what_is_wrong_in_the_order_of_gravity() -> None:
    well, long_ago = [stand()], NOW - timedelta(hours=2)
    cases = [
        (alive(), well, True, "last pass ended 2026-07-30T14:20:31Z"),
        (alive(scheduler_alive=False), well, False, "the scheduler's thread is dead"),
        (alive(), None, False, "the ledger cannot be read"),
        (alive(last_pass=long_ago), well, False, "no pass has ended since 2026-07-30T12:22:31Z"),
        (alive(last_pass=None), well, False, "no pass has ended since 2026-07-27T14:22:31Z"),
        (alive(last_pass=None, started=NOW), well, True, "the first pass is under way"),
    ]
    for live, standings, good, text in cases:
        verdict = health(live, standings, None, NOW)
        assert (verdict.good, verdict.text) == (good, text)


def test_health_bears_two_intervals_without_a_pass_and_not_more() -> None:
    limit = timedelta(minutes=12)
    assert health(alive(last_pass=NOW - limit), [], None, NOW).good
    assert not health(alive(last_pass=NOW - limit - timedelta(seconds=1)), [], None, NOW).good


def test_a_long_pass_is_healthy_while_it_shows_life() -> None:
    long_ago = NOW - timedelta(hours=9)
    live = alive(last_pass=long_ago, progress=NOW - timedelta(minutes=50))
    assert health(live, [], None, NOW).good
    silent = alive(last_pass=long_ago, progress=NOW - timedelta(minutes=61))
    assert health(silent, [], None, NOW).text == "a pass has been silent since 2026-07-30T13:21:31Z"


def test_health_fails_when_nothing_has_succeeded_for_too_long_whatever_the_passes_say() -> None:
    live = alive(LATE)
    verdict = health(
        live, [stand(missing={NEWEST: Outcome.FAILED})], LATE - timedelta(days=2), LATE
    )
    assert not verdict.good
    assert verdict.text == (
        "nothing has succeeded for too long: the newest report of shop that should be there is "
        "missing; last arrival 2026-07-28T16:01:00Z"
    )
    two = [stand("a", {NEWEST: None}), stand("b", {NEWEST: None})]
    assert "each of 2 apps that should be there is missing; last arrival never" in (
        health(live, two, None, LATE).text
    )


def test_invariant_12_health_fails_when_disk_or_ledger_have_failed_every_pass_for_two_intervals() -> (
    None
):
    limit = timedelta(minutes=12)
    for past, good in ((limit, True), (limit + timedelta(seconds=1), False)):
        assert health(alive(failing_since=NOW - past), [], None, NOW).good == good
    failing = alive(failing_since=NOW - timedelta(hours=1))
    assert health(failing, [stand()], None, NOW).text == (
        "every pass has failed since 2026-07-30T13:22:31Z: "
        "the archive or the ledger cannot be used; the log says why"
    )


def test_readiness_waits_for_the_first_pass_and_the_ledger() -> None:
    assert readiness(alive(), ledger_readable=True).good
    assert readiness(alive(last_pass=None), True).text == "no pass has ended yet"
    assert not readiness(alive(), ledger_readable=False).good


@pytest.mark.parametrize(
    ("missing", "word"),
    [
        ({}, "complete"),
        ({NEWEST: Outcome.WAITING}, "waiting"),
        ({NEWEST: None}, "missing"),
        ({NEWEST: Outcome.REJECTED}, "key refused"),
        ({date(2026, 7, 3): Outcome.WAITING}, "late"),
        ({date(2026, 7, 3): Outcome.REJECTED, NEWEST: Outcome.WAITING}, "late"),
    ],
)
def test_an_app_has_one_word_for_how_it_stands(
    missing: dict[date, Outcome | None], word: str
) -> None:
    assert stand(missing=missing, now=NOW).word == word


def test_damage_is_a_word_of_its_own_before_all_but_a_refused_key() -> None:
    whole = date(2026, 7, 9)
    assert stand(missing={date(2026, 7, 3): None}, damaged=whole).word == "damaged"
    assert stand(missing={NEWEST: Outcome.REJECTED}, damaged=whole).word == "key refused"
    assert stand(missing={whole: None}, damaged=whole).word == "late", "it is to be fetched anew"
    assert stand(damaged=date(2026, 6, 30)).word == "damaged", "of a day that is not expected"


def test_apps_come_worst_first() -> None:
    old = date(2026, 7, 3)
    apps = [
        stand("b-well", now=NOW),
        stand("waits", {NEWEST: Outcome.WAITING}, now=NOW),
        stand("late-one", {old: None}, now=NOW),
        stand("spoilt", damaged=old, now=NOW),
        stand("refused", {NEWEST: Outcome.REJECTED}, now=NOW),
        stand("late-two", {old: None, old + timedelta(days=1): None}, now=NOW),
        stand("a-well", now=NOW),
    ]
    assert [one.name for one in worst_first(apps)] == [
        "refused", "spoilt", "late-two", "late-one", "waits", "a-well", "b-well",
    ]  # fmt: skip


def test_one_sentence_says_it_all() -> None:
    well, short = stand("a"), stand("b", {NEWEST: None})
    assert sentence([well]) == "Every due day is there: 29 stored."
    spoilt = stand("a", damaged=NEWEST)
    beyond = stand("a", damaged=date(2026, 6, 30))
    told = "Every due day was stored, not all are whole: 29 stored."
    act = " Damaged or lost archives: reportsync repair."
    assert sentence([spoilt]) == told + act
    assert sentence([beyond]) == "Every due day is there: 29 stored." + act
    assert sentence([spoilt, short]) == (
        "1 of 58 due days is missing, in b. Damaged or lost archives in a: reportsync repair."
    )
    assert sentence([well, short]) == "1 of 58 due days is missing, in b."
    assert sentence([short]) == "1 of 29 due days is missing."
    assert sentence([short, short]) == "2 of 58 due days are missing, in 2 of 2 apps."
    waived = stand("c", {NEWEST: None}, waived=NEWEST)
    assert sentence([waived]) == "Every due day is there: 28 stored, 1 day waived."
    before = datetime(2026, 6, 30, tzinfo=UTC)
    assert sentence([stand(now=before)]) == "Nothing is due yet."

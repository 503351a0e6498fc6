"""Which incidents begin, last and end, as a decision on values."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from incident_cases import NEWEST, NOW, app, covered, day, keys, look, missing, told

from reportsync.incidents import (
    Incident,
    Phase,
    Said,
    Seen,
    Span,
    bundle,
    is_to_tell,
    notice,
    reports_of,
    spans,
)
from reportsync.model import Archive, Outcome, Report, Waiver

FAILED, WAITING, REJECTED = Outcome.FAILED, Outcome.WAITING, Outcome.REJECTED


def test_nothing_is_an_incident_while_all_is_there() -> None:
    found = look(covered(app()))
    assert (found.opened, found.closed) == ((), ())


def test_fault_10_a_report_still_missing_alert_after_its_due_instant_is_an_incident() -> None:
    shop = app()
    due = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
    before, at = due + timedelta(hours=12, seconds=-1), due + timedelta(hours=12)
    waiting = missing([22], WAITING)
    assert look(covered(shop, waiting, before), now=before).opened == ()
    (late,) = look(covered(shop, waiting, at), now=at).opened
    assert (late.key, late.held) == ("late:shop:2026-11-22", (Span("shop", NEWEST, NEWEST),))


def test_row_d_one_absent_day_between_stored_ones_is_a_hole_of_its_own() -> None:
    (hole,) = look(covered(app(), missing([10], WAITING))).opened
    assert hole.key == "late:shop:2026-11-10"
    assert notice(hole, Phase.OPENED).title == "shop: 2026-11-10 is missing"


def test_days_in_a_row_are_one_incident() -> None:
    (late,) = look(covered(app(), missing([10, 11, 12], WAITING))).opened
    assert (late.key, late.days) == ("late:shop", 3)


def test_many_holes_are_one_incident_and_few_are_each_their_own() -> None:
    assert len(look(covered(app(), missing([3, 6, 9], WAITING))).opened) == 3
    assert keys(look(covered(app(), missing([3, 6, 9, 12], WAITING))).opened) == ["late:shop"]
    both = look(covered(app(), missing([3, 6, 9, 10], WAITING))).opened
    assert [(one.key, one.days) for one in both] == [
        ("late:shop", 2),
        ("late:shop:2026-11-03", 1),
        ("late:shop:2026-11-06", 1),
    ]


def test_a_hole_that_grows_is_not_told_twice_over() -> None:
    shop = app()
    hole = told(look(covered(shop, missing([21], WAITING))).opened)
    found = look(covered(shop, missing([21, 22], WAITING)), open_now=hole)
    assert keys(found.opened) == ["late:shop"]
    assert keys(found.covered) == ["late:shop:2026-11-21"]


def test_a_gap_that_shrinks_to_one_day_stays_the_same_incident() -> None:
    shop = app()
    gap = told(look(covered(shop, missing([10, 11, 12], WAITING))).opened)
    found = look(covered(shop, missing([11], WAITING)), open_now=gap)
    assert (found.opened, keys(found.lasting), found.closed) == ((), ["late:shop"], ())


def test_row_39_the_end_says_what_was_filled_in() -> None:
    shop = app()
    gap = told(look(covered(shop, missing([10, 11, 12], WAITING))).opened)
    (over,) = look(covered(shop), open_now=gap).closed
    assert over.outcome == "shop 2026-11-10 to 2026-11-12 (3 days) are there."
    assert notice(over, Phase.CLOSED).title == "over: shop: 3 days are missing"


def test_waived_days_end_the_incident() -> None:
    shop = app()
    hole = told(look(covered(shop, missing([10], WAITING))).opened)
    waiver = Waiver("shop", day(10), day(10), "never made", "a person", NOW)
    (over,) = look(covered(shop, missing([10], WAITING), waivers=[waiver]), open_now=hole).closed
    assert over.outcome == "shop 2026-11-10 was waived."


def test_a_refused_key_is_told_at_once_and_explains_the_late_days() -> None:
    seen = Seen(refused={"shop": Said("the key was refused", "compare the keys")})
    rows = missing([20, 21], None) + missing([22], REJECTED)
    (key,) = look(covered(app(), rows), seen=seen).opened
    assert (key.key, key.days, key.reason) == ("key:shop", 3, "the key was refused")
    assert "compare the keys; reportsync check --app shop" in notice(key, Phase.OPENED).body


def test_a_refused_key_lasts_until_the_app_gets_another_answer() -> None:
    shop, seen = app(), Seen(refused={"shop": Said("the key was refused")})
    key = told(look(covered(shop, missing([22], REJECTED)), seen=seen).opened)
    for outcome in (REJECTED, FAILED):
        quiet = look(covered(shop, missing([22], outcome)), open_now=key)
        assert (keys(quiet.lasting), quiet.closed) == (["key:shop"], ())
    good = Seen(answered=frozenset({"shop"}))
    early = NOW - timedelta(hours=8)
    (over,) = look(
        covered(shop, missing([22], WAITING), early), open_now=key, seen=good, now=early
    ).closed
    assert over.outcome == "shop 2026-11-22 is missing still."


def test_row_d_forty_apps_failing_on_one_host_are_one_incident_naming_the_host() -> None:
    apps = [app(f"shop-{n:02}") for n in range(40)]
    rows = missing([21, 22], FAILED, "api-01.moengage.com answered 503")
    found = look(
        *(covered(one, rows) for one in apps), covered(app("other", "api-02.moengage.com"))
    )
    (host,) = found.opened
    assert host.key == "host:api-01.moengage.com"
    assert host.reason == "api-01.moengage.com answered 503"
    text = notice(host, Phase.OPENED)
    assert text.title == "api-01.moengage.com: the reports of 40 apps fail"
    assert "and 30 more" in text.body


def test_one_app_failing_among_many_is_not_the_host() -> None:
    apps = [app(f"shop-{n:02}") for n in range(40)]
    rows = missing([21, 22], FAILED)
    found = look(covered(apps[0], rows), *(covered(one) for one in apps[1:]))
    assert keys(found.opened) == ["late:shop-00"]


def test_apps_of_a_host_count_from_their_first_day_on() -> None:
    apps = [app(name, since=NEWEST) for name in ("a", "b")]
    found = look(*(covered(one, missing([22], FAILED)) for one in apps))
    assert keys(found.opened) == ["host:api-01.moengage.com"]


def test_half_of_a_host_begins_its_incident_and_fewer_keep_it() -> None:
    fine, down = [covered(app(name)) for name in "cdef"], missing([22], FAILED)
    failing = [covered(app(name), down) for name in "ab"]
    half = look(*failing, *fine[:2])
    assert keys(half.opened) == ["host:api-01.moengage.com"]
    assert "host:api-01.moengage.com" not in keys(look(*failing, *fine[:3]).opened)
    fewer = look(*failing, *fine, open_now=told(half.opened))
    assert keys(fewer.lasting) == ["host:api-01.moengage.com"]


def test_a_newest_day_that_was_not_asked_for_yet_hides_no_failing_host() -> None:
    rows = [*missing([21], FAILED), *missing([22], None)]
    found = look(*(covered(app(name), rows) for name in "ab"))
    assert keys(found.opened) == ["host:api-01.moengage.com"]


def test_an_app_of_which_one_day_failed_is_not_refused_every_day() -> None:
    rows = [*missing([19], FAILED), *missing([20, 21, 22], WAITING)]
    assert keys(look(covered(app(since=day(19)), rows)).opened) == ["late:shop"]


def test_old_days_that_fail_are_not_the_host_while_new_ones_arrive() -> None:
    found = look(covered(app("a"), missing([5], FAILED)), covered(app("b"), missing([5], FAILED)))
    assert keys(found.opened) == ["late:a:2026-11-05", "late:b:2026-11-05"]


def test_a_host_is_over_when_its_apps_are_answered_and_what_is_left_is_told_then() -> None:
    a, b = app("a"), app("b")
    host = told(look(covered(a, missing([22], FAILED)), covered(b, missing([22], FAILED))).opened)
    found = look(covered(a), covered(b, missing([22], WAITING)), open_now=host)
    assert keys(found.closed) == ["host:api-01.moengage.com"]
    assert found.closed[0].outcome == "a 2026-11-22 is there; b 2026-11-22 is missing still."
    assert keys(found.opened) == ["late:b:2026-11-22"]


def test_fault_13_a_410_is_told_at_once_as_the_apps_own_incident() -> None:
    early = NOW - timedelta(hours=15)
    seen = Seen(barred={"shop": Said("answered 410", "ask the vendor")})
    (gone,) = look(covered(app(), missing([22], FAILED), early), seen=seen, now=early).opened
    assert (gone.key, gone.reason, gone.hint) == ("app:shop", "answered 410", "ask the vendor")
    assert notice(gone, Phase.OPENED).kind == "rejected"
    later = look(covered(app(), missing([22], FAILED)), open_now=told([gone]))
    assert (keys(later.lasting), later.opened) == (["app:shop"], ())
    assert later.lasting[0].hint == "ask the vendor"


def test_fault_13_an_app_that_never_got_a_report_is_one_incident_about_its_settings() -> None:
    shop = app(since=day(15))
    (refused,) = look(covered(shop, missing(range(15, 23), WAITING))).opened
    assert refused.key == "app:shop"
    assert "REST API" in notice(refused, Phase.OPENED).body
    for first, key in ((20, "app:shop"), (21, "late:shop")):
        rows = missing(range(first, 23), WAITING)
        assert keys(look(covered(app(since=day(first)), rows)).opened) == [key]


def test_fault_13_an_app_that_used_to_work_and_is_refused_every_day_says_where_to_look() -> None:
    (late,) = look(covered(app(), missing([20, 21, 22], WAITING))).opened
    assert late.key == "late:shop"
    assert "REST API" in notice(late, Phase.OPENED).body
    (gap,) = look(covered(app(), missing([10, 11, 12], WAITING))).opened
    assert "REST API" not in notice(gap, Phase.OPENED).body


def test_an_unacceptable_archive_is_told_at_once_and_once() -> None:
    early = NOW - timedelta(hours=15)
    seen = Seen(archives={Report("shop", day(10)): Said("a member is encrypted")})
    rows = missing([10], FAILED)
    (refused,) = look(covered(app(), rows, early), seen=seen, now=early).opened
    assert (refused.key, refused.days) == ("archive:shop", 1)
    later = look(covered(app(), rows), open_now=told([refused]))
    assert (later.opened, keys(later.lasting)) == ((), ["archive:shop"])


def test_damage_is_one_incident_per_app_and_not_told_a_second_time_as_late() -> None:
    seen = Seen(damaged=frozenset(Archive(Report("shop", day(n)), 1, 9, "", 1) for n in (3, 9)))
    (damage,) = look(covered(app(), missing([3], None)), seen=seen).opened
    assert (damage.key, damage.days) == ("damage:shop", 2)
    assert "reportsync repair --app shop" in notice(damage, Phase.OPENED).body


def test_damage_lasts_while_what_was_reopened_is_missing_and_expected() -> None:
    seen = Seen(damaged=frozenset({Archive(Report("shop", day(3)), 1, 9, "", 1)}))
    open_now = told(look(covered(app()), seen=seen).opened)
    reopened = covered(app(), missing([3], None))
    assert keys(look(reopened, open_now=open_now).lasting) == ["damage:shop"]
    for ended in (covered(app()), covered(app(since=day(4)), missing([3], None))):
        found = look(ended, open_now=open_now)
        assert (found.lasting, found.opened) == ((), ())
        assert keys((*found.closed, *found.dropped)) == ["damage:shop"]


def test_storage_lasts_until_a_pass_found_it_fine() -> None:
    shop = covered(app())
    (storage,) = look(shop, seen=Seen(storage=Said("no space left", "make room"))).opened
    assert keys(look(shop, open_now=told([storage])).lasting) == ["storage"]
    fine = look(shop, open_now=told([storage]), seen=Seen(storage_fine=True))
    assert fine.closed[0].outcome == "Disk and ledger can be used again."


def test_an_app_that_left_the_config_ends_quietly() -> None:
    a, b = app("a"), app("b")
    open_now = told(look(covered(a, missing([10], WAITING)), covered(b)).opened)
    found = look(covered(b), open_now=open_now)
    assert (found.closed, keys(found.dropped)) == ((), ["late:a:2026-11-10"])


def test_fault_37_an_app_that_left_the_config_takes_its_refused_key_along() -> None:
    key = Incident("key:gone", NOW, (), "the key was refused", told=NOW)
    found = look(covered(app("b")), open_now=[key])
    assert (found.closed, keys(found.dropped)) == ((), ["key:gone"])


@pytest.mark.parametrize(
    "back", [timedelta(hours=1), timedelta(hours=20), timedelta(days=20 * 365)]
)
def test_fault_33_a_clock_set_back_ends_no_incident_aloud_and_reminds_of_none(
    back: timedelta,
) -> None:
    shop = app()
    open_now = told(look(covered(shop, missing([21, 22], WAITING))).opened)
    now = NOW - back
    found = look(covered(shop, missing([21, 22], WAITING), now), open_now=open_now, now=now)
    assert (found.opened, found.closed) == ((), ())
    assert [one for one in found.lasting if is_to_tell(one, now)] == []


def test_fault_33_a_clock_far_ahead_makes_one_incident_per_app_and_none_when_it_is_right_again() -> (
    None
):
    shop, future = app(), NOW + timedelta(days=3650)
    (late,) = look(covered(shop, [], future), now=future).opened
    assert late.key == "late:shop"
    again = look(covered(shop), open_now=told([late], future))
    assert (again.opened, again.lasting, again.closed) == ((), (), ())
    assert keys(again.dropped) == ["late:shop"]


def test_days_of_a_future_that_never_came_are_forgotten_by_an_incident_that_lasts() -> None:
    shop, future = app(), NOW + timedelta(days=3650)
    rows = missing([10, 11], WAITING)
    (late,) = look(covered(shop, rows, future), now=future).opened
    (goes_on,) = look(covered(shop, rows), open_now=told([late], future)).lasting
    # The next two days stay: they are also what a clock set back a little hides.
    assert {report.day for report in reports_of(goes_on.held)} == {day(n) for n in (10, 11, 23, 24)}
    assert goes_on.told == NOW


def test_row_39_a_reminder_comes_daily_and_not_before() -> None:
    (hole,) = told(look(covered(app(), missing([10], WAITING))).opened)
    assert not is_to_tell(hole, NOW + timedelta(hours=23, minutes=59))
    assert is_to_tell(hole, NOW + timedelta(days=1))
    assert not is_to_tell(hole, NOW - timedelta(days=1))


def test_what_was_just_handed_over_is_not_told_by_others_and_is_after_two_minutes() -> None:
    untold = Incident("late:shop:2026-11-10", NOW, (), "no", handed=NOW)
    assert not is_to_tell(untold, NOW + timedelta(seconds=119))
    assert is_to_tell(untold, NOW + timedelta(seconds=120))
    assert is_to_tell(replace(untold, handed=None), NOW)


def test_many_notices_at_once_are_one() -> None:
    apps = [app(f"shop-{n:02}", f"host-{n}.test") for n in range(60)]
    opened = look(*(covered(one, missing([10], WAITING)) for one in apps)).opened
    notices = [notice(replace(one, number=n), Phase.OPENED) for n, one in enumerate(opened)]
    (one,) = bundle(notices)
    assert one.title == "60 incidents opened"
    assert one.numbers == tuple(range(60))
    assert "shop-00: 2026-11-10 is missing" in one.body
    assert "and 20 more" in one.body
    assert bundle(notices[:5]) == notices[:5]


def test_fault_43_vendor_text_is_cleaned_and_cut_in_a_notice() -> None:
    evil = "\x1b[31m<script>\nSignature=0123456789abcdef0123 \u202e" + "x" * 100_000
    one = Incident("late:shop:2026-11-10", NOW, (Span("shop", day(10), day(10)),), evil)
    body = notice(one, Phase.OPENED).body
    assert len(body) < 1000
    assert "0123456789abcdef" not in body
    assert not {"\x1b", "\u202e"} & set(body)
    assert len(body.splitlines()) == 4


def test_spans_and_reports_are_two_ways_to_say_the_same() -> None:
    reports = {Report("b", day(1)), Report("a", day(3)), Report("a", day(4)), Report("a", day(6))}
    assert spans(reports) == (
        Span("a", day(3), day(4)),
        Span("a", day(6), day(6)),
        Span("b", day(1), day(1)),
    )
    assert reports_of(spans(reports)) == reports
    assert (
        str(Span("a", date(2026, 1, 1), date(2026, 1, 3))) == "a 2026-01-01 to 2026-01-03 (3 days)"
    )

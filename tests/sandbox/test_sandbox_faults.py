"""Faults as text and as values, and whose turn each is."""

from __future__ import annotations

import threading
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sandbox_client import APP, DAY, NOW, OTHER, ask, status, target

from reportsync.errors import UsageProblem
from reportsync.sandbox import FAULT_HELP, KINDS, Fault, Sandbox, parse_faults
from reportsync.sandbox.book import Asked, FaultBook
from reportsync.sandbox.kinds import MATCH_OPTIONS, OPTIONS

SPEC = "429:retry_after=5,times=2;cut:day=2026-11-01;reset:share=0.1;drip:app=shop-de,every=0.3"


def days_of_november(count: int = 20) -> list[date]:
    return [date(2026, 11, day) for day in range(1, count + 1)]


def test_a_spec_is_read_as_its_faults() -> None:
    assert parse_faults(SPEC) == (
        Fault("429", retry_after="5", times=2),
        Fault("cut", day=date(2026, 11, 1)),
        Fault("reset", share=0.1),
        Fault("drip", app="shop-de", every=0.3),
    )


def test_blanks_line_ends_and_empty_parts_do_not_matter() -> None:
    assert parse_faults(" ;\n cut : day = 20261101..2026-11-03 ,\n times=2 ;; ") == (
        Fault("cut", day=(date(2026, 11, 1), date(2026, 11, 3)), times=2),
    )
    assert parse_faults("") == ()


def test_each_option_is_read_with_its_example_and_each_kind_is_in_the_help() -> None:
    for name, kind in KINDS.items():
        for option in (*MATCH_OPTIONS, *kind.options):
            (fault,) = parse_faults(f"{name}:{option}={OPTIONS[option].example}")
            assert fault != Fault(name)
        assert f"\n  {name} " in FAULT_HELP
    assert all(f"\n  {name}=" in FAULT_HELP for name in OPTIONS)
    assert max(map(len, FAULT_HELP.splitlines())) <= 90


values = st.fixed_dictionaries(
    {"kind": st.sampled_from(sorted(KINDS))},
    optional={
        "day": st.dates() | st.tuples(st.dates(), st.dates()).map(lambda d: (min(d), max(d))),
        "times": st.integers(0, 999),
        "after": st.integers(0, 999),
        "share": st.floats(0, 1),
        "per": st.sampled_from(["all", "app", "report"]),
        "seed": st.integers(0, 999),
        "app": st.text("abcXYZ019_-", min_size=1),
    },
)


@given(st.lists(values, max_size=4))
def test_the_text_of_faults_is_read_as_the_same_faults(made: list[dict[str, object]]) -> None:
    faults = tuple(Fault(**options) for options in made)  # type: ignore[arg-type]
    assert parse_faults(";".join(map(str, faults))) == faults


def test_options_of_single_kinds_are_written_and_read_again() -> None:
    spec = (
        "429:retry_after=date,ratelimit=30;redirect:to=http://a/b?c=d;late:by=5400s;drip:every=0.3"
    )
    assert ";".join(map(str, parse_faults(spec))) == spec


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        ("dripp", "unknown fault: 'dripp'", "did you mean drip?"),
        ("xyzzy", "unknown fault: 'xyzzy'", "it can be one of: late, "),
        ("cut:dya=20261101", "unknown option of cut: 'dya'", "did you mean day?"),
        ("cut:every=1", "unknown option of cut: 'every'", ""),
        ("cut:day=2026-11-31", "cannot read day=2026-11-31", "reportsync sandbox --help"),
        ("cut:day=2026-W01-1", "cannot read day=2026-W01-1", "reportsync sandbox --help"),
        ("cut:day=2026-11-03..2026-11-01", "first day is after the last", "reportsync"),
        ("cut:times=-1", "cannot read times=-1", "reportsync"),
        ("cut:times=٣", "cannot read times=", "reportsync"),
        ("cut:share=2", "share is a fraction", "reportsync"),
        ("cut:share=nan", "cannot read share=nan", "reportsync"),
        ("cut:per=day", "per is all, app or report", "reportsync"),
        ("cut:times", "times wants one value, as in times=2", "reportsync"),
        ("cut:times=", "times wants one value", "reportsync"),
        ("cut:times=1,times=2", "times wants one value", "reportsync"),
        ("drip:every=9999", "every is in seconds, from 0 to 3600", "reportsync"),
        ("late:by=soon", "cannot read by=soon", "reportsync"),
        ("changed:revision=0", "revision from 1", "reportsync"),
    ],
)
def test_a_wrong_spec_is_a_usage_problem_with_a_remedy(spec: str, message: str, hint: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        parse_faults(spec)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_fault_made_in_python_is_checked_as_well() -> None:
    with pytest.raises(UsageProblem, match="unknown fault"):
        Fault("nothing")
    for app in ("a;b", "", " a", "a\n"):
        with pytest.raises(UsageProblem, match="printable text without"):
            Fault("cut", app=app)


def test_a_fault_is_for_its_app_by_name_or_id_and_for_its_days(sandbox: Sandbox) -> None:
    for app in ("shop-de", "APPONE"):
        sandbox.faults.replace(Fault("500", app=app))
        assert [status(sandbox, APP), status(sandbox, OTHER)] == [500, 200]
    sandbox.faults.replace(Fault("500", day=(date(2026, 11, 2), date(2026, 11, 3))))
    got = [status(sandbox, APP, day) for day in days_of_november(4)]
    assert got == [200, 500, 500, 200]


def test_times_and_after_count_requests(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("500", after=1, times=2))
    assert [status(sandbox) for _ in range(5)] == [200, 500, 500, 200, 200]


@pytest.mark.parametrize(
    ("per", "expected"),
    [
        ("all", [500, 200, 200, 200, 200, 200, 200, 200]),
        ("app", [500, 200, 200, 200, 500, 200, 200, 200]),
        ("report", [500, 200, 500, 200, 500, 200, 500, 200]),
    ],
)
def test_counts_can_be_per_app_or_per_report(
    sandbox: Sandbox, per: str, expected: list[int]
) -> None:
    sandbox.faults.add(Fault("500", times=1, per=per))
    day = date(2026, 11, 1)
    asked = [(app, d) for app in (APP, OTHER) for d in (day, DAY) for _ in range(2)]
    assert [status(sandbox, app, d) for app, d in asked] == expected


def test_the_first_fault_that_matches_is_served(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("502", times=1), Fault("503", day=DAY, times=1), Fault("500"))
    assert [status(sandbox) for _ in range(3)] == [502, 503, 500]


def pattern(book: FaultBook) -> list[bool]:
    """Return which of the requests for 300 reports, three each, get a fault."""
    start = date(2026, 1, 1)
    asked = [Asked("A", None, start + timedelta(days=n), timedelta(0)) for n in range(300)]
    return [book.choose(one) is not None for one in asked for _ in range(3)]


def test_a_share_picks_the_same_requests_each_time_and_about_that_many() -> None:
    first = pattern(FaultBook([Fault("cut", share=0.2)]))
    assert first == pattern(FaultBook([Fault("cut", share=0.2)]))
    assert first != pattern(FaultBook([Fault("cut", share=0.2, seed=1)]))
    assert 130 < sum(first) < 230
    assert any(a and not b for a, b in zip(first[::3], first[1::3], strict=True))
    assert not any(pattern(FaultBook([Fault("cut", share=0)])))


def test_a_share_does_not_depend_on_the_order_of_the_reports() -> None:
    days = days_of_november()
    asked = [Asked("A", None, day, timedelta(0)) for day in days]
    forward, backward = (FaultBook([Fault("cut", share=0.5)]) for _ in range(2))
    there = {one.day for one in asked if forward.choose(one)}
    back = {one.day for one in reversed(asked) if backward.choose(one)}
    assert there == back
    assert 0 < len(there) < len(days)


def test_faults_of_the_body_wait_for_a_report_that_is_there(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("bad-crc", times=1))
    assert status(sandbox, day=date(2026, 11, 23)) == 404
    assert ask(sandbox, target(key="wrong"))[0].status == 401
    ask(sandbox)
    assert [request.fault for request in sandbox.requests] == [None, None, "bad-crc"]


def test_a_late_report_comes_later() -> None:
    now = [NOW.replace(day=21, hour=7, minute=59)]
    fault = parse_faults("late:by=6h,day=2026-11-20")
    with Sandbox([APP], faults=fault, clock=lambda: now[0]) as sandbox:
        assert [status(sandbox), status(sandbox, day=date(2026, 11, 19))] == [404, 200]
        now[0] = NOW.replace(day=21, hour=8)
        assert status(sandbox) == 200


def test_faults_are_added_removed_replaced_and_cleared_while_it_runs(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("500", times=1), Fault("502"))
    assert (len(sandbox.faults), status(sandbox), status(sandbox)) == (2, 500, 502)
    sandbox.faults.remove(Fault("502"), Fault("504"))
    assert (list(sandbox.faults), status(sandbox)) == ([Fault("500", times=1)], 200)
    sandbox.faults.replace(Fault("500", times=1))
    assert status(sandbox) == 500
    sandbox.faults.add(Fault("403"))
    sandbox.faults.clear()
    assert status(sandbox) == 200


def test_counts_hold_under_many_threads() -> None:
    book = FaultBook([Fault("cut", times=100)])
    served: list[Fault] = []

    def ask_often() -> None:
        for day in days_of_november():
            fault = book.choose(Asked("A", None, day, timedelta(0)))
            if fault:
                served.append(fault)

    threads = [threading.Thread(target=ask_often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(served) == 100

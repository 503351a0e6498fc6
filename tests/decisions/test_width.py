"""The width: soon as great as allowed at a host that takes it, half where one strains, learnt anew."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_host import Crowd, Host, failing, queueing, quick, refusing, sharing

from reportsync.errors import (
    AppRefused,
    ArchiveRefused,
    AttemptFailed,
    KeyRefused,
    NotThereYet,
    OwnFault,
    TransientFault,
)
from reportsync.width import Exchange, Sign, Width, first_width, sign_of


def crowd(host: Host, most: int, reports: int = 1000, rate: float = 0.0) -> Crowd:
    first = first_width(most, limited=rate > 0)
    return Crowd(Width(most, first), host, reports, rate).work()


def well(width: Width, wait: float = 0.05, at: float = 0.0, under_way: int = 1) -> None:
    width.end(Exchange(width.begin(under_way), at, Sign.WELL, wait, 4096))


def settled(found: Crowd) -> list[int]:
    """Return the widths but for the first fifth of the time."""
    return found.widths[len(found.widths) // 5 :]


@pytest.mark.parametrize(
    ("error", "sign"),
    [
        (TransientFault("429", status=429), Sign.LIMIT),
        (TransientFault("503", status=503, retry_after=timedelta(seconds=9)), Sign.LIMIT),
        (TransientFault("503", status=503), Sign.STRAIN),
        (TransientFault("500", status=500), Sign.STRAIN),
        (TransientFault("408", status=408), Sign.STRAIN),
        (TransientFault("refused, reset, or out of time"), Sign.STRAIN),
        (TransientFault("a web page", status=200), Sign.NOTHING),
        (NotThereYet("404", status=404), Sign.WELL),
        (KeyRefused("401", status=401), Sign.NOTHING),
        (OwnFault("no descriptor left"), Sign.NOTHING),
        (AppRefused("410", status=410), Sign.NOTHING),
        (ArchiveRefused("a bomb"), Sign.NOTHING),
    ],
)
def test_what_an_error_says_about_its_host(error: AttemptFailed, sign: Sign) -> None:
    assert sign_of(error) is sign


@pytest.mark.parametrize("most", [1, 2, 3, 8, 32, 256])
@pytest.mark.parametrize("seconds", [0.0005, 0.05, 2.0])
def test_a_host_that_takes_it_is_soon_asked_for_all_that_is_allowed(
    most: int, seconds: float
) -> None:
    found = crowd(quick(seconds), most, reports=4 * most)
    assert found.widths.index(most) < 2 * most
    assert set(found.widths[found.widths.index(most) :]) == {most}


@pytest.mark.parametrize(("most", "limit"), [(8, 0.02), (32, 0.05)])
def test_growing_costs_next_to_nothing_on_a_long_line(most: int, limit: float) -> None:
    learning = crowd(quick(0.05), most, reports=2000)
    knowing = Crowd(Width(most, most), quick(0.05), 2000).work()
    assert learning.now / knowing.now < 1 + limit


@pytest.mark.parametrize("most", [8, 32])
@pytest.mark.parametrize("above", [2, 4, 6])
def test_a_host_that_refuses_too_many_at_once_is_asked_for_about_what_it_takes(
    most: int, above: int
) -> None:
    found = crowd(refusing(above, 0.05), most)
    assert 1 <= min(settled(found)) <= above <= max(settled(found)) <= above + 3
    assert found.refused < 0.1
    mean = sum(settled(found)) / len(settled(found))
    assert 0.7 * above <= mean <= above + 1


def test_all_that_is_under_way_halves_it_once() -> None:
    width = Width(32, 16)
    marks = [width.begin(n) for n in range(1, 17)]
    for mark in marks:
        width.end(Exchange(mark, 1.0, Sign.STRAIN))
    assert width.now == 8
    # And what begins while more are under way than may be belongs to them.
    width.end(Exchange(width.begin(9), 2.0, Sign.LIMIT))
    assert width.now == 8
    width.end(Exchange(width.begin(8), 2.0, Sign.LIMIT))
    assert width.now == 4


def test_after_a_strain_it_grows_by_one_for_as_many_answers_as_it_is() -> None:
    width = Width(32, 16)
    width.end(Exchange(width.begin(1), 0.0, Sign.STRAIN))
    assert width.now == 8
    for _ in range(7):
        well(width)
    assert width.now == 8
    well(width)
    assert width.now == 9


def test_a_host_that_queues_what_it_gets_is_not_asked_for_ever_more() -> None:
    found = crowd(queueing(4, lambda now: 0.2), 32)
    assert max(settled(found)) <= 16
    assert found.now < 1.05 * 1000 * 0.2 / 4, "its capacity is used"


@pytest.mark.parametrize("until", [9.0, 1e9])
def test_a_host_that_becomes_slow_is_asked_for_less_and_for_more_again_in_the_end(
    until: float,
) -> None:
    found = crowd(queueing(99, lambda now: 0.8 if 3 < now < until else 0.1), 16, reports=1500)
    after = found.widths[300:]
    assert min(after) <= 4
    assert max(after[after.index(min(after)) :]) == 16


def test_a_line_that_is_full_is_not_shared_by_more() -> None:
    found = crowd(sharing(line=10e6, size=20_000_000), 32, reports=300)
    assert max(settled(found)) <= 20


def test_answers_that_fail_by_chance_do_not_bring_it_to_a_stop() -> None:
    found = crowd(failing(0.01, 0.1, Random(1)), 8)
    assert sum(settled(found)) / len(settled(found)) > 5


@pytest.mark.parametrize(("seconds", "widest"), [(0.1, 3), (0.6, 4), (3.0, 10)])
def test_where_the_rate_is_the_limit_few_wait_for_their_turn(seconds: float, widest: int) -> None:
    found = crowd(quick(seconds), 32, reports=200, rate=2.0)
    assert max(found.widths) <= widest
    assert found.now < 1.1 * (200 / 2.0 + seconds)


@given(
    st.integers(1, 40),
    st.lists(
        st.tuples(st.sampled_from(Sign), st.floats(0, 100), st.integers(1, 50), st.booleans()),
        max_size=200,
    ),
)
def test_it_stays_within_one_and_what_is_allowed(
    most: int, ends: list[tuple[Sign, float, int, bool]]
) -> None:
    width = Width(most, first_width(most, limited=False))
    for at, (sign, seconds, under_way, held_back) in enumerate(ends):
        mark = width.begin(under_way)
        wait = seconds if sign is Sign.WELL else None
        width.end(Exchange(mark, float(at), sign, wait, 4096, held_back))
        assert 1 <= width.now <= most

"""The time left: silent before it is known, of the recent pace, within the rate, longer while it stalls."""

from __future__ import annotations

import pytest

from reportsync.cli.remaining import LATELY, Remaining, duration_words


def fed(planned: int, seconds: list[float], rate: float = 0.0, asked: bool = True) -> Remaining:
    """Return the estimate of a pass whose reports ended at these instants."""
    remaining = Remaining()
    remaining.begun(planned, rate)
    for at in seconds:
        remaining.ended(at, asked=asked)
    return remaining


def every(seconds: float, count: int, since: float = 0.0) -> list[float]:
    return [since + seconds * n for n in range(count)]


def test_nothing_is_said_before_it_is_known() -> None:
    assert Remaining().seconds(100.0) is None
    assert fed(1000, every(10.0, 5)).seconds(50.0) is None, "too few"
    assert fed(1000, every(0.01, 50)).seconds(0.5) is None, "too soon"
    assert fed(1000, every(0.5, 20)).seconds(9.5) is not None


def test_a_steady_pace_is_foretold_and_counts_down() -> None:
    for done in (40, 200, 900):
        at = (done - 1) * 0.5
        assert fed(1000, every(0.5, done)).seconds(at) == pytest.approx((1000 - done) * 0.5)


def test_the_pace_is_that_of_late() -> None:
    slow = every(5.0, 100)
    quick = every(0.1, LATELY, since=slow[-1] + 0.1)
    assert fed(1000, slow + quick).seconds(quick[-1]) == pytest.approx(840 * 0.1)


def test_while_nothing_ends_it_grows() -> None:
    remaining = fed(100, every(0.5, 50))
    told = [remaining.seconds(24.5 + stalled) for stalled in (0, 10, 60, 600)]
    assert told == sorted(told)
    assert told[-1] > 10 * told[0]


def test_what_was_there_already_does_not_make_the_rate_look_faster_than_it_is() -> None:
    remaining = fed(2000, every(0.01, 400), rate=2.0, asked=False)
    known = remaining.seconds(4.0)
    assert known is not None
    assert known < 60, "if all is there, no request is made"
    for at in every(0.05, LATELY // 2, since=4.0):
        remaining.ended(at, asked=True)
    known = remaining.seconds(5.5)
    assert known is not None
    assert known >= (2000 - 400 - LATELY // 2) / 2 / 2.0


def test_the_rate_is_respected_from_the_first_word_on() -> None:
    remaining = fed(100, every(0.0, 10), rate=2.0)
    known = remaining.seconds(3.0)
    assert known is not None
    assert known >= 90 / 2.0


def test_days_that_become_due_meanwhile_are_counted_and_the_end_is_silent() -> None:
    remaining = fed(20, every(0.5, 20))
    assert remaining.seconds(10.0) is None
    remaining.begun(30, 0.0)
    assert remaining.seconds(10.0) == pytest.approx(10 * 10.0 / 19)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "5 s"), (42, "40 s"), (88, "90 s"), (95, "2 min"), (3000, "50 min"),
        (5400, "1 h 30 min"), (7300, "2 h 00 min"), (90000, "25 h 00 min"),
    ],
)  # fmt: skip
def test_it_is_said_no_more_exactly_than_it_is_known(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words

"""The calls by which a report is kept: each killed at, each fsync failing, the ledger in its own folder.

The narrowest of the crash tests, and the one that the mutants of these calls are put to; the points are
among those of the other files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from crash_points import Point, errors, judge, kills
from scenes import Theatre

Perform = Callable[[str], Theatre]

pytestmark = [pytest.mark.slow, pytest.mark.tool("strace")]
NONE_OF_SQLITE_S = 10**6
"""Of SQLite's calls each so-manieth is taken."""


def violations(theatre: Theatre, points: Iterable[Point], least: int) -> list[str]:
    """Return what is wrong at those of `points`, `least` of them at least, that the download comes to."""
    verdicts = [judge(theatre, point) for point in points if point.thread == "collect-0"]
    assert len(verdicts) >= least
    return [str(one) for one in verdicts if one.wrong]


def test_fault_25_a_download_killed_at_any_call_of_ours_ends_like_an_undisturbed_one(
    perform: Perform,
) -> None:
    theatre = perform("apart")
    assert violations(theatre, kills(theatre, 10), 12) == []


def test_fault_21_a_download_with_any_error_at_an_fsync_loses_nothing(perform: Perform) -> None:
    theatre = perform("apart")
    points = errors(theatre, NONE_OF_SQLITE_S, each=True)
    assert violations(theatre, (one for one in points if one.call == "fsync"), 8) == []

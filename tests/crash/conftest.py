"""Fixtures of the crash tests: set a scene, disturb it at many points, print what came of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from crash_points import KILL, Point, judge, performing, table
from scenes import Theatre


@pytest.fixture
def perform(strace: str) -> Iterator[Callable[[str], Theatre]]:
    """Return the function that sets a scene."""
    with ExitStack() as stack:
        yield lambda scene: stack.enter_context(performing(scene, strace))


@pytest.fixture
def disturb(
    figure: Callable[[str], None], request: pytest.FixtureRequest
) -> Callable[[Theatre, list[Point], int], None]:
    """Return the function that judges points; fewer than `least` mean that the suite has shrunk."""
    is_sample = request.node.get_closest_marker("slow") is None

    def all_of(theatre: Theatre, points: list[Point], least: int) -> None:
        verdicts = [judge(theatre, point) for point in points]
        wrong = [str(one) for one in verdicts if one.wrong]
        kind = "kill points" if points[0].fault == KILL else "errors injected"
        counts = f"{kind}: {len(points)}, violations: {len(wrong)}"
        if not is_sample:
            figure(f"{theatre.scene.about}; {counts}\n{table(verdicts)}")
        assert wrong == [], f"{counts}\n" + "\n".join(wrong)
        assert len(points) >= least

    return all_of

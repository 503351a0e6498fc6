"""Fixtures of the crash tests: set a scene, disturb it at many points, print what came of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from crash_points import KILL, Point, judge, performing, table
from disks import KINDS, can_mount, hide_mounts, memory_at
from lacking import lack
from power_bench import Bench, Layout, Verdict, bench_of
from scenes import SCENES, Theatre

ENOUGH = 10  # violations, whereupon a power cut's test gives up


@pytest.fixture
def perform(strace: str) -> Iterator[Callable[[str], Theatre]]:
    """Return the function that sets a scene."""
    with ExitStack() as stack:
        yield lambda scene: stack.enter_context(performing(scene, strace))


@pytest.fixture
def disturb(figure: Callable[[str], None], request: pytest.FixtureRequest) -> Callable[..., int]:
    """Return the function that judges points, or one in `share` of them, and returns how many held."""
    is_sample = request.node.get_closest_marker("slow") is None

    def all_of(theatre: Theatre, points: list[Point], share: int = 1) -> int:
        points = points[::share]
        verdicts = [judge(theatre, point) for point in points]
        wrong = [str(one) for one in verdicts if one.wrong]
        kind = "kill points" if points[0].fault == KILL else "errors injected"
        of_all = f" (one in {share} of them)" if share > 1 else ""
        counts = f"{kind}: {len(points)}{of_all}, violations: {len(wrong)}"
        if not is_sample:
            figure(f"{theatre.scene.about}; {counts}\n{table(verdicts)}")
        assert wrong == [], f"{counts}\n" + "\n".join(wrong)
        return len(points)

    return all_of


@pytest.fixture(scope="session")
def own_mounts() -> None:
    """Let this process mount disks that nobody else sees, from now on to its end."""
    if os.geteuid() != 0:
        lack("only root can mount disks")
    try:
        hide_mounts()
    except OSError as error:
        lack(f"no mounts of our own here: {error}")


@pytest.fixture(scope="module")
def bench(
    request: pytest.FixtureRequest, own_mounts: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    """Yield a bench with disks of the module's KIND."""
    kind, folder = KINDS[request.module.KIND], tmp_path_factory.mktemp("disks")
    with memory_at(folder):
        if why := can_mount(kind, folder):
            lack(f"a disk with {kind.name} cannot be mounted here: {why}")
        with bench_of(kind, folder) as bench:
            yield bench


@pytest.fixture
def cut(
    bench: Bench, figure: Callable[[str], None], request: pytest.FixtureRequest
) -> Callable[[str, Layout], int]:
    """Return the function that cuts the power at every call of a scene, and returns how many cuts held."""

    def all_of(scene: str, layout: Layout) -> int:
        verdicts: list[Verdict] = []
        wrong: list[str] = []
        for verdict in bench.judge(layout, SCENES[scene]):
            verdicts.append(verdict)
            wrong = [str(one) for one in verdicts if one.wrong]
            assert len(wrong) < ENOUGH, "\n".join(wrong)
        cuts = sum(one.cuts for one in verdicts)
        figure(
            f"{request.module.KIND}, {layout.name}, {SCENES[scene].about}; cuts: {cuts},"
            f" different disks: {len(verdicts)}, violations: {len(wrong)}"
        )
        assert wrong == []
        return cuts

    return all_of

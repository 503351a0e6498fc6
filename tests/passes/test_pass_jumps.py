"""What happens to clock, apps and names between passes: history is kept, and nothing makes a storm."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pass_world import NEWEST, NOW, Here, ago, covered, stand_in, sync
from sampling import sampled

from reportsync.ledger import queries
from reportsync.model import Report
from reportsync.sandbox import Fault, Sandbox

ONE, TWO = stand_in("one", 6), stand_in("two", 5)
JUMPS = {
    "+1 h": NOW + timedelta(hours=1),
    "-1 h": NOW - timedelta(hours=1),
    "+10 y": NOW + timedelta(days=3653),
    "1970": datetime(1970, 1, 1, tzinfo=UTC),
}


def tree(root: Path) -> dict[str, tuple[int, int, str]]:
    """Return inode, mtime and content of every archive."""
    return {
        str(path.relative_to(root)): (
            path.stat().st_ino,
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in root.glob("*/*/*.zip")
    }


@pytest.mark.parametrize("jump", sampled(JUMPS, 2))
def test_fault_33_a_pass_under_a_wrong_clock_loses_nothing_and_asks_in_no_storm(
    here: Here, jump: str
) -> None:
    app = replace(ONE, until=NEWEST + timedelta(days=2))  # so that in ten years no more are due
    faults = [Fault("404", day=ago(2))]
    with (
        Sandbox([app], faults=faults, clock=lambda: NOW) as sandbox,
        here.world(sandbox, app) as world,
    ):
        sync(world)
        before = tree(here.archive)
        here.clock.now = JUMPS[jump]
        for _ in range(3):
            sync(world)
        assert before.items() <= tree(here.archive).items()
        here.clock.now = NOW + timedelta(minutes=1)
        sync(world)
        assert sandbox.asked(app.app_id, ago(2)) <= 4
        sandbox.faults.clear()
        here.clock.now = NOW + timedelta(days=1, minutes=1)
        sync(world)
        [coverage] = covered(world).values()
    assert {row.day for row in coverage.missing} == {NEWEST + timedelta(days=1)}, "of tomorrow"
    assert coverage.stored == 6
    assert before.items() <= tree(here.archive).items()
    assert all(sandbox.asked(app.app_id, ago(number)) == 1 for number in (0, 1, 3, 4, 5))


@contextmanager
def untouched(here: Here, *apps: str) -> Iterator[None]:
    """See that the archives of `apps` are the same after the block."""
    before = {name: found for name, found in tree(here.archive).items() if name[:3] in apps}
    assert before
    yield
    assert before.items() <= tree(here.archive).items()


def test_fault_37_an_app_removed_and_added_again_keeps_its_history(here: Here) -> None:
    faults = [Fault("404", app="two", day=ago(1))]
    with Sandbox([ONE, TWO], faults=faults, clock=here.clock) as sandbox:
        with here.world(sandbox, ONE, TWO) as world:
            sync(world)
        asked = len(sandbox.requests)
        with untouched(here, "two"), here.world(sandbox, ONE) as world:
            assert sync(world)[0].exit == 0, "what is not configured is not missing"
        here.clock.forward(hours=12)
        with untouched(here, "two"), here.world(sandbox, ONE, TWO) as world:
            summary, _ = sync(world)
            attempts = world.ledger.read(queries.attempts_of, Report("two", ago(1)))
    assert (summary.stored, summary.missing) == (0, 1)
    assert len(sandbox.requests) == asked + 1, "only the missing day is asked for again"
    assert len(attempts) == 2, "the attempts made before count on"


def test_fault_37_an_app_under_a_new_name_is_fetched_anew_beside_the_old_archives(
    here: Here,
) -> None:
    renamed = replace(TWO, name="second")
    with Sandbox([ONE, TWO], clock=here.clock) as sandbox:
        with here.world(sandbox, ONE, TWO) as world:
            sync(world)
        with untouched(here, "one", "two"), here.world(sandbox, ONE, renamed) as world:
            summary, _ = sync(world)
            names = world.ledger.read(queries.apps_with_archives)
    assert (summary.exit, summary.stored) == (0, 5)
    assert names == ["one", "second", "two"]


@pytest.mark.slow
def test_fault_12_hours_of_server_errors_are_asked_about_less_and_less_and_end_by_themselves(
    here: Here,
) -> None:
    well, ill = stand_in("well", 3), stand_in("ill", 3)
    with (
        Sandbox([well, ill], faults=[Fault("503", app="ill")], clock=here.clock) as sandbox,
        here.world(sandbox, well, ill) as world,
    ):
        for _ in range(12):  # two days
            sync(world)
            here.clock.forward(hours=4)
        asked = sandbox.asked(ill.app_id, ago(0))
        assert covered(world)["well"].missing == ()
        sandbox.faults.clear()
        here.clock.forward(days=1)
        assert sync(world)[0].exit == 0
    assert 3 <= asked <= 8

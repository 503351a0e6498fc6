"""Passes through every kind of bad answer: what is seen and recorded is whole, and nothing is used up."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import wreck
from pass_world import Here, ago, backfill, covered, stand_in, sync

from reportsync.sandbox import Fault, Sandbox
from reportsync.service.world import World

KINDS = (
    "json-200", "html-200", "empty-200", "hostile-text", "redirect", "204", "304", "400", "404", "410",
    "429", "500", "206", "bad-crc", "truncated-zip", "joined", "extra-bytes", "not-zip", "encrypted",
    "bomb", "lying-bomb", "gzip-cut", "gzip-bomb", "close", "http09", "cut-headers", "long-header",
    "header-flood", "two-lengths", "cut", "cut-no-length", "over-long", "bad-chunks", "reset",
)  # fmt: skip
APP = stand_in("one", 2 * len(KINDS))


@contextmanager
def bad_world(here: Here) -> Iterator[tuple[Sandbox, World]]:
    """Open a world whose server has every other day well, and one day for each kind of fault."""
    faults = [Fault(kind, day=ago(2 * number)) for number, kind in enumerate(KINDS)]
    with (
        Sandbox([APP], faults=faults, clock=here.clock) as sandbox,
        here.world(sandbox, APP) as world,
    ):
        yield sandbox, world


def again(here: Here, world: World) -> int:
    """Ask for everything that is missing, a minute later; return the exit code."""
    here.clock.forward(minutes=1)
    return backfill(world, APP.since, ago(0))[0].exit


def look(here: Here) -> wreck.Found:
    return wreck.look(here.archive, here.folder / "ledger.db")


@pytest.fixture(scope="module")
def violations(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return what is wrong after passes through every bad answer, and after the one that follows."""
    calm, here = Here(tmp_path_factory.mktemp("calm")), Here(tmp_path_factory.mktemp("here"))
    with Sandbox([APP], clock=calm.clock) as sandbox, calm.world(sandbox, APP) as world:
        assert sync(world)[0].exit == 0
    whole = look(calm)
    right = {name: [sha256] for name, sha256 in whole.finals().items()}
    with bad_world(here) as (sandbox, world):
        for _ in range(3):  # an app that fails too often in a row is left alone for the pass
            again(here, world)
        wrecked = look(here)
        assert len(KINDS) <= len(wrecked.finals()) < len(right)
        sandbox.faults.clear()
        assert again(here, world) == 0
    end = look(here)
    evidence = [line for line in wreck.other_than(whole, end) if ".quarantine" not in line]
    return [
        *wreck.not_whole(here.archive, wrecked, right),
        *wreck.moved_back(wrecked.rows, end.rows),
        *evidence,
        *wreck.wrong_sums(here.archive),
    ]


@pytest.mark.slow
def test_invariant_1_what_is_recorded_as_stored_is_there(violations: list[str]) -> None:
    assert [line for line in violations if line.startswith("I1") or "damaged" in line] == []


@pytest.mark.slow
def test_invariant_2_what_is_visible_is_whole(violations: list[str]) -> None:
    assert [line for line in violations if line.startswith("I2")] == []


@pytest.mark.slow
def test_invariant_3_once_the_answers_are_right_the_end_is_that_of_an_undisturbed_run(
    violations: list[str],
) -> None:
    assert violations == []


def test_invariant_6_a_stored_file_stays_as_it_is_whatever_comes_after(here: Here) -> None:
    app = stand_in("one", 6)
    with Sandbox([app], clock=here.clock) as sandbox, here.world(sandbox, app) as world:
        sync(world)
        before = files(here.archive)
        sandbox.faults.replace(Fault("changed", day=ago(1)), Fault("bad-crc", day=ago(2)),
                               Fault("empty-zip", day=ago(3)), Fault("404", day=ago(4)))  # fmt: skip
        for _ in range(2):
            here.clock.forward(minutes=1)
            backfill(world, ago(5), ago(0), again=True)
    after = files(here.archive)
    assert before.items() <= after.items()
    assert {Path(name).name for name in after.keys() - before.keys()} == {
        f"{ago(number):%Y%m%d}.v2.zip" for number in (1, 3)
    }


def files(root: Path) -> dict[str, tuple[int, int, int, str]]:
    """Return inode, mode, mtime and content of every archive."""
    found = {}
    for path in root.glob("*/*/*.zip"):
        status = path.stat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path)] = (status.st_ino, status.st_mode, status.st_mtime_ns, digest)
    return found


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.slow
def test_invariant_8_bad_answers_leave_no_descriptor_open(here: Here) -> None:
    with bad_world(here) as (_, world):
        again(here, world)
        before = open_files()
        for _ in range(2):
            again(here, world)
        assert open_files() <= before + 4  # kept connections may come and go
        assert covered(world)["one"].stored >= len(KINDS)

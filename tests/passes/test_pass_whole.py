"""A pass records only what is whole, and as what it is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pass_world import Here, ago, backfill, covered, stand_in, sync

from reportsync.ledger import queries
from reportsync.model import Outcome, Report
from reportsync.sandbox import Fault, Sandbox
from reportsync.service.world import World

APP = stand_in("one", 3)


@contextmanager
def spoilt(here: Here, kind: str) -> Iterator[tuple[Sandbox, World]]:
    """Serve a fault of this kind for the report of yesterday."""
    faults = [Fault(kind, day=ago(1))]
    with (
        Sandbox([APP], faults=faults, clock=here.clock) as sandbox,
        here.world(sandbox, APP) as world,
    ):
        yield sandbox, world


@pytest.mark.parametrize("kind", ["truncated-zip", "bad-crc", "joined"])
def test_fault_17_a_damaged_archive_is_not_stored_and_comes_whole_later(
    here: Here, kind: str
) -> None:
    with spoilt(here, kind) as (sandbox, world):
        summary, heard = sync(world)
        (gap,) = covered(world)["one"].missing
        assert (summary.exit, summary.stored) == (3, 2)
        assert heard.outcomes["one", ago(1)] is Outcome.FAILED
        assert "not a whole zip" in str(gap.reason)
        assert world.store.versions(Report("one", ago(1))) == []
        sandbox.faults.clear()
        here.clock.forward(days=1)
        assert sync(world)[0].stored == 2
    assert list(here.archive.rglob("*.part")) == []


@pytest.mark.parametrize("kind", ["truncated-zip", "bad-crc", "cut", "cut-no-length"])
def test_row_16_an_attempt_whose_body_was_not_taken_keeps_its_status_and_bytes(
    here: Here, kind: str
) -> None:
    with spoilt(here, kind) as (_, world):
        _, heard = sync(world)
        (ended,) = (one for one in heard.ended_all if one.outcome is Outcome.FAILED)
        (attempt,) = world.ledger.read(queries.attempts_of, Report("one", ago(1)))
    assert (ended.status, attempt.status) == (200, 200)
    assert attempt.size is not None and attempt.size == ended.size


def test_invariant_1_what_lies_under_the_next_name_is_not_taken_for_what_was_fetched(
    here: Here,
) -> None:
    report = Report("one", ago(1))
    with Sandbox([APP], clock=here.clock) as sandbox, here.world(sandbox, APP) as world:
        sync(world)
        other = world.store.path(Report("one", ago(2)))
        shutil.copyfile(other, world.store.path(report, 2))
        sandbox.faults.add(Fault("changed", day=ago(1)))
        here.clock.forward(hours=1)
        assert backfill(world, ago(1), ago(1), again=True)[0].versions == 1
        held = [one.archive for one in world.ledger.read(queries.versions_of, report) if one.held]
        assert [one.version for one in held] == [1, 3]
        for one in held:
            assert world.store.digest(report, one.version) == (one.size, one.sha256)

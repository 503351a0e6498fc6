"""Files without a row are adopted: read twice before one is moved, and beside others at work on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from pass_world import Here, ago, stand_in, sync

from reportsync.archive import examine
from reportsync.collect import lease_of
from reportsync.errors import AttemptFailed, StorageError
from reportsync.ledger import claims, queries, records, tables
from reportsync.ledger.claims import Claim
from reportsync.model import Attempt, Outcome, Report
from reportsync.sandbox import Sandbox
from reportsync.service.mending import Mended
from reportsync.service.repair import mend
from reportsync.service.world import World
from reportsync.stop import Stop

APP = stand_in("one", 3)
REPORT = Report("one", ago(1))


@contextmanager
def with_a_foundling(here: Here) -> Iterator[tuple[World, Path, queries.HeldArchive]]:
    """Open a world in which the file of one report has no row, nor its report an attempt."""
    with Sandbox([APP], clock=here.clock) as sandbox, here.world(sandbox, APP) as world:
        assert sync(world)[0].exit == 0
        (row,) = world.ledger.read(queries.versions_of, REPORT)

        def forget(connection: sa.Connection) -> None:
            connection.execute(
                sa.delete(tables.archives).where(tables.archives.c.day == REPORT.day)
            )
            fresh = {"state": "missing", "attempts": 0, "last_attempt": None, "last_outcome": None}
            connection.execute(
                sa.update(tables.reports).where(tables.reports.c.day == REPORT.day).values(fresh)
            )

        world.ledger.write(forget)
        here.clock.forward(hours=1)
        yield world, world.store.path(REPORT, 1), row


class Erring(Stop):
    """Has the disk change its mind: `change` is called when so many looks at a stop are over."""

    def __init__(self, looks: int, change: Callable[[], object]) -> None:
        super().__init__()
        self._looks, self._change = looks, change

    def check_cut(self) -> None:
        self._looks -= 1
        if self._looks == 0:
            self._change()


def spoil(path: Path) -> int:
    """Change a byte; return how often the zip's reader looks at a stop until it finds it."""
    path.chmod(0o640)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    looks: list[None] = []
    with path.open("rb") as file, pytest.raises(AttemptFailed):
        examine(file, len(data), check_stop=lambda: looks.append(None))
    return len(looks)


def test_fault_30_a_file_that_was_read_wrongly_once_is_adopted(here: Here) -> None:
    with with_a_foundling(here) as (world, path, row):
        right = path.read_bytes()
        stop = Erring(spoil(path) + 1, lambda: path.write_bytes(right))
        told: list[Mended] = []
        mend(replace(world, stop=stop), world.config.apps, told.append)
        assert [one.action for one in told] == ["adopt"]
        (adopted,) = world.ledger.read(queries.versions_of, REPORT)
        assert (adopted.held, adopted.archive) == (True, row.archive)


def test_fault_30_a_file_that_reads_differently_each_time_is_trouble_with_the_disk(
    here: Here,
) -> None:
    with with_a_foundling(here) as (world, path, _):
        # Behind the digest of the first reading, too.
        stop = Erring(spoil(path) + 2, lambda: path.write_bytes(path.read_bytes()[::-1]))
        with pytest.raises(StorageError, match="cannot trust what is read"):
            mend(replace(world, stop=stop), world.config.apps, lambda one: pytest.fail(str(one)))
        assert path.exists()


def test_fault_30_a_file_that_is_damaged_is_set_aside(here: Here) -> None:
    with with_a_foundling(here) as (world, path, _):
        spoil(path)
        told: list[Mended] = []
        mend(world, world.config.apps, told.append)
        assert [one.action for one in told] == ["set aside"]
        assert not path.exists()
        assert world.ledger.read(queries.versions_of, REPORT) == []


@pytest.mark.parametrize("recorded", ["before", "after"])
def test_fault_28_a_file_that_another_process_is_about_to_record_is_one_arrival(
    here: Here, recorded: str
) -> None:
    with with_a_foundling(here) as (world, _, row):
        now, lease = here.clock(), lease_of(world.config.http)
        claim = world.ledger.write(
            claims.take, REPORT, now=now, lease=lease, wanted_at=now, again=False
        )
        assert isinstance(claim, Claim)
        attempt = Attempt(
            REPORT, now, now, Outcome.STORED, 1, 200, row.archive.size, None, "a pass"
        )

        def record() -> records.Recorded:
            return world.ledger.write(records.record_archive, claim, attempt, row.archive)

        told: list[Mended] = []
        if recorded == "before":  # after the repair has read which files have a row
            mend(replace(world, stop=Erring(1, record)), world.config.apps, told.append)
            assert told == []
        else:
            mend(world, world.config.apps, told.append)
            assert [one.action for one in told] == ["adopt"]
            assert record().arrival is None
        (found,) = world.ledger.read(queries.versions_of, REPORT)
        assert (found.held, found.archive) == (True, row.archive)
        report = world.ledger.read(queries.report_row, REPORT)
        assert report is not None
        assert (report.state, report.attempts, report.last_outcome) == ("stored", 1, "stored")
        assert world.ledger.read(lambda view: view.execute(sa.select(tables.claims)).all()) == []

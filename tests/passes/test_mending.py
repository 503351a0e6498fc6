"""What is found damaged, lost or recorded wrongly is put right, in one way for whoever finds it."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pass_world import Here, ago, backfill, covered, stand_in, sync, verified

from reportsync.errors import StorageError
from reportsync.incidents import Notice, Seen
from reportsync.ledger import audit, claims, queries, records, tables
from reportsync.ledger.claims import Claim
from reportsync.model import Outcome, Report
from reportsync.sandbox import Fault, Sandbox
from reportsync.service.announcing import Announcer
from reportsync.service.judge import Checked, Found, judge
from reportsync.service.mending import Mended, mend_archive
from reportsync.service.repair import mend
from reportsync.service.seen import seen_in
from reportsync.service.world import World

DAYS = 6
APP = stand_in("one", DAYS)
REPORT = Report("one", ago(2))


@contextmanager
def filled(here: Here) -> Iterator[tuple[World, Sandbox]]:
    """Open a world in which six days are stored."""
    with (
        Sandbox([APP], clock=here.clock) as sandbox,
        here.world(sandbox, APP) as world,
    ):
        assert sync(world)[0].exit == 0
        here.clock.forward(hours=1)
        yield world, sandbox


def path_of(world: World, version: int = 1) -> Path:
    return world.store.path(REPORT, version)


def alter(path: Path) -> bytes:
    """Change one byte of a file, and return its content."""
    path.chmod(0o640)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return bytes(data)


def change_row(world: World, table: sa.Table, **values: Any) -> None:
    """Change the row of the report without a word, as damage does."""
    of_report = sa.and_(table.c.app == REPORT.app, table.c.day == REPORT.day)
    statement = sa.update(table).where(of_report).values(**values)
    world.ledger.write(lambda connection: connection.execute(statement))


def mended(world: World) -> list[str]:
    told: list[Mended] = []
    mend(world, world.config.apps, told.append)
    return [one.action for one in told]


def found(world: World) -> dict[Report, Found]:
    return {one.archive.report: one.found for one in verified(world)}


def state(world: World) -> str:
    row = world.ledger.read(queries.report_row, REPORT)
    assert row is not None
    return row.state


def two_versions(here: Here, world: World, sandbox: Sandbox) -> None:
    """Have the vendor restate the report once."""
    sandbox.faults.replace(Fault("changed"))
    assert backfill(world, REPORT.day, REPORT.day, again=True)[0].versions == 1
    here.clock.forward(hours=1)


@pytest.mark.parametrize("wrong", [{"sha256": "0" * 64}, {"size": 7}])
def test_fault_31_a_row_that_changed_without_a_word_is_corrected_and_its_file_left_alone(
    here: Here, wrong: dict[str, Any]
) -> None:
    with filled(here) as (world, sandbox):
        before = world.ledger.read(queries.versions_of, REPORT)[0].archive
        change_row(world, tables.archives, **wrong)
        assert found(world)[REPORT] is Found.MISRECORDED
        assert mended(world) == ["correct"]
        assert world.ledger.read(queries.versions_of, REPORT)[0].archive == before
        assert set(found(world).values()) == {Found.OK}
        assert len(sandbox.requests) == DAYS
    assert not (here.archive / ".quarantine").exists()


def test_fault_31_a_changed_row_does_not_get_into_the_sums_that_tell_it(here: Here) -> None:
    with filled(here) as (world, _):
        change_row(world, tables.archives, sha256="0" * 64)
        path_of(world).with_name(f"{ago(4):%Y%m%d}.zip").unlink()
        world.ledger.write(records.lose_archive, Report("one", ago(4)), 1)
        assert sync(world)[0].stored == 1, "which writes the sums of the year"
        assert found(world)[REPORT] is Found.MISRECORDED
        assert mended(world) == ["correct"]
        assert set(found(world).values()) == {Found.OK}


def test_invariant_10_an_end_that_comes_while_sums_are_compared_is_an_end_in_order(
    here: Here,
) -> None:
    with filled(here) as (world, _):
        path_of(world).with_name(f"{ago(4):%Y%m%d}.zip").unlink()
        world.ledger.write(records.lose_archive, Report("one", ago(4)), 1)
        change_row(world, tables.archives, sha256="0" * 64)
        assert world.ledger.read(queries.stale_years)
        world.stop.request()
        assert sync(world)[0].asked == 0
        assert world.ledger.read(queries.stale_years), "left for the next pass"


@pytest.mark.parametrize("witness", ["none", pytest.param("another", marks=pytest.mark.slow)])
def test_a_whole_file_for_which_nobody_vouches_is_damaged(here: Here, witness: str) -> None:
    with filled(here) as (world, _):
        path_of(world).chmod(0o640)
        shutil.copyfile(world.store.path(Report("one", ago(3))), path_of(world))
        if witness == "none":
            (path_of(world).parent / "SHA256SUMS").unlink()
        assert found(world)[REPORT] is Found.DAMAGED


def test_fault_30_a_lost_newest_version_is_asked_for_again_and_takes_its_old_number(
    here: Here,
) -> None:
    with filled(here) as (world, sandbox):
        two_versions(here, world, sandbox)
        path_of(world, 2).unlink()
        assert mended(world) == ["reopen"]
        assert state(world) == "missing"
        summary, heard = sync(world)
        assert (summary.exit, heard.outcomes[tuple(REPORT)]) == (0, Outcome.STORED)
        versions = world.ledger.read(queries.versions_of, REPORT)
        assert [(row.archive.version, row.held) for row in versions] == [(1, True), (2, True)]
        assert path_of(world, 2).exists()
        assert mended(world) == []


def test_fault_30_where_the_server_has_the_old_content_again_the_report_is_stored_by_that(
    here: Here,
) -> None:
    with filled(here) as (world, sandbox):
        two_versions(here, world, sandbox)
        path_of(world, 2).unlink()
        assert mended(world) == ["reopen"]
        sandbox.faults.replace()
        assert sync(world)[1].outcomes[tuple(REPORT)] is Outcome.UNCHANGED
        assert state(world) == "stored"
        assert (mended(world), sync(world)[0].asked) == ([], 0)


@pytest.mark.slow
def test_fault_30_while_the_server_does_not_answer_the_report_waits_and_no_file_is_moved(
    here: Here,
) -> None:
    with filled(here) as (world, sandbox):
        two_versions(here, world, sandbox)
        path_of(world, 2).unlink()
        mended(world)
        sandbox.faults.replace(Fault("404"))
        for _ in range(2):
            assert sync(world)[0].missing == 1
            here.clock.forward(hours=2)
        assert path_of(world, 1).exists()
        (row,) = covered(world)["one"].missing
        assert row.last_outcome is Outcome.WAITING


@pytest.mark.slow
def test_damage_to_one_of_two_versions_is_over_once_that_is_there_again(here: Here) -> None:
    told: list[str] = []
    with filled(here) as (world, sandbox):
        two_versions(here, world, sandbox)
        alter(path_of(world, 2))

        def tell(one: Notice) -> None:
            told.append(one.title)

        with Announcer(world.config, tell, pytest.fail, clock=here.clock) as announcer:
            checked = verified(world)
            (bad,) = [one for one in checked if one.found is not Found.OK]
            announcer.found(world.ledger, seen_in(checked))
            here.clock.forward(minutes=1)
            assert mend_archive(world, bad, lambda one: None)
            announcer.found(world.ledger, Seen(judged=frozenset()))
            assert told == ["one: 1 archive is damaged or lost"], "as long as it is missing"
            assert sync(world)[0].exit == 0
            announcer.found(world.ledger, Seen(judged=frozenset()))
    assert told[1:] == ["over: one: 1 archive is damaged or lost"]


def test_fault_30_a_lost_older_version_is_told_and_not_asked_for(here: Here) -> None:
    with filled(here) as (world, sandbox):
        two_versions(here, world, sandbox)
        alter(path_of(world, 1))
        assert mended(world) == ["set aside", "give up"]
        assert (state(world), mended(world)) == ("stored", [])
        assert (sync(world)[0].asked, len(sandbox.requests)) == (0, DAYS + 1)


def test_other_versions_are_read_at_the_pace_of_whoever_mends(here: Here) -> None:
    with filled(here) as (world, sandbox):
        two_versions(here, world, sandbox)
        path_of(world, 1).unlink()
        pieces: list[None] = []
        assert not mend_archive(world, lost(world), lambda one: None, lambda: pieces.append(None))
        assert pieces


def test_an_archive_that_cannot_be_read_is_neither_moved_nor_reopened(here: Here) -> None:
    with filled(here) as (world, _):
        path_of(world).unlink()
        path_of(world).mkdir()
        told: list[Mended] = []
        repaired = mend(world, world.config.apps, told.append)
        assert told[0].action == "leave alone"
        assert repaired.reopened == ()
        assert repaired.unreadable is not None
        assert found(world) == {
            one: Found.UNREADABLE if one == REPORT else Found.OK for one in found(world)
        }
        assert state(world) == "stored"
        assert path_of(world).is_dir()


def test_fault_31_a_row_whose_archive_can_have_no_name_keeps_no_other_from_being_mended(
    here: Here,
) -> None:
    with filled(here) as (world, _):
        change_row(world, tables.archives, version=10**9)
        lost_too = Report("one", ago(1))
        world.store.path(lost_too).unlink()
        told: list[Mended] = []
        repaired = mend(world, world.config.apps, told.append)
        assert [one.action for one in told][:2] == ["leave alone", "reopen"]
        assert "no archive can be named" in told[0].why
        assert repaired.reopened == (lost_too,)
        assert repaired.unreadable is not None


def test_a_file_that_vanishes_before_it_is_adopted_is_not_recorded(here: Here) -> None:
    with filled(here) as (world, _):
        gone = sa.delete(tables.archives).where(tables.archives.c.day == REPORT.day)
        world.ledger.write(lambda connection: connection.execute(gone))
        asked = iter(range(DAYS))  # for the covered days, and five archives that are right

        def clock() -> datetime:
            if next(asked, None) is None:
                path_of(world).unlink()
            return here.clock()

        with pytest.raises(StorageError, match="durable"):
            mend(replace(world, clock=clock), world.config.apps, lambda one: None)
        assert not path_of(world).exists()
        assert world.ledger.read(queries.versions_of, REPORT) == []


def test_archives_of_a_volume_that_was_unmounted_meanwhile_are_not_lost(here: Here) -> None:
    with filled(here) as (world, _):
        here.archive.rename(here.folder / "elsewhere")
        here.archive.mkdir()
        with pytest.raises(StorageError, match="not mounted"):
            verified(world)
        with pytest.raises(StorageError, match="not mounted"):
            mend(world, world.config.apps, lambda one: None)
        here.archive.rmdir()
        (here.folder / "elsewhere").rename(here.archive)
        assert set(found(world).values()) == {Found.OK}


def lost(world: World) -> Checked:
    row = world.ledger.read(queries.versions_of, REPORT)[0]
    return judge(world.store, row.archive, lambda: None)


@pytest.mark.slow
def test_what_another_process_works_on_is_left_to_it(here: Here) -> None:
    with filled(here) as (world, _):
        alter(path_of(world))
        now, lease = here.clock.now, timedelta(minutes=5)
        claim = world.ledger.write(
            claims.take, REPORT, now=now, lease=lease, wanted_at=now, again=True
        )
        assert isinstance(claim, Claim)
        assert not mend_archive(world, lost(world), lambda one: pytest.fail(str(one)))
        assert (state(world), path_of(world).exists()) == ("stored", True)


def test_a_file_that_was_put_right_meanwhile_is_not_moved(here: Here) -> None:
    with filled(here) as (world, _):
        right = path_of(world).read_bytes()
        alter(path_of(world))
        damaged = lost(world)
        path_of(world).unlink()
        path_of(world).write_bytes(right)
        assert not mend_archive(world, damaged, lambda one: pytest.fail(str(one)))
        assert (state(world), path_of(world).read_bytes()) == ("stored", right)


def test_fault_30_an_archive_that_was_read_wrongly_once_is_right_and_stays(here: Here) -> None:
    with filled(here) as (world, _):
        archive = world.ledger.read(queries.versions_of, REPORT)[0].archive
        right = path_of(world).read_bytes()
        alter(path_of(world))
        judged = judge(world.store, archive, lambda: overwrite(path_of(world), right))
        assert judged.found is Found.OK
        assert not mend_archive(world, judged, lambda one: pytest.fail(str(one)))
        assert (state(world), path_of(world).read_bytes()) == ("stored", right)


def test_fault_30_an_archive_that_reads_differently_each_time_is_trouble_with_the_disk(
    here: Here,
) -> None:
    with filled(here) as (world, _):
        archive = world.ledger.read(queries.versions_of, REPORT)[0].archive
        wrong = alter(path_of(world))
        judged = judge(world.store, archive, lambda: overwrite(path_of(world), wrong[::-1]))
        assert judged.found is Found.UNREADABLE
        told: list[Mended] = []
        assert not mend_archive(world, judged, told.append)
        assert [one.action for one in told] == ["leave alone"]
        assert (state(world), path_of(world).exists()) == ("stored", True)


def overwrite(path: Path, data: bytes) -> None:
    """Give the file another content without a trace, as a disk does that errs."""
    status = path.stat()
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.slow
def test_many_menders_at_once_do_it_once_and_each_report_is_fetched_once(here: Here) -> None:
    with filled(here) as (world, sandbox):
        altered = alter(path_of(world))
        told: list[Mended] = []
        threads = [
            threading.Thread(target=mend, args=(world, world.config.apps, told.append))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(one.action for one in told if one.action != "fetch") == [
            "reopen",
            "set aside",
        ]
        assert sync(world)[0].exit == 0
        assert len(sandbox.requests) == DAYS + 1
    (aside,) = (here.archive / ".quarantine").rglob("*.bin")
    assert aside.read_bytes() == altered


@pytest.mark.parametrize("half", ["moved", pytest.param("recorded", marks=pytest.mark.slow)])
def test_fault_25_a_mending_that_was_killed_half_way_is_done_by_the_next(
    here: Here, half: str
) -> None:
    with filled(here) as (world, _):
        alter(path_of(world))
        if half == "moved":
            world.store.quarantine(REPORT, path_of(world), "damaged on disk")
            assert mended(world) == ["reopen"]
        else:
            mended(world)
            assert mended(world) == ["fetch"]
        assert sync(world)[0].exit == 0
        assert set(found(world).values()) == {Found.OK}


def test_fault_31_days_that_vanished_from_the_ledger_are_not_taken_for_stored(here: Here) -> None:
    with filled(here) as (world, _):
        for table in (tables.reports, tables.archives):
            gone = sa.delete(table).where(table.c.day == REPORT.day)
            world.ledger.write(lambda connection, gone=gone: connection.execute(gone))
        path_of(world).unlink()
        assert covered(world)["one"].stored == DAYS, "taken for stored"
        assert mended(world) == ["add"]
        assert sync(world)[0].stored == 1


def test_fault_31_a_stored_report_without_an_archive_is_reopened_and_the_reverse_is_closed(
    here: Here,
) -> None:
    with filled(here) as (world, sandbox):
        change_row(world, tables.reports, state="missing")
        gone = sa.delete(tables.archives).where(tables.archives.c.day.in_([ago(3), ago(4)]))
        world.ledger.write(lambda connection: connection.execute(gone))
        world.store.path(Report("one", ago(4))).unlink()
        amiss = world.ledger.read(audit.audit, ["one"])
        assert (amiss.bare, amiss.settled) == (
            (Report("one", ago(4)), Report("one", ago(3))),
            (REPORT,),
        )
        assert sorted(mended(world)) == ["adopt", "close", "reopen", "reopen"]
        assert (sync(world)[0].exit, len(sandbox.requests)) == (0, DAYS + 1)
        assert world.ledger.read(audit.audit, ["one"]).clean

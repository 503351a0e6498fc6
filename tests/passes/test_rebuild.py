"""A damaged or lost ledger is rebuilt from its backup, from what it still gives, and from the tree."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from pass_world import Here, ago, stand_in, sync, verified
from rebuild_site import APP, TABLES, Site, read, root_page, scribble
from sampling import sampled

from reportsync.errors import LedgerError, StorageError, UsageProblem
from reportsync.ledger import backup, overview, place, queries, soundness
from reportsync.model import MOST_VERSIONS, Report
from reportsync.service.judge import Found
from reportsync.service.rebuild import Wanted, find_backup
from reportsync.store import Store

KEPT = ("waivers", "attempts", "incidents", "archives", "passes")


@pytest.mark.parametrize("name", sampled(["waivers", *sorted(set(TABLES) - {"waivers", "facts"})]))
def test_fault_31_row_h_of_a_damaged_ledger_nothing_is_lost_that_it_or_its_backup_still_gives(
    site: Site, name: str
) -> None:
    size, number = root_page(site.ledger, name)
    scribble(site.ledger, (number - 1) * size, size)
    told = site.rebuild()
    assert told[0].action == "set the ledger aside"
    known = (site.in_backup if name == "reports" else site.contents)["reports"]
    made = {row[:2]: row[3] for row in read(site.ledger)["reports"]}
    assert all(made[row[:2]] >= row[3] for row in known), "attempts never decrease"  # type: ignore[operator]
    with site.mended() as world:
        assert sync(world)[0].exit in (0, 3)
    now = read(site.ledger)
    for kept in KEPT:
        there = site.in_backup if kept == name else site.contents
        lost = {row[1:] for row in there[kept]} - {row[1:] for row in now[kept]}
        # What is held was verified anew, and an incident goes on or ends.
        lost = {row for row in lost if kept not in ("archives", "incidents")}
        assert lost == set(), kept
    if name != "archives":
        ids = {row[0]: row[1:4] for row in now["archives"]}
        assert all(ids[row[0]] == row[1:4] for row in site.contents["archives"]), "arrivals"
    assert len(now["archives"]) >= len(site.contents["archives"])
    if name != "incidents":
        assert {row[1:3] for row in now["incidents"]} >= {
            row[1:3] for row in site.contents["incidents"]
        }
    assert site.ledger.with_name(Path(told[0].what).name).stat().st_size > 0
    assert site.rebuild() == [], "whole again"


def test_fault_31_damage_that_nobody_reads_is_found_before_a_write(site: Site) -> None:
    size, number = root_page(site.ledger, "deliveries")
    scribble(site.ledger, (number - 1) * size, size)
    before = site.ledger.read_bytes()
    with (
        pytest.raises(LedgerError, match="is damaged") as caught,
        site.here.world(site.sandbox, APP),
    ):
        pass
    assert "reportsync repair" in str(caught.value.hint)
    assert site.ledger.read_bytes() == before


def test_fault_31_without_a_backup_the_damaged_ledger_itself_is_the_source(site: Site) -> None:
    for one in (site.here.archive / ".ledger").iterdir():
        one.unlink()
    size, number = root_page(site.ledger, "reports")
    scribble(site.ledger, (number - 1) * size, size)
    assert [one.action for one in site.rebuild()] == ["set the ledger aside", "salvage"]
    with site.mended() as world:
        held = world.ledger.read(overview.waivers_by_app)["one"]
        assert [one.first for one in held] == [ago(5)]
        assert world.ledger.read(queries.archive_id) == world.archive_id
    assert read(site.ledger)["attempts"] >= site.contents["attempts"]


def test_a_row_that_makes_no_sense_is_damage_although_the_database_is_intact(site: Site) -> None:
    with closing(sqlite3.connect(site.ledger)) as connection:
        connection.execute("UPDATE waivers SET first = '2026-02-31' WHERE ended IS NULL")
        connection.execute("UPDATE archives SET stored = 'yesterday' WHERE day = ?", (str(ago(2)),))
        beyond = (MOST_VERSIONS + 1, str(ago(4)))
        connection.execute("UPDATE archives SET version = ? WHERE day = ?", beyond)
        connection.commit()
    with pytest.raises(LedgerError) as caught, site.mended():
        pass
    assert "reportsync repair" in str(caught.value.hint)
    told = site.rebuild()
    assert told[0].why == "there are rows that make no sense: 2 of archives, 1 of waivers"
    with site.mended() as world:
        assert world.ledger.read(queries.versions_of, Report("one", ago(2)))
    assert soundness.damage(site.ledger) is None


def test_fault_31_rows_that_make_no_sense_get_into_no_backup_and_come_out_of_none(
    site: Site,
) -> None:
    (good,) = (site.here.archive / ".ledger").glob("*.db")
    with closing(sqlite3.connect(site.ledger)) as connection:
        connection.execute("UPDATE reports SET last_attempt = '2026-99-25T10:00:00.000000Z'")
        connection.commit()
    later = (site.here.clock.now + timedelta(days=1)).date()
    with pytest.raises(LedgerError, match="older backups of it are kept"):
        backup.back_up(site.ledger, good.parent, later)
    bad = good.with_name(f"ledger-{later:%Y%m%d}.db")
    assert not bad.exists()
    bad.write_bytes(site.ledger.read_bytes())  # one that an earlier program has made
    told = site.rebuild()
    assert f"from its backup {good}" in [one.why for one in told]
    assert soundness.damage(site.ledger) is None
    with site.mended() as world:
        assert sync(world)[0].trouble is None


@pytest.mark.parametrize("how", sampled(["unreadable", "empty", "dropped", "odd"]))
def test_fault_31_a_ledger_that_does_not_say_its_schema_gives_all_the_rest(
    site: Site, how: str
) -> None:
    for one in (site.here.archive / ".ledger").iterdir():
        one.unlink()
    if how == "unreadable":
        size, number = root_page(site.ledger, "alembic_version")
        scribble(site.ledger, (number - 1) * size, 64)
    else:
        change = {
            "empty": "DELETE FROM alembic_version",
            "dropped": "DROP TABLE alembic_version",
            "odd": "UPDATE alembic_version SET version_num = 'zzz'",
        }
        with closing(sqlite3.connect(site.ledger)) as connection:
            connection.execute(change[how])
            connection.commit()
    with pytest.raises(LedgerError) as caught, site.mended():
        pass
    assert "reportsync repair" in str(caught.value.hint)
    site.rebuild()
    assert soundness.damage(site.ledger) is None
    there = read(site.ledger)
    for name in ("waivers", "attempts", "archives"):
        assert there[name] == site.contents[name], name


def test_neither_another_archive_s_backup_nor_the_ledger_itself_is_put_in_its_place(
    site: Site,
) -> None:
    (wanted,) = (site.here.archive / ".ledger").glob("*.db")
    foreign = site.here.folder / "foreign.db"
    foreign.write_bytes(wanted.read_bytes())
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("UPDATE facts SET value = 'another' WHERE name = 'archive'")
        connection.commit()
    config = site.here.config(site.sandbox, [APP], {})
    store = Store(config.storage.archive, 0)
    assert find_backup(config, store, str(wanted)) == wanted
    with pytest.raises(UsageProblem, match="ledger of another archive"):
        find_backup(config, store, str(foreign))
    with pytest.raises(UsageProblem, match="the ledger itself"):
        find_backup(config, store, str(site.ledger))


@pytest.mark.parametrize("matter", ["damaged", "lost"])
def test_fault_31_a_backup_of_another_archive_is_passed_over_for_one_of_this(
    site: Site, matter: str
) -> None:
    (own,) = (site.here.archive / ".ledger").glob("*.db")
    foreign = own.with_name("ledger-20991231.db")
    foreign.write_bytes(own.read_bytes())
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("UPDATE facts SET value = 'another' WHERE name = 'archive'")
        connection.commit()
    if matter == "damaged":
        size, number = root_page(site.ledger, "facts")
        scribble(site.ledger, (number - 1) * size, size)
        assert f"from its backup {own}" in [one.why for one in site.rebuild()]
    else:
        site.ledger.unlink()
    with site.mended() as world:
        assert world.ledger.read(queries.archive_id) == world.archive_id
        assert sync(world)[0].trouble is None


def test_fault_31_no_row_of_another_archive_s_damaged_ledger_is_taken_over(site: Site) -> None:
    with closing(sqlite3.connect(site.ledger)) as connection:
        connection.execute("UPDATE facts SET value = 'another' WHERE name = 'archive'")
        connection.commit()
    size, number = root_page(site.ledger, "passes")
    scribble(site.ledger, (number - 1) * size, size)
    assert [one.action for one in site.rebuild()] == ["set the ledger aside", "restore the ledger"]
    assert read(site.ledger)["waivers"] == site.in_backup["waivers"]


def test_a_journal_is_set_aside_under_no_name_that_another_has(site: Site) -> None:
    journal = site.ledger.with_name("ledger.db-journal")
    kept = site.ledger.with_name(f"ledger.db.damaged-{site.here.clock():%Y%m%dT%H%M%SZ}-journal")
    kept.write_bytes(b"another's")
    journal.write_bytes(b"ours")
    site.ledger.write_bytes(b"no database" * 1000)  # lest SQLite itself removes the journal
    aside = Path(site.rebuild()[0].what)
    assert kept.read_bytes() == b"another's"
    assert aside.with_name(f"{aside.name}-journal").read_bytes() == b"ours"
    assert not journal.exists()


def test_two_restores_in_one_second_keep_what_each_of_them_replaces(site: Site) -> None:
    (wanted,) = (site.here.archive / ".ledger").glob("*.db")
    first = site.rebuild(Wanted(wanted))
    second = site.rebuild(Wanted(wanted))
    kept = [Path(told[0].what) for told in (first, second)]
    assert read(kept[0]) == site.contents
    assert kept[1] != kept[0]
    assert kept[1].exists()


def test_fault_31_a_disk_that_does_not_give_the_ledger_does_not_make_it_damaged(
    site: Site,
) -> None:
    with closing(sqlite3.connect(site.ledger, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE").close()
        connection.execute("BEGIN EXCLUSIVE").close()
        site.here.clock.forward(seconds=1)
        before = site.ledger.stat().st_ino
        with pytest.raises(LedgerError, match="locked"):
            soundness.damage(site.ledger, wait=0.1)
    assert site.ledger.stat().st_ino == before


def test_a_backup_that_a_person_wants_takes_the_place_of_a_healthy_ledger(site: Site) -> None:
    (wanted,) = (site.here.archive / ".ledger").glob("*.db")
    told = site.rebuild(Wanted(wanted))
    assert [one.action for one in told] == ["set the ledger aside", "restore the ledger"]
    assert ".replaced-" in told[0].what
    with site.mended() as world:
        held = world.ledger.read(overview.waivers_by_app)["one"]
        assert [one.first for one in held] == [ago(3)], "as it was then"
    assert read(Path(told[0].what)) == site.contents


def test_fault_31_a_ledger_that_another_archives_was_written_over_takes_nothing_more(
    site: Site,
) -> None:
    other = Here(site.here.folder / "other")
    other.folder.mkdir()
    with other.world(site.sandbox, stand_in("two", 3), APP) as world:
        sync(world)
    with site.here.world(site.sandbox, APP) as world:
        content = (other.folder / "ledger.db").read_bytes()
        site.ledger.write_bytes(content)
        trouble = sync(world)[0].trouble
        assert isinstance(trouble, LedgerError)
        assert "any more" in trouble.message
        assert site.ledger.read_bytes() == content
    with pytest.raises(StorageError, match="another archive"), site.mended():
        pass
    assert site.rebuild() == [], "it is whole, and not for us to move"


@pytest.mark.slow
def test_fault_31_a_ledger_emptied_under_a_pass_is_restored_by_the_next(site: Site) -> None:
    with site.here.world(site.sandbox, APP) as world:
        site.ledger.write_bytes(b"")
        trouble = sync(world)[0].trouble
        assert isinstance(trouble, LedgerError)
        assert "reportsync repair" in str(trouble.hint)
        assert site.ledger.read_bytes() == b""
    with site.here.world(site.sandbox, APP) as world:
        assert sync(world)[0].trouble is None
        assert len(world.ledger.read(overview.waivers_by_app)["one"]) == 1


@pytest.mark.parametrize("half", ["scratch left", "kept twice"])
@pytest.mark.slow
def test_fault_25_a_rebuild_that_was_killed_is_done_by_the_next(site: Site, half: str) -> None:
    size, number = root_page(site.ledger, "reports")
    scribble(site.ledger, (number - 1) * size, size)
    if half == "scratch left":
        left = site.ledger.parent / place.REBUILD
        left.mkdir()
        (left / "ledger.db").write_bytes(b"half of it")
    else:
        site.ledger.with_name("ledger.db.damaged-20200101T000000Z").hardlink_to(site.ledger)
    assert "salvage" in [one.action for one in site.rebuild()]
    assert not (site.ledger.parent / place.REBUILD).exists()
    (site.ledger.parent / place.REBUILD).mkdir()  # one that was killed after its last step
    (site.ledger.parent / place.SCRATCH).touch()
    with site.mended() as world:
        assert len(world.ledger.read(overview.waivers_by_app)["one"]) == 1
    assert not [*site.ledger.parent.glob(".reportsync-*")]


@pytest.mark.slow
def test_fault_31_however_a_ledger_is_damaged_what_its_backup_held_is_there_afterwards(
    site: Site, figure: Callable[[str], None]
) -> None:
    whole = site.ledger.read_bytes()
    zips = {path.name for path in site.here.archive.rglob("*.zip")}
    backups = {path: path.read_bytes() for path in (site.here.archive / ".ledger").iterdir()}
    rebuilt = refused = 0
    for seed in range(60):
        chance = random.Random(seed)
        data = bytearray(whole)
        for _ in range(chance.choice((1, 4, 40))):
            place = chance.randrange(16 if seed % 7 else 0, len(data))
            data[place] ^= 1 << chance.randrange(8)
        site.ledger.write_bytes(data)
        for path in (site.here.archive / ".ledger").iterdir():
            path.unlink()  # one of a ledger with a flipped bit that still makes sense among them
        for path, content in backups.items():
            path.write_bytes(content)
        was_rebuilt = bool(site.rebuild())
        rebuilt += was_rebuilt
        site.here.clock.forward(seconds=2)
        try:
            with site.mended() as world:
                assert sync(world)[0].exit in (0, 3)
        except LedgerError:
            refused += 1  # refused, and for a person: no table of ours, or a newer schema
            site.ledger.unlink(missing_ok=True)
            continue
        now = read(site.ledger)
        for kept in ("waivers", "attempts"):
            there = {row[1:8] for row in site.in_backup[kept]}
            lost = there - {row[1:8] for row in now[kept]}
            assert not was_rebuilt or lost == set(), (seed, kept)
        with site.mended() as world:
            assert {one.found for one in verified(world)} == {Found.OK}, seed
        assert {path.name for path in site.here.archive.rglob("*.zip")} >= zips, seed
    assert rebuilt > 20
    assert refused < 10
    figure(
        f"ledgers with flipped bits: 60, rebuilt: {rebuilt}, refused as foreign or newer: {refused}"
    )

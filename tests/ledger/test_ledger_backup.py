"""Backups beside the archive: consistent, for the owner alone, and put back when the ledger is lost."""

from __future__ import annotations

import os
import resource
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from ledger_cases import DAY, NOW, contents, covered, failed, half_done, row_of

from reportsync.errors import LedgerError
from reportsync.ledger import (
    Ledger,
    open_reading,
    open_writing,
    overview,
    records,
    waivers,
)
from reportsync.ledger.backup import KEEP, back_up, backups, put_back
from reportsync.ledger.tables import facts
from reportsync.model import ONE_DAY, Outcome, Waiver
from reportsync.service.world import open_ledger
from reportsync.settings import App, Config, Storage

WAIVER = Waiver("shop", DAY, DAY, "the setting was off", "operator", NOW)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive" / ".ledger"


@pytest.fixture
def config(path: Path, tmp_path: Path) -> Config:
    app = App(
        name="shop", app_id="A1", secret_key=("no-real-key",), base_url="https://example.com",
        since=DAY,
    )  # fmt: skip
    storage = Storage(archive=tmp_path / "archive", ledger=f"sqlite:///{path}")
    (tmp_path / "archive").mkdir()
    return Config(apps=(app,), storage=storage)


@contextmanager
def writing(ledger: Ledger, pause: float = 0.0) -> Iterator[None]:
    """Keep two facts equal and growing in the background, with so many seconds between commits."""
    stop = threading.Event()

    def bump(connection: sa.Connection, number: int) -> None:
        connection.execute(sa.update(facts).values(value=str(number)))

    def loop() -> None:
        number = 0
        while not stop.wait(pause):
            number += 1
            ledger.write(bump, number)

    ledger.write(
        lambda connection: connection.execute(
            sa.insert(facts), [{"name": name, "value": "0"} for name in "ab"]
        )
    )
    writer = threading.Thread(target=loop)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


def read(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_a_backup_is_consistent_while_the_ledger_is_written(
    lite: Ledger, path: Path, folder: Path
) -> None:
    folder.parent.mkdir()
    with writing(lite, pause=0.005):
        made = [back_up(path, folder, DAY + n * ONE_DAY) for n in range(5)]
    for copy in made:
        assert copy is not None
        assert read(copy, "PRAGMA integrity_check") == [("ok",)]
        assert len(read(copy, "SELECT DISTINCT value FROM facts")) == 1


def test_a_backup_holds_nothing_that_a_killed_writer_left_half_done(
    path: Path, folder: Path
) -> None:
    folder.parent.mkdir()
    half_done(path)
    copy = back_up(path, folder, DAY)
    assert copy is not None
    assert read(copy, "PRAGMA integrity_check") == [("ok",)]
    assert read(copy, "SELECT DISTINCT attempts, reason FROM reports") == [(0, None)]


def test_a_backup_of_a_large_ledger_ends_however_busy_its_writers_are(
    lite: Ledger, path: Path, folder: Path
) -> None:
    folder.parent.mkdir()
    lite.write(
        lambda connection: connection.exec_driver_sql(
            "INSERT INTO stale_sums SELECT 'a', value, value FROM"
            " (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT 1)"
            " SELECT value FROM n)"
        )
    )
    lite.write(
        lambda connection: connection.exec_driver_sql(
            "INSERT INTO attempts (app, day, started, ended, outcome, requests, reason)"
            " VALUES ('a', '2026-03-01', '2026-03-02T00:00:00.000000Z', '2026-03-02T00:00:00.000000Z',"
            " 'failed', 1, hex(zeroblob(12000000)))"
        )
    )
    with writing(lite, pause=0.005):
        done = threading.Event()
        worker = threading.Thread(
            target=lambda: (back_up(path, folder, DAY), done.set()), daemon=True
        )
        worker.start()
        assert done.wait(20)
        worker.join()
    assert len(backups(folder)) == 1


def test_one_backup_a_day_and_the_newest_seven_are_kept(
    lite: Ledger, path: Path, folder: Path
) -> None:
    folder.parent.mkdir()
    (days := [DAY + n * ONE_DAY for n in range(10)]).reverse()
    for day in reversed(days):
        assert back_up(path, folder, day) == folder / f"ledger-{day:%Y%m%d}.db"
        assert back_up(path, folder, day) is None
    assert [one.name for one in backups(folder)] == [
        f"ledger-{day:%Y%m%d}.db" for day in days[:KEEP]
    ]
    assert len(list(folder.iterdir())) == KEEP == 7


def test_backups_are_for_their_owner_alone_whatever_the_umask(
    lite: Ledger, path: Path, folder: Path
) -> None:
    folder.parent.mkdir()
    before = os.umask(0)
    try:
        copy = back_up(path, folder, DAY)
        assert copy is not None
        path.unlink()
        put_back(folder, path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("lost", ["deleted", "emptied"])
def test_fault_31_waivers_and_attempts_outlive_a_lost_ledger(
    config: Config, path: Path, folder: Path, lost: str
) -> None:
    with open_ledger(config) as ledger:
        covered(ledger)
        ledger.write(waivers.add, WAIVER)
        failed(ledger, outcome=Outcome.WAITING, reason="HTTP 404")
        before = contents(ledger)
        back_up(path, folder, DAY)
    path.unlink()
    if lost == "emptied":
        path.touch(0o600)
    with open_ledger(config) as ledger:
        assert contents(ledger) == before
        assert ledger.read(overview.waivers_by_app)["shop"] == [WAIVER]
        covered(ledger, last=DAY + ONE_DAY)


@pytest.mark.parametrize(
    "damage", [b"", b"garbage", b"SQLite format 3\x00" + b"\xff" * 5000, "foreign"]
)
def test_a_backup_that_is_no_whole_ledger_is_passed_over_for_an_older_one(
    config: Config, path: Path, folder: Path, damage: bytes | str
) -> None:
    with open_ledger(config) as ledger:
        ledger.write(waivers.add, WAIVER)
        back_up(path, folder, DAY)
    newest = folder / f"ledger-{DAY + ONE_DAY:%Y%m%d}.db"
    if isinstance(damage, bytes):
        newest.write_bytes(damage)
    else:
        with closing(sqlite3.connect(newest)) as connection:
            connection.execute("CREATE TABLE theirs (n)").close()
    path.unlink()
    assert put_back(folder, path) == folder / f"ledger-{DAY:%Y%m%d}.db"
    with open_reading(f"sqlite:///{path}") as ledger:
        assert ledger.read(overview.waivers_by_app)["shop"] == [WAIVER]


def test_without_a_whole_backup_nothing_is_put_in_the_place(path: Path, folder: Path) -> None:
    assert put_back(folder, path) is None
    folder.mkdir(parents=True)
    (folder / "ledger-20260301.db").write_bytes(b"garbage")
    (folder / "notes.txt").write_text("not a backup")
    assert put_back(folder, path) is None
    assert not path.exists()


def test_a_journal_left_by_a_lost_ledger_is_not_played_into_its_successor(
    config: Config, path: Path, folder: Path
) -> None:
    with open_ledger(config) as ledger:
        covered(ledger, last=DAY.replace(month=12))
        back_up(path, folder, DAY)
    journal = path.with_name("ledger.db-journal")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1").close()
        connection.execute("BEGIN IMMEDIATE").close()
        connection.execute("UPDATE reports SET reason = hex(zeroblob(200))").close()
        left_behind = journal.read_bytes()
        connection.rollback()
    assert left_behind.startswith(b"\xd9\xd5\x05\xf9"), "a journal that SQLite would play"
    path.unlink()
    journal.write_bytes(left_behind)
    put_back(folder, path)
    assert not journal.exists()
    with open_reading(f"sqlite:///{path}") as ledger:
        assert row_of(ledger).reason is None
    assert read(path, "PRAGMA integrity_check") == [("ok",)]


def test_fault_25_what_a_killed_copy_left_is_in_nobody_s_way(
    config: Config, path: Path, folder: Path
) -> None:
    with open_ledger(config) as ledger:
        covered(ledger)
    back_up(path, folder, DAY)
    pid = os.getpid()
    leftovers = (
        ".reportsync-ledger.part",
        f".ledger-20260302.db.{pid}.part",
        f".ledger.db.{pid}.part",
    )
    for name in leftovers:
        for place in (folder, path.parent):
            (place / name).write_bytes(b"half a copy")
    assert back_up(path, folder, DAY + ONE_DAY) is not None
    path.unlink()
    assert put_back(folder, path) is not None
    assert not (folder / ".reportsync-ledger.part").exists()
    assert not (path.parent / ".reportsync-ledger.part").exists()


def test_two_processes_that_back_up_at_once_leave_one_whole_copy(
    lite: Ledger, path: Path, folder: Path
) -> None:
    folder.parent.mkdir()
    covered(lite, last=DAY.replace(year=2030))
    threads = [threading.Thread(target=back_up, args=(path, folder, DAY)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (copy,) = list(folder.iterdir())
    assert read(copy, "PRAGMA integrity_check") == [("ok",)]


def test_odd_letters_in_the_path_of_a_backup_are_just_letters(tmp_path: Path) -> None:
    path = tmp_path / "a%20b?mode=memory#c" / "ledger.db"
    folder = tmp_path / "100%25?x" / ".ledger"
    folder.parent.mkdir()
    with open_writing(f"sqlite:///{path}") as ledger:
        covered(ledger)
    assert back_up(path, folder, DAY) is not None
    path.unlink()
    assert put_back(folder, path) is not None
    with open_reading(f"sqlite:///{path}") as ledger:
        assert row_of(ledger).state == "missing"


def test_a_backup_that_cannot_be_made_is_an_error_that_names_it(path: Path, folder: Path) -> None:
    path.write_bytes(b"garbage, and not a database")
    folder.parent.mkdir()
    with pytest.raises(LedgerError, match="is damaged, older backups"):
        back_up(path, folder, DAY)
    assert backups(folder) == []
    folder.rmdir()
    folder.touch()
    with pytest.raises(LedgerError, match="cannot use the ledger"):
        back_up(path, folder, date(2026, 3, 2))


def test_fault_31_a_damaged_ledger_takes_the_place_of_no_backup(
    lite: Ledger, path: Path, folder: Path
) -> None:
    folder.parent.mkdir()
    for number in range(KEEP):
        assert back_up(path, folder, DAY + number * ONE_DAY) is not None
    kept = {one: one.read_bytes() for one in backups(folder)}
    with path.open("r+b") as file:
        file.seek(2 * 4096)
        file.write(b"\xa5" * 4096)
    for renew in (False, True):
        with pytest.raises(LedgerError, match="is damaged, older backups of it are kept") as caught:
            back_up(path, folder, DAY + (KEEP - renew) * ONE_DAY, renew=renew)
        assert "reportsync repair" in str(caught.value.hint)
        assert {one: one.read_bytes() for one in folder.iterdir()} == kept


def test_a_renewed_backup_takes_the_place_of_the_days_own(
    lite: Ledger, path: Path, folder: Path
) -> None:
    folder.parent.mkdir()
    first = back_up(path, folder, DAY)
    lite.write(waivers.add, WAIVER)
    assert back_up(path, folder, DAY, renew=True) == first
    assert [one.name for one in folder.iterdir()] == [f"ledger-{DAY:%Y%m%d}.db"]
    assert first is not None
    assert len(read(first, "SELECT * FROM waivers")) == 1


def test_fault_33_backups_of_a_clock_that_was_ahead_do_not_pass_for_the_newest(
    lite: Ledger, path: Path, folder: Path
) -> None:
    folder.parent.mkdir()
    for number in range(KEEP):
        back_up(path, folder, DAY.replace(year=DAY.year + 10) + number * ONE_DAY)
    lite.write(waivers.add, WAIVER)
    newest = back_up(path, folder, DAY)
    assert newest is not None
    assert backups(folder) == [newest]


def test_fault_21_a_full_disk_while_a_backup_is_put_back_is_an_error_that_names_it(
    path: Path, folder: Path
) -> None:
    with open_writing(f"sqlite:///{path}") as ledger:
        covered(ledger, last=DAY.replace(year=2030))
    folder.parent.mkdir()
    back_up(path, folder, DAY)
    path.unlink()
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, kept[1]))
    try:
        with pytest.raises(LedgerError, match="cannot restore the ledger"):
            put_back(folder, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    assert not path.exists()
    assert put_back(folder, path) is not None


def test_a_place_that_takes_no_ledger_is_an_error_that_names_it(
    lite: Ledger, path: Path, folder: Path
) -> None:
    folder.parent.mkdir()
    back_up(path, folder, DAY)
    (path.parent / "taken").mkdir()
    with pytest.raises(LedgerError, match=r"cannot use the ledger .*taken"):
        put_back(folder, path.parent / "taken")
    assert lite.write(records.cover, "shop", DAY, DAY) == 1

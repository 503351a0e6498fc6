"""The ledger's file: where it may lie, who may read it, and what becomes of one that is not right."""

from __future__ import annotations

import fcntl
import os
import socket
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from ledger_cases import DAY, NOW, covered, failed, half_done, row_of, running

from reportsync.errors import LedgerError
from reportsync.ledger import (
    Ledger,
    open_reading,
    open_writing,
    overview,
    place,
    queries,
    records,
    sqlite_path,
)
from reportsync.service.mending import Mended
from reportsync.service.rebuild import Wanted, make_whole
from reportsync.settings import App, Config, Storage
from reportsync.store import Store

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
36 22 0:31 / /mnt/share rw,relatime shared:2 master:1 - nfs4 server:/x rw
37 36 8:2 / /mnt/share/local rw - xfs /dev/sdb1 rw
38 22 0:32 / /mnt/a\\040b rw - cifs //server/x rw
39 22 0:33 / /mnt/over rw - nfs4 server:/y rw
40 22 8:3 / /mnt/over rw - ext4 /dev/sdc1 rw
a line that is none
"""


@contextmanager
def mask(bits: int) -> Iterator[None]:
    before = os.umask(bits)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_fault_31_a_folder_that_somebody_keeps_locked_holds_nobody_up_for_ever(path: Path) -> None:
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(LedgerError, match="locked by another process") as caught:
            open_writing(f"sqlite:///{path}", lock_wait=0.1)
        assert "fuser" in (caught.value.hint or "")
        assert not path.exists()
    finally:
        os.close(descriptor)
    open_writing(f"sqlite:///{path}", lock_wait=0.1).close()


def test_the_ledger_is_for_its_owner_alone_whatever_the_umask(path: Path) -> None:
    with mask(0), open_writing(f"sqlite:///{path}") as ledger:
        covered(ledger)
        journal = path.with_name("ledger.db-journal")

        def look(connection: sa.Connection) -> int:
            records.cover(connection, "shop", DAY, DAY.replace(day=20))
            return mode(journal)

        assert ledger.write(look) == 0o600
        assert mode(path) == 0o600


def test_missing_folders_are_created(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "ledger.db"
    open_writing(f"sqlite:///{path}").close()
    assert path.exists()


def test_odd_letters_in_the_path_are_just_letters(tmp_path: Path) -> None:
    path = tmp_path / "100%25 #1?mode=ro&x='é" / "ledger.db"
    with open_writing(f"sqlite:///{path}") as ledger:
        covered(ledger)
    with open_reading(f"sqlite:///{path}") as ledger:
        assert row_of(ledger).state == "missing"


def test_only_sqlite_addresses_name_a_file() -> None:
    assert sqlite_path("sqlite:////var/lib/ledger.db") == Path("/var/lib/ledger.db")
    assert sqlite_path("postgresql+psycopg://host/db") is None


@pytest.mark.parametrize("open_it", [open_writing, open_reading])
def test_fault_31_what_is_not_sqlite_is_refused_and_left_as_it_is(
    path: Path, open_it: Callable[[str], Ledger]
) -> None:
    path.write_bytes(b"not a database at all")
    with pytest.raises(LedgerError, match="is not an SQLite database") as caught:
        open_it(f"sqlite:///{path}")
    assert "reportsync repair" in str(caught.value.hint)
    assert path.read_bytes() == b"not a database at all"


def test_fault_31_of_zero_bytes_a_reader_makes_nothing_and_a_writer_a_ledger(path: Path) -> None:
    path.touch(0o600)
    with open_reading(f"sqlite:///{path}") as ledger:
        assert ledger.read(queries.archive_id) is None
    assert path.stat().st_size == 0
    with open_writing(f"sqlite:///{path}") as ledger:
        covered(ledger)
    assert path.stat().st_size > 0


@pytest.mark.parametrize("open_it", [open_writing, open_reading])
def test_fault_31_a_damaged_ledger_is_an_error_with_a_remedy_and_is_not_touched(
    path: Path, open_it: Callable[[str], Ledger]
) -> None:
    open_writing(f"sqlite:///{path}").close()
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * (path.stat().st_size - 100))
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="cannot be used") as caught:
        open_it(f"sqlite:///{path}")
    assert "reportsync repair" in str(caught.value.hint)
    assert path.read_bytes() == before


def test_fault_31_a_damaged_ledger_is_set_aside_with_its_journal(tmp_path: Path) -> None:
    path = tmp_path / "100%25" / "ledger.db"
    open_writing(f"sqlite:///{path}").close()
    journal = path.with_name("ledger.db-journal")
    config = config_of(path)
    store = Store(config.storage.archive, 0)
    told: list[Mended] = []
    make_whole(config, store, clock, Wanted(), told.append)
    assert (told, path.exists()) == ([], True)
    path.write_bytes(b"garbage")
    journal.write_bytes(b"old pages")
    make_whole(config, store, clock, Wanted(), told.append)
    assert sorted(entry.name for entry in path.parent.iterdir()) == [
        "ledger.db.damaged-20260310T120000Z",
        "ledger.db.damaged-20260310T120000Z-journal",
    ]
    assert [one.action for one in told] == ["set the ledger aside"]


def clock() -> datetime:
    return NOW


def config_of(path: Path) -> Config:
    app = App(
        name="shop", app_id="A1", secret_key=("no-real-key",), base_url="https://example.com",
        since=DAY,
    )  # fmt: skip
    storage = Storage(archive=path.parent / "archive", ledger=f"sqlite:///{path}")
    return Config(apps=(app,), storage=storage)


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_fault_31_a_ledger_deleted_or_replaced_while_open_takes_no_more_commits(
    path: Path, lite: Ledger, how: str
) -> None:
    covered(lite)
    path.rename(path.with_name("moved.db"))
    if how == "replaced":
        open_writing(f"sqlite:///{path}").close()
    with pytest.raises(LedgerError, match=f"was {how} while in use"):
        failed(lite)
    moved = open_reading(f"sqlite:///{path.with_name('moved.db')}")
    with moved:
        assert row_of(moved).attempts == 0
    if how == "replaced":
        with open_reading(f"sqlite:///{path}") as other:
            assert other.read(overview.known, ["shop"])["shop"].missing == ()


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_fault_31_a_ledger_deleted_or_replaced_in_the_midst_of_a_write_says_so_and_commits_nothing(
    path: Path, lite: Ledger, how: str
) -> None:
    # By then SQLite has opened its journal, and would not notice any more.
    covered(lite)
    moved = path.with_name("moved.db")

    def write(connection: sa.Connection) -> None:
        records.cover(connection, "shop", DAY, DAY.replace(day=9))
        path.rename(moved)
        if how == "replaced":
            path.touch()

    with pytest.raises(LedgerError, match=f"was {how} while in use"):
        lite.write(write)
    with open_reading(f"sqlite:///{moved}") as ledger:
        assert len(ledger.read(overview.known, ["shop"])["shop"].missing) == 1


def test_a_ledger_whose_folder_has_become_something_else_takes_no_more_commits(
    tmp_path: Path,
) -> None:
    path = tmp_path / "folder" / "ledger.db"
    with open_writing(f"sqlite:///{path}") as ledger:
        covered(ledger)
        path.parent.rename(tmp_path / "moved")
        path.parent.touch()
        with pytest.raises(LedgerError, match="cannot use the ledger"):
            failed(ledger)


@pytest.mark.parametrize("open_it", [open_writing, open_reading])
def test_fault_22_a_place_that_cannot_be_used_is_an_error_that_names_it(
    tmp_path: Path, open_it: Callable[[str], Ledger]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match=r"cannot use the ledger .*file") as caught:
        open_it(f"sqlite:///{tmp_path / 'file' / 'ledger.db'}")
    assert "storage.ledger" in str(caught.value.hint)


def test_fault_22_a_ledger_that_is_a_folder_is_an_error_that_names_it(path: Path) -> None:
    path.mkdir()
    with pytest.raises(LedgerError, match=str(path)):
        open_writing(f"sqlite:///{path}")


def test_fault_31_a_lock_held_by_another_process_is_told_after_the_wait(path: Path) -> None:
    url = f"sqlite:///{path}"
    open_writing(url).close()
    script = """
import sqlite3
connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
say("locked")
sys.stdin.readline()
"""
    with running(script, url):
        for open_it in (open_writing, open_reading):
            with pytest.raises(LedgerError, match="locked") as caught:
                open_it(url, lock_wait=0.1)
            assert f"fuser {path}" in str(caught.value.hint)
    open_writing(url).close()


@pytest.mark.parametrize(
    ("place_of_it", "kind"),
    [
        ("/srv/ledger", "ext4"),
        ("/mnt/share", "nfs4"),
        ("/mnt/share/deep/down", "nfs4"),
        ("/mnt/shared", "ext4"),
        ("/mnt/share/local/x", "xfs"),
        ("/mnt/a b/x", "cifs"),
        ("/mnt/over", "ext4"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_the_nearest_mount(
    place_of_it: str, kind: str
) -> None:
    assert place.file_system(Path(place_of_it), MOUNTS) == kind


def test_a_network_disk_is_refused_and_a_local_one_is_not() -> None:
    with pytest.raises(LedgerError, match=r"network file system \(nfs4\)") as caught:
        place.refuse_network(Path("/mnt/share/x"), MOUNTS)
    assert "postgresql" in str(caught.value.hint)
    place.refuse_network(Path("/mnt/share/local/x"), MOUNTS)
    place.refuse_network(Path("/srv"), "")


def test_a_reader_writes_nothing_and_can_write_nothing(path: Path, lite: Ledger) -> None:
    covered(lite)
    before, entries = path.read_bytes(), sorted(path.parent.iterdir())
    with open_reading(f"sqlite:///{path}") as reader:
        assert row_of(reader).state == "missing"
        with pytest.raises(LedgerError, match="readonly"):
            reader.write(records.cover, "shop", DAY, DAY.replace(day=9))
    assert (path.read_bytes(), sorted(path.parent.iterdir())) == (before, entries)


def test_a_reader_of_nothing_leaves_nothing(path: Path) -> None:
    with open_reading(f"sqlite:///{path}") as reader:
        assert reader.read(queries.stale_years) == []
    assert list(path.parent.iterdir()) == []


def test_a_reader_sees_the_last_commit_while_a_writer_is_at_work(path: Path, lite: Ledger) -> None:
    go, begun = threading.Event(), threading.Event()

    def work(connection: sa.Connection) -> None:
        records.cover(connection, "shop", DAY, DAY)
        begun.set()
        assert go.wait(10)

    writer = threading.Thread(target=lite.write, args=(work,))
    writer.start()
    assert begun.wait(10)
    with open_reading(f"sqlite:///{path}") as reader:
        assert reader.read(overview.known, ["shop"])["shop"].missing == ()
        go.set()
        writer.join()
        assert len(reader.read(overview.known, ["shop"])["shop"].missing) == 1


def test_fault_25_what_a_kill_in_a_commit_left_half_done_is_undone_by_the_next_reader(
    path: Path,
) -> None:
    half_done(path)
    with open_reading(f"sqlite:///{path}") as ledger:
        assert row_of(ledger).attempts == 0
        assert {row.reason for row in ledger.read(overview.known, ["shop"])["shop"].missing} == {
            None
        }
    assert not path.with_name("ledger.db-journal").exists()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.tool()
def test_a_server_that_cannot_be_used_is_an_error_without_the_password(postgres_url: str) -> None:
    url = sa.make_url(postgres_url.replace("postgresql:", "postgresql+psycopg:", 1))
    wrong = url.set(database="no_such_database", password="a-password-that-is-none")
    for open_it in (open_writing, open_reading):
        with pytest.raises(LedgerError, match="the ledger's database cannot be used") as caught:
            open_it(wrong.render_as_string(hide_password=False))
        assert "a-password" not in f"{caught.value.message} {caught.value.hint}"
        assert caught.value.__cause__ is None


@pytest.mark.tool()
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_why_a_server_ended_a_connection_is_told_and_the_next_write_has_another(
    ledger: Ledger, postgres_url: str
) -> None:
    def ended_within(connection: sa.Connection) -> None:
        import psycopg

        (process,) = connection.execute(sa.text("SELECT pg_backend_pid()")).one()
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (process,))
        records.mark_stale(connection, "shop", DAY.year)

    with pytest.raises(LedgerError, match="terminating connection due to administrator command"):
        ledger.write(ended_within)
    ledger.write(records.mark_stale, "shop", DAY.year)
    assert len(ledger.read(queries.stale_years)) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("postgres_server")  # for its driver
def test_a_database_server_that_never_answers_holds_nobody_up_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://me@127.0.0.1:{silent.getsockname()[1]}/ledger"
        for open_ledger in (open_reading, open_writing):
            with pytest.raises(LedgerError, match="the ledger's database cannot be used"):
                open_ledger(url, lock_wait=1)

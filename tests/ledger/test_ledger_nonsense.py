"""Ledgers with something in them that nobody writes: told as damage, with a remedy, and never as a bug."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from ledger_cases import NOW, REPORT, covered, stored

from reportsync.errors import LedgerError
from reportsync.ledger import (
    Ledger,
    backup,
    open_reading,
    open_writing,
    overview,
    place,
    queries,
    salvage,
    soundness,
)
from reportsync.model import Report

OPENERS = pytest.mark.parametrize("open_it", [open_writing, open_reading])


def change(path: Path, *statements: str) -> None:
    """Make a ledger with a waiver, and change it behind the program's back."""
    with open_writing(f"sqlite:///{path}") as ledger:
        covered(ledger)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            connection.execute(statement)


WAIVER = (
    "INSERT INTO waivers VALUES (1, 'shop', {}, '2026-03-09', 'why', 'who', '2026-03-01T00:00:00.000000Z', "
    "NULL, NULL)"
)


@pytest.mark.parametrize("value", ["1", "x'00ff'", "'2026-02-30'", "'2026-13-01'", "''"])
def test_a_day_that_is_none_is_told_as_damage(path: Path, value: str) -> None:
    change(path, WAIVER.format(value))
    with (
        open_reading(f"sqlite:///{path}") as ledger,
        pytest.raises(LedgerError, match="makes no sense") as caught,
    ):
        ledger.read(overview.known, ["shop"])
    assert caught.value.hint == place.REPAIR_HINT
    assert "waivers" in str(soundness.damage(path)), "and so a repair leaves that row out"


def test_a_line_break_in_a_neighbour_s_row_is_no_bug_of_whoever_records(path: Path) -> None:
    day = REPORT.day + timedelta(days=1)
    with open_writing(f"sqlite:///{path}") as ledger:
        covered(ledger, last=day)
        stored(ledger)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE archives SET day = replace(day, '-', char(13))")  # one bit less
    with open_writing(f"sqlite:///{path}") as ledger:
        stored(ledger, Report("shop", day))
        row = ledger.read(queries.report_row, Report("shop", day))
    assert row is not None
    assert row.state == "stored"


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b"CHECK (length(reason)", b"CHECK (lengtx(reason)"),
        (b"CREATE TABLE sqlite_sequence(", b"CREATE TABLE Sqlite_sequence("),
    ],
)
def test_fault_31_a_schema_that_can_be_read_and_not_written_to_is_damage(
    path: Path, was: bytes, becomes: bytes
) -> None:
    change(path)
    data = path.read_bytes()
    assert data.count(was) == 1
    path.write_bytes(data.replace(was, becomes))
    assert soundness.damage(path) is not None
    assert not soundness.is_whole(path)


def test_fault_31_a_schema_that_is_a_blob_is_damage(path: Path) -> None:
    change(
        path,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = CAST(sql AS BLOB) WHERE name = 'waivers'",
    )
    assert "no text" in str(soundness.damage(path))
    assert not soundness.is_whole(path)


def test_fault_31_a_schema_with_a_byte_of_no_text_is_damage_and_gives_nothing(
    path: Path, tmp_path: Path
) -> None:
    change(path)
    data = path.read_bytes()
    at = data.index(b"CREATE TABLE reports") + len("CREATE T")
    path.write_bytes(data[:at] + b"\xc9" + data[at + 1 :])
    for open_it in (open_writing, open_reading):
        with pytest.raises(LedgerError) as caught:
            open_it(f"sqlite:///{path}")
        assert caught.value.hint == place.REPAIR_HINT
    assert "malformed" in str(soundness.damage(path))
    assert not soundness.is_whole(path)
    (tmp_path / "copy").mkdir()
    assert salvage.read(path, tmp_path / "copy") == {}
    with pytest.raises(LedgerError, match="is damaged"):
        backup.back_up(path, tmp_path / "backups", NOW.date())


@OPENERS
def test_a_ledger_that_says_twice_which_schema_it_has_is_damaged(
    path: Path, open_it: Callable[[str], Ledger]
) -> None:
    change(path, "INSERT INTO alembic_version VALUES ('0000')")
    with pytest.raises(LedgerError, match="twice") as caught:
        open_it(f"sqlite:///{path}")
    assert caught.value.hint == place.REPAIR_HINT
    assert soundness.damage(path) is not None, "and so a repair replaces it"


@OPENERS
def test_a_schema_that_never_was_is_refused(path: Path, open_it: Callable[[str], Ledger]) -> None:
    change(path, "UPDATE alembic_version SET version_num = '0000'")
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="schema 0000"):
        open_it(f"sqlite:///{path}")
    assert path.read_bytes() == before


@OPENERS
@pytest.mark.parametrize("said", ["'zzz'", "'0001 '", "x'30303031'", "''"])
def test_a_schema_that_is_no_number_beside_tables_of_ours_is_damage(
    path: Path, open_it: Callable[[str], Ledger], said: str
) -> None:
    change(path, f"UPDATE alembic_version SET version_num = {said}")
    with pytest.raises(LedgerError, match="does not say which schema") as caught:
        open_it(f"sqlite:///{path}")
    assert caught.value.hint == place.REPAIR_HINT
    assert "by no number" in str(soundness.damage(path)), "and so a repair replaces it"


@pytest.mark.parametrize("name", ["''", "'../../etc'", "char(27) || '[2J'", "hex(zeroblob(9000))"])
def test_a_row_of_an_app_that_no_app_can_be_called_makes_no_sense(path: Path, name: str) -> None:
    change(path, f"UPDATE reports SET app = {name} WHERE day = (SELECT min(day) FROM reports)")
    assert "1 of reports" in str(soundness.damage(path))


def test_a_database_with_nothing_in_it_is_a_lost_ledger(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE x (y); DROP TABLE x;")
    assert path.stat().st_size > 0
    assert place.looks_like_sqlite(path) is None
    asked: list[Path] = []
    open_writing(f"sqlite:///{path}", restore=lambda lost: bool(asked.append(lost))).close()
    assert asked == [path]


def test_what_a_write_ahead_log_or_a_journal_may_still_bring_is_not_taken_for_nothing(
    path: Path,
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript("CREATE TABLE x (y); DROP TABLE x;")
    assert place.looks_like_sqlite(path) is True
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    assert place.looks_like_sqlite(path) is None
    path.with_name(f"{path.name}-journal").write_bytes(b"x")
    assert place.looks_like_sqlite(path) is True


@OPENERS
def test_fault_31_a_ledger_cut_inside_its_header_is_damaged(
    path: Path, open_it: Callable[[str], Ledger]
) -> None:
    change(path)
    for length in (99, 40, 16):
        path.write_bytes(path.read_bytes()[:length])
        with pytest.raises(LedgerError) as caught:
            open_it(f"sqlite:///{path}")
        assert caught.value.hint == place.REPAIR_HINT
        assert soundness.damage(path) is not None


@OPENERS
def test_fault_31_a_pipe_in_its_place_is_refused_and_neither_waited_for_nor_changed(
    path: Path, open_it: Callable[[str], Ledger]
) -> None:
    os.mkfifo(path, 0o644)
    for where in (path, path.with_name("link.db")):
        if where != path:
            where.symlink_to(path)
        with pytest.raises(LedgerError, match="not a plain file"):
            open_it(f"sqlite:///{where}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert stat.S_ISFIFO(path.stat().st_mode)

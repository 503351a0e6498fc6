"""A new ledger has the schema that the migrations come to; what is not ours or newer is left as it is."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from ledger_cases import DAY, contents, covered, running, stored

import reportsync
from reportsync.errors import LedgerError
from reportsync.ledger import Ledger, migrate, open_reading, open_writing, salvage
from reportsync.ledger.tables import metadata
from reportsync.model import ONE_DAY

OPEN = """
say("ready")
sys.stdin.readline()
with open_writing(url) as ledger:
    say(ledger.read(lambda connection: len(connection.execute(sa.text("SELECT * FROM facts")).all())))
sys.stdin.readline()
"""


def shape(connection: sa.Connection) -> dict[str, Any]:
    """Return tables, columns, keys, checks and indexes as the database tells them."""
    seen = sa.inspect(connection)
    return {
        name: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in seen.get_columns(name)],
            seen.get_pk_constraint(name)["constrained_columns"],
            sorted((check["name"], check["sqltext"]) for check in seen.get_check_constraints(name)),
            sorted((key["name"], key["column_names"]) for key in seen.get_unique_constraints(name)),
            sorted(
                (index["name"], index["column_names"], " ".join(map(str, index["dialect_options"].values())))
                for index in seen.get_indexes(name)
            ),
        )
        for name in sorted(seen.get_table_names())
    }  # fmt: skip


def test_readers_know_the_newest_migration_without_alembic() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == migrate.HEAD


def differences(connection: sa.Connection) -> Any:
    return compare_metadata(MigrationContext.configure(connection), metadata)


def test_a_new_ledger_needs_no_migrations(ledger: Ledger) -> None:
    assert ledger.read(differences) == []
    assert ledger.read(migrate.version) == migrate.HEAD


def test_migrating_an_empty_database_gives_the_tables_of_a_new_ledger(url: str) -> None:
    with open_writing(url) as ledger:
        new = ledger.read(shape)
        ledger.write(metadata.drop_all)
        ledger.write(migrate._VERSIONS.drop)
    old_ledger(url, "head")
    with open_reading(url) as ledger:
        migrated = ledger.read(shape)
        assert ledger.read(differences) == []
    assert migrated == new
    assert "'missing'" in migrated["reports"][4][0][2]
    assert len(migrated["archives"][2]) >= 2


def old_ledger(url: str, version: str) -> None:
    """Make a ledger of an earlier schema, with a stored report and a missing one."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)
        covered(Connected(connection), last=DAY + ONE_DAY)
        stored(Connected(connection))
    engine.dispose()


class Connected:
    """Stands for a ledger, on a connection that is open already."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def write(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        return function(self._connection, *args, **kwargs)


@pytest.mark.parametrize("version", sorted(migrate.KNOWN - {migrate.HEAD}))
def test_a_ledger_of_any_earlier_schema_is_upgraded_with_all_that_is_in_it(
    url: str, version: str
) -> None:
    old_ledger(url, version)
    with pytest.raises(LedgerError, match=f"older schema {version}"):
        open_reading(url)
    with open_writing(url) as ledger:
        assert ledger.read(migrate.version) == migrate.HEAD
        migrated, rows = ledger.read(shape), contents(ledger)
        ledger.write(metadata.drop_all)
        ledger.write(metadata.create_all)
        assert ledger.read(shape) == migrated
    assert [len(rows[name]) for name in ("reports", "archives", "attempts")] == [2, 1, 1]


@pytest.mark.parametrize("version", sorted(migrate.KNOWN))
def test_a_damaged_ledger_of_any_schema_gives_what_can_be_read(
    path: Path, tmp_path: Path, version: str
) -> None:
    old_ledger(f"sqlite:///{path}", version)
    (tmp_path / "copy").mkdir()
    found = salvage.read(path, tmp_path / "copy")
    assert [len(found[name].good) for name in ("reports", "archives", "attempts")] == [2, 1, 1]


def test_a_migration_that_breaks_off_leaves_nothing(url: str) -> None:
    engine = sa.create_engine(url)

    @sa.event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: Any) -> None:
        if engine.dialect.name == "sqlite":
            connection.isolation_level = None

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    with pytest.raises(ZeroDivisionError), engine.begin() as connection:
        migrate.upgrade(connection, None)
        assert sa.inspect(connection).get_table_names()
        raise ZeroDivisionError
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == []
    engine.dispose()


@pytest.mark.slow
def test_fault_28_several_processes_may_begin_with_an_empty_database_at_once(url: str) -> None:
    with ExitStack() as stack:
        processes = [stack.enter_context(running(OPEN, url)) for _ in range(4)]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [process.stdout.readline() for process in processes if process.stdout]
    assert answers == ["0\n"] * 4


@pytest.mark.parametrize("open_it", [open_writing, open_reading])
def test_fault_31_a_newer_schema_is_refused_and_left_byte_for_byte(
    path: Path, open_it: Any
) -> None:
    url = f"sqlite:///{path}"
    open_writing(url).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'").close()
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="newer than this program") as caught:
        open_it(url)
    assert "newer reportsync" in str(caught.value.hint)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.tool()
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_newer_schema_on_a_server_is_refused(url: str) -> None:
    with open_writing(url) as ledger:
        newer = sa.text("UPDATE alembic_version SET version_num = '0999'")
        ledger.write(lambda connection: connection.execute(newer))
    for open_it in (open_writing, open_reading):
        with pytest.raises(LedgerError, match="newer than this program"):
            open_it(url)


@pytest.mark.parametrize("version", [None, "00ab12", "ae1027a6acf0", "0001x"])
@pytest.mark.parametrize("open_it", [open_writing, open_reading])
def test_another_program_s_database_is_refused_and_left_byte_for_byte(
    path: Path, open_it: Any, version: str | None
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (n)").close()
        if version is not None:
            connection.execute("CREATE TABLE alembic_version (version_num)").close()
            connection.execute("INSERT INTO alembic_version VALUES (?)", (version,)).close()
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(LedgerError, match=r"another program|no tables of reportsync") as caught:
        open_it(f"sqlite:///{path}")
    assert "storage.ledger" in str(caught.value.hint)
    assert path.read_bytes() == before


def test_an_older_schema_is_for_a_writing_command_to_upgrade(path: Path) -> None:
    url = f"sqlite:///{path}"
    open_writing(url).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'").close()
        connection.commit()
    with pytest.raises(LedgerError, match="older schema 0000") as caught:
        open_reading(url)
    assert "reportsync sync" in str(caught.value.hint)


@pytest.mark.slow
@pytest.mark.parametrize("lacking", sorted(migrate.KNOWN))
def test_fault_21_migrations_that_cannot_be_read_leave_no_ledger_without_tables(
    tmp_path: Path, lacking: str
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(Path(reportsync.__file__).parent, broken / "reportsync")
    (script,) = (broken / "reportsync/ledger/migrations/versions").glob(f"{lacking}_*.py")
    script.unlink()
    url = f"sqlite:///{tmp_path}/ledger.db"
    old_ledger(url, "0001")
    opening = "import sys; from reportsync.ledger import open_writing; open_writing(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", opening, url],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(broken), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"cannot read reportsync's own migrations in {broken}" in done.stderr
    with open_writing(url) as ledger:
        assert ledger.read(migrate.version) == migrate.HEAD

"""A site whose ledger is to be damaged: its backup is older than what the ledger holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pass_world import Here, ago, stand_in, sync

from reportsync.incidents import Seen
from reportsync.ledger import tables, waivers
from reportsync.model import Archive, Report, Waiver
from reportsync.sandbox import Fault, Sandbox
from reportsync.service.announcing import Announcer
from reportsync.service.mending import Mended
from reportsync.service.rebuild import Wanted, make_whole
from reportsync.service.repair import mend
from reportsync.service.sums import back_up
from reportsync.service.world import World
from reportsync.store import Store

DAYS = 8
APP = stand_in("one", DAYS)
TABLES = [table.name for table in tables.metadata.sorted_tables]


@dataclass(frozen=True, slots=True)
class Site:
    """A folder with an archive whose ledger was closed, and what was in it."""

    here: Here
    sandbox: Sandbox
    ledger: Path
    contents: dict[str, set[tuple[object, ...]]]
    in_backup: dict[str, set[tuple[object, ...]]]

    def rebuild(self, wanted: Wanted = Wanted()) -> list[Mended]:  # noqa: B008
        """Do what `repair` does before it opens the ledger."""
        told: list[Mended] = []
        config = self.here.config(self.sandbox, [APP], {})
        store = Store(config.storage.archive, 0)
        make_whole(config, store, self.here.clock, wanted, told.append)
        return told

    @contextmanager
    def mended(self) -> Iterator[World]:
        """Open the world and bring tree and ledger together."""
        with self.here.world(self.sandbox, APP) as world:
            mend(world, world.config.apps, lambda one: None)
            yield world


def read(path: Path) -> dict[str, set[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        return {name: set(connection.execute(f"SELECT * FROM {name}")) for name in TABLES}


def waiver(day: int, here: Here) -> Waiver:
    return Waiver("one", ago(day), ago(day), "switched off", "operator", here.clock.now)


@pytest.fixture
def site(here: Here) -> Iterator[Site]:
    """Yield a site whose ledger holds more than its backup does: a day, attempts, a waiver, an incident."""
    ledger = here.folder / "ledger.db"
    faults = [Fault("404", day=ago(day)) for day in (3, 5)]
    with Sandbox([APP], faults=faults, clock=here.clock) as sandbox:
        with here.world(sandbox, APP) as world:
            sync(world)
            world.ledger.write(waivers.add, waiver(3, here))
            (copy,) = (here.archive / ".ledger").glob("*.db")
            copy.unlink()
            back_up(world)
            here.clock.forward(hours=20)
            assert sync(world)[0].stored == 1
            max((here.archive / ".ledger").glob("*.db")).unlink()
            world.ledger.write(waivers.add, waiver(5, here))
            world.ledger.write(waivers.take_back, "one", ago(3), ago(3), here.clock.now)
            with Announcer(world.config, lambda one: None, pytest.fail) as announcer:
                damaged = Archive(Report("one", ago(2)), 1, 9, "", 1)
                announcer.found(world.ledger, Seen(damaged=frozenset({damaged})))
        sandbox.faults.replace()
        yield Site(here, sandbox, ledger, read(ledger), read(copy))


def root_page(ledger: Path, name: str) -> tuple[int, int]:
    """Return page size and number of the first page of a table."""
    with closing(sqlite3.connect(ledger)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        find = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        (number,) = connection.execute(find, (name,)).fetchone()
    return size, number


def scribble(ledger: Path, start: int, length: int) -> None:
    with ledger.open("r+b") as file:
        file.seek(start)
        file.write(b"\xa5" * length)

"""What a command works with, opened in the right order and closed again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from reportsync.errors import LedgerError, StorageError, UsageProblem
from reportsync.known import Coverage
from reportsync.ledger import (
    Ledger,
    backup,
    open_reading,
    open_writing,
    overview,
    queries,
    sqlite_path,
    upkeep,
)
from reportsync.model import Clock, system_clock
from reportsync.settings import App, Config
from reportsync.sources import Source
from reportsync.stop import Stop
from reportsync.store import Store


@dataclass(frozen=True, slots=True)
class World:
    """Everything that a pass needs.

    `archive_id` is that of the archive folder, `roll` returns a random number from 0 to 1.
    """

    config: Config
    ledger: Ledger
    store: Store
    archive_id: str
    source: Source
    clock: Clock
    stop: Stop
    roll: Callable[[], float]

    def refuse_unmounted(self) -> None:
        """Raise `StorageError` if the archive is gone since it was opened."""
        self.store.require(self.archive_id)

    def refuse_other_ledger(self) -> None:
        """Raise `LedgerError` if another archive's ledger was written over the one that was opened."""
        if self.ledger.read(queries.archive_id) != self.archive_id:
            raise LedgerError(
                f"the ledger {self.ledger.path or ''} is not the one of {self.store.root} any more",
                hint="put the right one back, or run: reportsync repair --restore",
            )


@contextmanager
def open_world(
    config: Config,
    stop: Stop,
    clock: Clock = system_clock,
    roll: Callable[[], float] = random.random,
    restored: Callable[[Path], None] = lambda backup: None,
) -> Iterator[World]:
    """Open ledger, archive folder and source for writing, creating what a first run needs.

    `restored` is told as by `open_ledger`. Raises `StorageError` if the folder or the ledger cannot be used.
    """
    store = Store(config.storage.archive, config.storage.min_free)
    with open_ledger(config, store, restored) as ledger:
        remembered = ledger.read(queries.archive_id)
        if remembered is None and _had_a_ledger(store):
            ledger.write(upkeep.number_arrivals_on, clock())
        found = store.open(remembered)
        if found != remembered:
            ledger.write(upkeep.remember_archive, found)
        with open_source(config, stop, clock) as source:
            yield World(config, ledger, store, found, source, clock, stop, roll)


@contextmanager
def open_source(config: Config, stop: Stop, clock: Clock) -> Iterator[Source]:
    """Open the way to the vendor's API."""
    from reportsync.sources.daily import DailySource  # heavy, and not needed by those who look

    source = DailySource(config.http, stop, clock)
    try:
        yield source
    finally:
        source.close()


def _had_a_ledger(store: Store) -> bool:
    """Say whether a ledger of this archive was lost: it is marked as ours, and holds reports."""
    return store.look() is not None and next(store.walk(), None) is not None


def open_ledger(
    config: Config,
    store: Store | None = None,
    restored: Callable[[Path], None] = lambda backup: None,
) -> Ledger:
    """Open the ledger for writing; a lost one is first restored from its newest backup in the archive.

    `restored` is told the backup that took its place, also where the ledger then cannot be opened.
    """
    store = store or Store(config.storage.archive, config.storage.min_free)
    found: list[Path] = []

    def restore(path: Path) -> bool:
        newest = backup.put_back(store.backups, path, store.look())
        found.extend([] if newest is None else [newest])
        return newest is not None

    try:
        return open_writing(config.storage.ledger, store.make_durable, restore)
    finally:
        for newest in found:
            restored(newest)


@contextmanager
def look(config: Config) -> Iterator[Ledger]:
    """Open the ledger for a command that only looks; before the first pass it is an empty one."""
    with open_reading(config.storage.ledger) as ledger:
        yield ledger


def absent_archive(config: Config, ledger: Ledger) -> StorageError | None:
    """Return why the archive that `ledger` is about cannot be used; None if it is there. Writes nothing."""
    remembered = ledger.read(queries.archive_id)
    store = Store(config.storage.archive, config.storage.min_free)
    try:
        if remembered is not None:
            store.require(remembered)
    except StorageError as error:
        return error
    return None


def chosen(config: Config, names: Sequence[str]) -> tuple[App, ...]:
    """Return the apps called `names`, all of them if there are none; `UsageProblem` for an unknown one."""
    known = {app.name: app for app in config.apps}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageProblem(
            f"no app is called {', '.join(unknown)}", hint=f"the config has: {', '.join(known)}"
        )
    return tuple(known[name] for name in dict.fromkeys(names)) if names else config.apps


def coverages(ledger: Ledger, apps: Sequence[App], now: datetime) -> list[Coverage]:
    """Return the coverage of each of `apps` at `now`, read on one view of the ledger."""
    return ledger.read(overview.coverages, apps, now)


def ledger_file(config: Config) -> Path | None:
    """Return the file of an SQLite ledger, None for a database server."""
    return sqlite_path(config.storage.ledger)

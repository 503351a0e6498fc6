"""Re-hash what is on disk against what the ledger says, all of it or what was verified longest ago."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice

from sqlalchemy import Connection

from reportsync.errors import StorageError
from reportsync.ledger import queries, records, rounds
from reportsync.ledger.queries import HeldArchive
from reportsync.ledger.rounds import Round
from reportsync.service.judge import Checked, Found, judge
from reportsync.service.world import World, look
from reportsync.settings import Config
from reportsync.store import Store

_GROUP_SECONDS = 2.0
"""How long found-right instants are gathered before they are written together."""

_GROUP = 64
"""How many of them at most: each keeps a file open."""

_CHUNK = 100

MOST_UNREADABLE = 10
"""After so many archives that the disk does not give it is the disk, and no more are tried."""


def nothing_kept(config: Config) -> bool:
    """Say whether there is neither an archive nor a ledger that knows of one: before the first pass."""
    if Store(config.storage.archive, config.storage.min_free).look() is not None:
        return False
    with look(config) as ledger:
        return ledger.read(queries.archive_id) is None


def verify(
    world: World,
    names: Sequence[str] | None,
    since: date | None,
    oldest: int | None,
    tell: Callable[[Checked], None],
) -> None:
    """Re-hash the held archives of the apps `names` (None: all) from the day `since` on.

    With `oldest` only that many, those verified longest ago first, so that repeated calls go round; what
    another process is just verifying so is left to it. `tell(checked)` is called after each, and none is
    kept: there may be millions. Notes in the ledger when each was found right. Raises `Stopped` when asked
    to stop, what was verified until then being noted, and `StorageError` if the archive is not there or the
    disk gives too little of it.
    """
    unreadable: list[StorageError] = []
    with Notes(world) as notes:
        for row in _rows(world, names, since, oldest, notes):
            found = checked(world, row, world.stop.check)
            tell(found)
            notes.add(row, found)
            refuse_dead_disk(unreadable, found)


def _rows(
    world: World, names: Sequence[str] | None, since: date | None, oldest: int | None, notes: Notes
) -> Iterator[HeldArchive]:
    if oldest is None:
        yield from held_archives(world, names, since)
        return
    about = Round(world.clock(), tuple(names) if names else None, since)
    ours = (row for row in longest_ago(world, about) if notes.reserve(row))
    yield from islice(ours, oldest)


def held_archives(
    world: World, names: Sequence[str] | None, since: date | None = None
) -> Iterator[HeldArchive]:
    """Yield the held archives of the apps `names` (None: all) from the day `since` on, in order.

    Keeps those of one app at a time.
    """
    for name in names or world.ledger.read(queries.apps_with_archives):
        yield from world.ledger.read(queries.held_archives, name, since)


def checked(world: World, row: HeldArchive, check_stop: Callable[[], None]) -> Checked:
    """Re-hash one archive; `StorageError` if the whole archive folder is gone."""
    found = judge(world.store, row.archive, check_stop)
    if found.found is Found.LOST:
        world.refuse_unmounted()
    return found


def refuse_dead_disk(unreadable: list[StorageError], found: Checked) -> None:
    """Add to `unreadable` why an archive cannot be read; raise that once there are too many."""
    if found.error is None:
        return
    unreadable.append(found.error)
    if len(unreadable) >= MOST_UNREADABLE:
        raise found.error


def first_unreadable(found: Iterable[Checked]) -> StorageError | None:
    """Return why the first archive that cannot be read cannot, None if all can."""
    return next((one.error for one in found if one.error is not None), None)


def longest_ago(world: World, about: Round) -> Iterator[HeldArchive]:
    """Yield the archives of a round, those verified longest ago first.

    Before them those of which a clock that was ahead says that it verified them: they would never come.
    """
    yield from world.ledger.read(rounds.verified_ahead, about, world.clock(), _CHUNK)
    last, limit = None, 1  # many ask for the first one alone
    while rows := world.ledger.read(rounds.verified_longest_ago, about, last, limit):
        yield from rows
        last, limit = rows[-1], _CHUNK


@dataclass(slots=True)
class Notes:
    """Gathers when archives were found right, and writes that in groups; what is left at the end."""

    world: World
    _right: list[tuple[HeldArchive, datetime]] = field(default_factory=list)
    _held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _written: float = field(default_factory=time.monotonic)

    def __enter__(self) -> Notes:
        return self

    def __exit__(self, *_: object) -> None:
        self.write()

    def reserve(self, row: HeldArchive) -> bool:
        """Say whether `row` is left to us: nobody else is reading it, or has just done so.

        It is reserved until what was found is written.
        """
        archive = row.archive
        reserved = self.world.store.reserved(archive.report, archive.version)
        try:
            free = self._held.enter_context(reserved)
        except StorageError:  # which reading it will tell
            return True
        return free and self.world.ledger.read(rounds.last_verified, row.number) == row.verified

    def add(self, row: HeldArchive, found: Checked) -> None:
        """Take in what was found."""
        if found.found is Found.OK:
            self._right.append((row, self.world.clock()))
        if len(self._right) >= _GROUP or time.monotonic() - self._written > _GROUP_SECONDS:
            self.write()

    def write(self) -> None:
        """Write what was gathered, and give up what was reserved."""
        with self._held.pop_all():
            if self._right:
                self.world.ledger.write(_set_verified, tuple(self._right))
                self._right.clear()
        self._written = time.monotonic()


def _set_verified(connection: Connection, right: Iterable[tuple[HeldArchive, datetime]]) -> None:
    for row, instant in right:
        records.set_verified(connection, row.archive.report, row.archive.version, instant)

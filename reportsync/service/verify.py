"""Re-hash what is on disk against what the ledger says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import Connection

from reportsync.ledger import queries, records
from reportsync.ledger.queries import HeldArchive
from reportsync.model import Archive
from reportsync.service.world import World, look
from reportsync.settings import Config
from reportsync.stop import Stop
from reportsync.store import Store

_GROUP_SECONDS = 2.0
"""How long found-right instants are gathered before they are written together."""


class Found(StrEnum):
    """What became of an archive that the ledger says is held."""

    OK = "ok"
    DAMAGED = "damaged"
    LOST = "lost"


def nothing_kept(config: Config) -> bool:
    """Say whether there is neither an archive nor a ledger that knows of one: before the first pass."""
    if Store(config.storage.archive, config.storage.min_free).look() is not None:
        return False
    with look(config) as ledger:
        return ledger.read(queries.archive_id) is None


@dataclass(frozen=True, slots=True)
class Checked:
    """One archive, re-hashed."""

    archive: Archive
    found: Found


def re_hash(store: Store, archive: Archive, stop: Stop) -> Found:
    """Read the file of `archive` and compare size and SHA-256; raise `StorageError` if it cannot be read."""
    try:
        size, sha256 = store.digest(archive.report, archive.version, stop.check)
    except FileNotFoundError:
        return Found.LOST
    return Found.OK if (size, sha256) == (archive.size, archive.sha256) else Found.DAMAGED


def verify(
    world: World,
    names: Sequence[str] | None,
    since: date | None,
    oldest: int | None,
    tell: Callable[[int, Checked], None],
) -> list[Checked]:
    """Re-hash the held archives of the apps `names` (None: all) from the day `since` on.

    With `oldest` only that many, those verified longest ago first, so that repeated calls go round.
    `tell(total, checked)` is called after each. Notes in the ledger when each was found right. Raises
    `Stopped` when asked to stop; what was verified until then is noted.
    """
    rows = world.ledger.read(queries.held_archives, names, since, oldest)
    result: list[Checked] = []
    right: list[tuple[HeldArchive, datetime]] = []
    noted = time.monotonic()
    try:
        for row in rows:
            checked = Checked(row.archive, re_hash(world.store, row.archive, world.stop))
            result.append(checked)
            tell(len(rows), checked)
            if checked.found is Found.OK:
                right.append((row, world.clock()))
            if time.monotonic() - noted > _GROUP_SECONDS:
                _note(world, right)
                noted = time.monotonic()
    finally:
        _note(world, right)
    return result


def _note(world: World, right: list[tuple[HeldArchive, datetime]]) -> None:
    if right:
        world.ledger.write(_set_verified, tuple(right))
        right.clear()


def _set_verified(connection: Connection, right: Iterable[tuple[HeldArchive, datetime]]) -> None:
    for row, instant in right:
        records.set_verified(connection, row.archive.report, row.archive.version, instant)

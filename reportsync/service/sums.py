"""Bring SHA256SUMS up to date with the ledger, and keep a backup of the ledger beside the archive."""

from __future__ import annotations

from reportsync.ledger import backup, queries, upkeep
from reportsync.service.world import World, ledger_file
from reportsync.store import Obstructed


def write_sums(world: World) -> int:
    """Write each SHA256SUMS that is behind, also those that a crash left so; return how many.

    Raises `StorageError`; if one cannot be written for what stands in its place, after all others.
    """
    if not world.ledger.read(queries.stale_years):
        return 0
    with world.store.lock():
        behind = world.ledger.read(queries.stale_years)
        obstructed = None
        for app, year, serial in behind:
            try:
                _write_year(world, app, year)
            except Obstructed as error:  # which says nothing about the other apps
                obstructed = obstructed or error
            else:
                world.ledger.write(upkeep.sums_written, app, year, serial)
    if obstructed is not None:
        raise obstructed
    return len(behind)


def _write_year(world: World, app: str, year: int) -> None:
    rows = [row.archive for row in world.ledger.read(queries.year_sums, app, year)]
    entries = [(row.sha256, world.store.path(row.report, row.version).name) for row in rows]
    world.store.write_sums(app, year, entries)


def back_up(world: World) -> None:
    """Keep today's backup of an SQLite ledger in the archive; costs one look if it is there."""
    path = ledger_file(world.config)
    if path is not None:
        world.refuse_unmounted()  # lest it lie under the mount point, out of sight
        backup.back_up(path, world.store.backups, world.clock().date())

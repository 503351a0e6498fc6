"""Bring SHA256SUMS up to date with the ledger, and keep a backup of the ledger beside the archive."""

from __future__ import annotations

from reportsync.ledger import backup, queries, upkeep
from reportsync.service.world import World, ledger_file


def write_sums(world: World) -> int:
    """Write each SHA256SUMS that is behind, also those that a crash left so; return how many."""
    if not world.ledger.read(queries.stale_years):
        return 0
    with world.store.lock():
        behind = world.ledger.read(queries.stale_years)
        for app, year, serial in behind:
            rows = [row.archive for row in world.ledger.read(queries.year_sums, app, year)]
            entries = [(row.sha256, world.store.path(row.report, row.version).name) for row in rows]
            world.store.write_sums(app, year, entries)
            world.ledger.write(upkeep.sums_written, app, year, serial)
    return len(behind)


def back_up(world: World) -> None:
    """Keep today's backup of an SQLite ledger in the archive; costs one look if it is there."""
    path = ledger_file(world.config)
    if path is not None:
        backup.back_up(path, world.store.backups, world.clock().date())

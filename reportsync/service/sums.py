"""Bring SHA256SUMS up to date with the ledger, and keep a backup of the ledger beside the archive."""

from __future__ import annotations

from datetime import date

from reportsync.errors import StorageError
from reportsync.ledger import backup, queries, upkeep
from reportsync.model import Report
from reportsync.service.world import World, ledger_file
from reportsync.settings import Config
from reportsync.store import Obstructed, Store, archive_name


def write_sums(world: World) -> int:
    """Write each SHA256SUMS that is behind, also those that a crash left so; return how many.

    Raises `StorageError`; if one cannot be written for what stands in its place, after all others.
    """
    if not world.ledger.read(queries.stale_years):
        return 0
    with world.store.lock():
        behind = world.ledger.read(queries.stale_years)
        obstructed, written = None, []
        for app, year, serial in behind:
            try:
                _write_year(world, app, year)
            except Obstructed as error:  # which says nothing about the other apps
                obstructed = obstructed or error
            else:
                written.append((app, year, serial))
        # In one transaction: what a crash leaves out is found current by the next pass.
        world.ledger.write(upkeep.sums_written, written)
    if obstructed is not None:
        raise obstructed
    return len(behind)


def _write_year(world: World, app: str, year: int) -> None:
    noted = world.store.read_sums(app, year)
    entries = []
    for day, version, sha256 in world.ledger.read(queries.year_sums, app, year):
        name = archive_name(day, version)
        if noted.get(name, sha256) != sha256:
            sha256 = _true_sum(world, Report(app, day), version, sha256, noted[name])
        entries.append((sha256, name))
    world.store.write_sums(app, year, entries)


def _true_sum(world: World, report: Report, version: int, recorded: str, noted: str) -> str:
    """Return the sum `recorded` in the ledger, or the other one `noted` before if the file has that one.

    Files never change: where the two part, one was damaged, and SHA256SUMS is what tells a changed row.
    """
    try:
        _, sha256 = world.store.digest(report, version, world.stop.check_cut)
    except (FileNotFoundError, StorageError):  # which verifying it will tell
        return recorded
    return noted if sha256 == noted else recorded


def back_up(world: World) -> None:
    """Keep today's backup of an SQLite ledger in the archive; costs one look if it is there."""
    path = ledger_file(world.config)
    if path is not None:
        world.refuse_unmounted()  # lest it lie under the mount point, out of sight
        backup.back_up(path, world.store.backups, world.clock().date())


def back_up_now(config: Config, today: date) -> None:
    """Make a backup of an SQLite ledger in the place of today's, if there is an archive to keep it in."""
    path = ledger_file(config)
    store = Store(config.storage.archive, config.storage.min_free)
    if path is not None and store.look() is not None:
        backup.back_up(path, store.backups, today, renew=True)

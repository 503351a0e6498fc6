"""Bring tree and ledger together again: adopt, set aside, reopen, and say what has to be fetched."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from reportsync.collect import inspect
from reportsync.errors import LedgerError
from reportsync.ledger import place, queries, records
from reportsync.model import Clock, Report
from reportsync.service.verify import Found, re_hash
from reportsync.service.world import World, ledger_file
from reportsync.settings import App, Config


@dataclass(frozen=True, slots=True)
class Mended:
    """One thing that was done, or with a dry run would be done."""

    action: str  # "adopt", "set aside", "reopen", "ledger set aside", "left alone"
    what: str
    why: str


Tell = Callable[[Mended], None]


def set_aside_damaged_ledger(config: Config, clock: Clock, *, dry_run: bool, tell: Tell) -> None:
    """Move a ledger that is not a whole SQLite database aside, so that a backup or a new one takes its place.

    A healthy one, a newer one and a database server are left as they are.
    """
    path = ledger_file(config)
    if path is None or not path.exists():
        return
    damage = _damage(path)
    if damage is None:
        return
    target = path.with_name(f"{path.name}.damaged-{clock():%Y%m%dT%H%M%SZ}")
    tell(Mended("ledger set aside", str(target), damage))
    if dry_run:
        raise LedgerError(
            f"the ledger {path} is damaged: {damage}", hint="run 'reportsync repair' without -n"
        )
    with place.one_at_a_time(path.parent):
        try:
            path.rename(target)
            # A journal belongs to its database: left behind it would be played into the new one.
            journal = path.with_name(path.name + "-journal")
            if journal.exists():
                journal.rename(target.with_name(target.name + "-journal"))
        except OSError as error:
            raise place.cannot_open(path, error) from None


def _damage(path: Path) -> str | None:
    """Say what is wrong with the database at `path`, None if it is whole (or empty, which is no ledger)."""
    if place.looks_like_sqlite(path) is None:
        return None
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=30)) as connection:
            rows = connection.execute("PRAGMA integrity_check(3)").fetchall()
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise LedgerError(f"the ledger {path} is held by another process") from None
        return str(error)
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if rows == [("ok",)] else "; ".join(str(row[0]) for row in rows)


def mend(world: World, apps: Sequence[App], *, dry_run: bool, tell: Tell) -> list[Report]:
    """Adopt whole files without a row; set damaged files aside and reopen their reports.

    Returns the reports that are to be fetched again. Writes nothing with `dry_run`. Raises `StorageError`
    when a file cannot be read or moved.
    """
    if not dry_run:
        world.ledger.write(records.cover_due, apps, world.clock())
    names = [app.name for app in apps]
    reopened = _reopen(world, names, dry_run, tell)
    _adopt(world, names, dry_run, tell)
    for path in world.store.strangers():
        tell(Mended("left alone", str(path), "not a name that reportsync gives"))
    return reopened


def _reopen(world: World, names: Sequence[str], dry_run: bool, tell: Tell) -> list[Report]:
    reopened = []
    for row in world.ledger.read(queries.held_archives, names):
        archive = row.archive
        found = re_hash(world.store, archive, world.stop)
        if found is Found.OK:
            continue
        path = world.store.path(archive.report, archive.version)
        if found is Found.DAMAGED:
            tell(Mended("set aside", str(path), "its SHA-256 is not the one that was stored"))
        tell(Mended("reopen", str(archive.report), f"its archive is {found}"))
        reopened.append(archive.report)
        if dry_run:
            continue
        if found is Found.DAMAGED:
            world.store.quarantine(archive.report, path, "damaged on disk")
        world.ledger.write(records.lose_archive, archive.report, archive.version)
    return reopened


def _adopt(world: World, names: Sequence[str], dry_run: bool, tell: Tell) -> None:
    held = {
        (row.archive.report, row.archive.version)
        for row in world.ledger.read(queries.held_archives)
    }
    foreign = set()
    for report, version, path in world.store.walk():
        world.stop.check()
        if report.app not in names:
            foreign.add(report.app)
        elif (report, version) not in held:
            _adopt_one(world, report, version, path, dry_run, tell)
    for app in sorted(foreign):
        tell(Mended("left alone", app, "no app of this name was asked for"))


def _adopt_one(
    world: World, report: Report, version: int, path: Path, dry_run: bool, tell: Tell
) -> None:
    if dry_run:
        tell(Mended("adopt", str(path), "a file without a row, if it is a whole zip"))
        return
    archive = inspect(world.store, report, version, world.stop)
    if archive is None:
        tell(Mended("set aside", str(path), "a file without a row that is not a whole zip"))
        return
    world.ledger.write(records.adopt_row, archive, world.clock())
    tell(Mended("adopt", str(path), "a whole file without a row"))

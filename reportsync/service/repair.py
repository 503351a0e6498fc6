"""Bring tree and ledger together again: adopt, set aside, reopen, and say what has to be fetched."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from reportsync.collect import inspect
from reportsync.errors import LedgerError
from reportsync.ledger import Ledger, backup, open_reading, place, queries, records
from reportsync.model import Archive, Clock, Report
from reportsync.service.verify import Found, re_hash
from reportsync.service.world import World, ledger_file, look
from reportsync.settings import App, Config
from reportsync.stop import Stop
from reportsync.store import Store


@dataclass(frozen=True, slots=True)
class Mended:
    """One thing that was done, or in a dry run would be done."""

    action: str  # "adopt", "set aside", "reopen", "set the ledger aside", "leave alone", ...
    what: str
    why: str


Tell = Callable[[Mended], None]


def set_aside_damaged_ledger(config: Config, clock: Clock, tell: Tell) -> None:
    """Move a ledger that is not a whole SQLite database aside, so that a backup or a new one takes its place.

    A healthy one, a newer one and a database server are left as they are.
    """
    path = ledger_file(config)
    damage = _damage(path) if path is not None else None
    if path is None or damage is None:
        return
    target = path.with_name(f"{path.name}.damaged-{clock():%Y%m%dT%H%M%SZ}")
    with place.one_at_a_time(path.parent):
        try:
            path.rename(target)
            # A journal belongs to its database: left behind it would be played into the new one.
            journal = path.with_name(path.name + "-journal")
            if journal.exists():
                journal.rename(target.with_name(target.name + "-journal"))
        except OSError as error:
            raise place.cannot_open(path, error) from None
    tell(Mended("set the ledger aside", str(target), damage))


def _damage(path: Path) -> str | None:
    """Say what is wrong with the database at `path`, None if it is whole (or empty, which is no ledger)."""
    like_sqlite = place.looks_like_sqlite(path)
    if not like_sqlite:
        return None if like_sqlite is None else "file is not a database"
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=30)
        ) as connection:
            rows = connection.execute("PRAGMA integrity_check(3)").fetchall()
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise LedgerError(f"the ledger {path} is held by another process") from None
        return str(error)
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if rows == [("ok",)] else "; ".join(str(row[0]) for row in rows)


def mend(world: World, apps: Sequence[App], tell: Tell) -> list[Report]:
    """Adopt whole files without a row; set damaged files aside and reopen their reports.

    Returns the reports that are to be fetched again. Raises `StorageError` when a file cannot be read or
    moved.
    """
    world.ledger.write(records.cover_due, apps, world.clock())
    names = [app.name for app in apps]
    reopened = []
    for archive, found in _amiss(world.ledger, world.store, names, world.stop):
        path = world.store.path(archive.report, archive.version)
        if found is Found.DAMAGED:
            world.store.quarantine(archive.report, path, "damaged on disk")
        world.ledger.write(records.lose_archive, archive.report, archive.version)
        _tell_amiss(archive, found, path, tell)
        reopened.append(archive.report)
    for report, version, path in _unrecorded(world.ledger, world.store, names, world.stop):
        _adopt(world, report, version, path, tell)
    _tell_rest(world.store, names, tell)
    return reopened + _reopened_before(world.ledger, names, reopened, tell)


def foresee(config: Config, apps: Sequence[App], stop: Stop, tell: Tell) -> list[Report]:
    """Tell what a repair would do, and return the reports that it would fetch again; write nothing.

    Raises `StorageError` where a repair would.
    """
    store = Store(config.storage.archive, config.storage.min_free)
    names = [app.name for app in apps]
    reopened = []
    adopted = []
    with _ledger_to_come(config, store, tell) as ledger:
        remembered = ledger.read(queries.archive_id)
        if remembered is not None and store.look() != remembered:
            store.open(remembered)  # says why a repair would be refused, before it writes anything
        for archive, found in _amiss(ledger, store, names, stop):
            _tell_amiss(archive, found, store.path(archive.report, archive.version), tell)
            reopened.append(archive.report)
        for report, _, path in _unrecorded(ledger, store, names, stop):
            tell(Mended("adopt", str(path), "a file without a row, if it is a whole zip"))
            adopted.append(report)
        reopened += _reopened_before(ledger, names, reopened + adopted, tell)
    _tell_rest(store, names, tell)
    return reopened


@contextmanager
def _ledger_to_come(config: Config, store: Store, tell: Tell) -> Iterator[Ledger]:
    """Open, for reading, the ledger that a repair would work with: a lost one's newest backup."""
    path = ledger_file(config)
    damage = _damage(path) if path is not None else None
    if damage is not None:
        tell(Mended("set the ledger aside", str(path), damage))
    lost = path is not None and (damage is not None or place.looks_like_sqlite(path) is None)
    if not lost:
        with look(config) as ledger:
            yield ledger
        return
    newest = next((one for one in backup.backups(store.backups) if _damage(one) is None), None)
    if newest is not None:
        tell(Mended("restore the ledger", str(path), f"from its backup {newest}"))
    # What is not there reads as an empty ledger.
    with open_reading(f"sqlite:///{newest or store.backups / 'none'}") as ledger:
        yield ledger


def _amiss(
    ledger: Ledger, store: Store, names: Sequence[str], stop: Stop
) -> Iterator[tuple[Archive, Found]]:
    """Yield each archive that the ledger holds and that is damaged or lost on disk."""
    for row in ledger.read(queries.held_archives, names):
        found = re_hash(store, row.archive, stop)
        if found is not Found.OK:
            yield row.archive, found


def _reopened_before(
    ledger: Ledger, names: Sequence[str], known: Sequence[Report], tell: Tell
) -> list[Report]:
    """Return what an earlier repair or pass reopened and nobody has fetched yet, but for the `known`."""
    found = [one for one in ledger.read(queries.lost_reports, names) if one not in set(known)]
    for report in found:
        tell(Mended("fetch", str(report), "its archive was lost or damaged before"))
    return found


def _tell_amiss(archive: Archive, found: Found, path: Path, tell: Tell) -> None:
    if found is Found.DAMAGED:
        tell(Mended("set aside", str(path), "its SHA-256 is not the one that was stored"))
    tell(Mended("reopen", str(archive.report), f"its archive is {found}"))


def _unrecorded(
    ledger: Ledger, store: Store, names: Sequence[str], stop: Stop
) -> Iterator[tuple[Report, int, Path]]:
    """Yield the files under final names that the ledger does not hold."""
    held = {
        (row.archive.report, row.archive.version)
        for row in ledger.read(queries.held_archives, names)
    }
    for report, version, path in store.walk():
        stop.check()
        if report.app in names and (report, version) not in held:
            yield report, version, path


def _adopt(world: World, report: Report, version: int, path: Path, tell: Tell) -> None:
    archive = inspect(world.store, report, version, world.stop)
    if archive is None:
        tell(Mended("set aside", str(path), "a file without a row that is not a whole zip"))
        return
    world.ledger.write(records.adopt_row, archive, world.clock())
    tell(Mended("adopt", str(path), "a whole file without a row"))


def _tell_rest(store: Store, names: Sequence[str], tell: Tell) -> None:
    """Tell what is nobody's business here: other apps' folders and strangers."""
    foreign = sorted({report.app for report, _, _ in store.walk()} - set(names))
    for app in foreign:
        tell(Mended("leave alone", str(store.root / app), "no app of this name was asked for"))
    for path in store.strangers():
        tell(Mended("leave alone", str(path), "not a name that reportsync gives"))

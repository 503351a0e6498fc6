"""Bring tree and ledger together again: adopt, set aside, reopen, and say what has to be fetched."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from pathlib import Path

from sqlalchemy import Connection

from reportsync.errors import StorageError
from reportsync.ledger import Ledger, audit, open_writing, queries, records
from reportsync.ledger.audit import Audit
from reportsync.model import Archive, Clock, Report
from reportsync.present import inspect
from reportsync.service.mending import Mended, Tell, mend_archive
from reportsync.service.rebuild import Wanted, foreseen_ledger
from reportsync.service.verify import Notes, checked, held_archives, refuse_dead_disk
from reportsync.service.world import World, open_source
from reportsync.settings import App, Config
from reportsync.stop import Stop
from reportsync.store import SUMS, Obstructed, Scratch, Store, archive_name, parse_archive_name


@dataclass(frozen=True, slots=True)
class Repaired:
    """The reports that are to be fetched again, and why the first file that cannot be read cannot."""

    reopened: tuple[Report, ...]
    unreadable: StorageError | None = None


def mend(world: World, apps: Sequence[App], tell: Tell) -> Repaired:
    """Adopt whole files without a row; set damaged files aside and reopen their reports.

    A file that cannot be read is left where it is. Raises `StorageError` when a file cannot be moved, or
    the disk gives too little.
    """
    world.ledger.write(records.cover_due, apps, world.clock())
    names = [app.name for app in apps]
    tell_audit(world.ledger.write(audit.put_right, names), tell)
    unreadable: list[StorageError] = []
    reopened: set[Report] = set()
    with Notes(world) as notes:
        for row in held_archives(world, names):
            found = checked(world, row, world.stop.check)
            notes.add(row, found)
            if mend_archive(world, found, tell):
                reopened.add(row.archive.report)
            refuse_dead_disk(unreadable, found)
    for report, version, path in _unrecorded(world.ledger, world.store, names, world.stop):
        _adopt(world, report, version, path, tell)
    obstructed = _have_sums_written(world, names, tell)
    _tell_rest(world.store, names, tell)
    to_fetch = world.ledger.read(queries.lost_reports, names)
    for report in to_fetch:
        if report not in reopened:
            tell(Mended("fetch", str(report), "its archive was lost or damaged before"))
    return Repaired(tuple(to_fetch), next(iter(unreadable), obstructed))


def foresee(
    config: Config, apps: Sequence[App], stop: Stop, clock: Clock, wanted: Wanted, tell: Tell
) -> Repaired:
    """Tell what a repair would do, and return what it would fetch again, by doing it to a copy.

    Writes nothing but a copy of the ledger, to the folder for temporary files. Raises `StorageError`
    where a repair would.
    """
    with _beside(config, stop, clock, wanted, tell) as world:
        return mend(world, apps, tell)


class _Untouched(Store):
    """The archive folder as it would be: what is set aside only looks as if."""

    def __init__(self, root: Path, min_free: int) -> None:
        super().__init__(root, min_free)
        self._gone: set[Path] = set()

    def quarantine(
        self, report: Report, source: Scratch | Path, why: str, sha256: str | None = None
    ) -> Path:
        """Take `source` for moved."""
        assert isinstance(source, Path)
        self._gone.add(source)
        return source

    def make_durable(self, paths: Iterable[Path]) -> None:
        """Leave the disk alone."""

    def walk(self) -> Iterator[tuple[Report, int, Path]]:
        """Yield all but what was moved."""
        return (one for one in super().walk() if one[2] not in self._gone)


@contextmanager
def _beside(
    config: Config, stop: Stop, clock: Clock, wanted: Wanted, tell: Tell
) -> Iterator[World]:
    """Open a world of copies, which takes no file along."""
    store = _Untouched(config.storage.archive, config.storage.min_free)
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="reportsync-")))
        copy = foreseen_ledger(config, store, folder, clock, wanted, tell)
        ledger = opened.enter_context(open_writing(f"sqlite:///{copy}"))
        remembered, there = ledger.read(queries.archive_id), store.look()
        if remembered is not None:
            store.require(remembered)
        source = opened.enter_context(open_source(config, stop, clock))
        yield World(config, ledger, store, there or "", source, clock, stop, lambda: 0.0)


def tell_audit(found: Audit, tell: Tell) -> None:
    """Tell what an audit found, as it was put right."""
    for report in found.absent:
        tell(Mended("add", str(report), "the ledger had no row for it"))
    for report in found.bare:
        tell(Mended("reopen", str(report), "it counted as stored, and there is no archive of it"))
    for report in found.settled:
        tell(Mended("close", str(report), "it counted as missing, and its archive is held"))


def _unrecorded(
    ledger: Ledger, store: Store, names: Sequence[str], stop: Stop
) -> Iterator[tuple[Report, int, Path]]:
    """Yield the files under final names that the ledger does not hold."""
    for app, files in groupby(store.walk(), lambda file: file[0].app):
        if app not in names:
            continue
        rows = ledger.read(queries.held_archives, app)
        held = {(row.archive.report, row.archive.version) for row in rows}
        for report, version, path in files:
            stop.check()
            if (report, version) not in held:
                yield report, version, path


def _adopt(world: World, report: Report, version: int, path: Path, tell: Tell) -> None:
    archive = inspect(world.store, report, version, world.stop)
    if archive is None:
        tell(Mended("set aside", str(path), "a file without a row that is not a whole zip"))
        return
    if world.ledger.write_after([path], _adopt_row, archive, world.clock()):
        tell(Mended("adopt", str(path), "a whole file without a row"))


def _adopt_row(connection: Connection, archive: Archive, now: datetime) -> bool:
    """Record `archive` unless whoever brought it has done so by now; return whether it was recorded.

    Needs no claim: of a claimed report it does what the claim's owner does with a file that it finds, and
    that one's record then finds the row.
    """
    rows = queries.versions_of(connection, archive.report)
    if any(row.held and row.archive == archive for row in rows):
        return False
    records.adopt_row(connection, archive, now)
    return True


def _have_sums_written(world: World, names: Sequence[str], tell: Tell) -> Obstructed | None:
    """Have the pass that follows write each SHA256SUMS anew that says other than the ledger.

    Nothing is told of those that are behind: it writes them in any case. What one says of missing days may
    stay: they are to be fetched, and then it is written anew. Returns what stands in the place of the first
    one that cannot be read, which says nothing about the others.
    """
    behind = _behind(world)
    obstructed = None
    for app in names:
        for year in world.ledger.read(queries.years_of, app):
            if (app, year) in behind:
                continue
            try:
                noted = world.store.read_sums(app, year)
            except Obstructed as error:
                obstructed = obstructed or error
                path = world.store.root / app / f"{year:04}" / SUMS
                tell(Mended("leave alone", str(path), error.message))
                continue
            awaited = frozenset(world.ledger.read(queries.missing_days, app, year))
            right = {name: sha256 for name, sha256 in noted.items() if _is_of(name, awaited)}
            for day, version, sha256 in world.ledger.read(queries.year_sums, app, year):
                right[archive_name(day, version)] = sha256
            if world.store.sums_are(app, year, ((sha, name) for name, sha in right.items())):
                continue
            if (app, year) not in _behind(world):  # where another has reopened a day meanwhile
                world.ledger.write(records.mark_stale, app, year)
                what = f"{app}/{year:04}/{SUMS}"
                tell(Mended("write anew", what, "it is not what is written of the ledger"))
    return obstructed


def _behind(world: World) -> set[tuple[str, int]]:
    """Return the apps and years whose SHA256SUMS is known to be behind the ledger."""
    return {(app, year) for app, year, _ in world.ledger.read(queries.stale_years)}


def _is_of(name: str, awaited: frozenset[date]) -> bool:
    """Say whether `name` is that of an archive of one of the days `awaited`."""
    found = parse_archive_name(name)
    return found is not None and found[0] in awaited


def _tell_rest(store: Store, names: Sequence[str], tell: Tell) -> None:
    """Tell what is nobody's business here: other apps' folders and strangers."""
    foreign = sorted({report.app for report, _, _ in store.walk()} - set(names))
    for app in foreign:
        tell(Mended("leave alone", str(store.root / app), "no app of this name was asked for"))
    for path in store.strangers():
        tell(Mended("leave alone", str(path), "not a name that reportsync gives"))

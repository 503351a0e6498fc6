"""Replace a ledger that is lost or damaged by one from its backup and from what can still be read of it."""

from __future__ import annotations

import os
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from itertools import count
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa

from reportsync.errors import LedgerError, UsageProblem
from reportsync.ledger import (
    Ledger,
    backup,
    merge,
    open_writing,
    place,
    salvage,
    soundness,
    tables,
)
from reportsync.model import Clock
from reportsync.service.mending import Mended, Tell
from reportsync.service.world import ledger_file, look
from reportsync.settings import Config
from reportsync.store import Store

_NEEDED = (tables.facts, tables.apps, tables.reports, tables.archives, tables.waivers)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person wants of the ledger: this backup back, whatever it is like now; None: let it be."""

    backup: Path | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    """What is the matter with the ledger at `path`: damaged, wanted to be another, or lost if neither."""

    path: Path
    damage: str | None
    wanted: Path | None
    aside: Path


def make_whole(config: Config, store: Store, clock: Clock, wanted: Wanted, tell: Tell) -> None:
    """See to it that the ledger is whole: replace one that is damaged, lost or not the one `wanted`.

    What was there is moved aside, never changed. A healthy ledger, a newer one and a database server are
    left as they are. Raises `LedgerError`.
    """
    path = ledger_file(config)
    if path is None:
        return
    with place.one_at_a_time(path.parent):
        case = _case(path, clock, wanted)
        if case is None:
            return
        place.refuse_as_root(path)
        # Whoever waits to write finds the ledger replaced; a commit in between would be lost without a word.
        with place.without_writers(path) as file, _scratch(path.parent / place.REBUILD) as folder:
            new = _build(case, store, folder, tell, file)
            if new is not None and (found := soundness.damage(new)) is not None:
                raise LedgerError(
                    f"what was rebuilt of the ledger {path} is not whole: {found}; nothing was changed",
                    hint="put an older backup back: reportsync repair --restore YYYY-MM-DD",
                )
            try:
                _swap(case, new)
            except OSError as error:
                raise place.cannot_open(path, error) from None


def foreseen_ledger(
    config: Config, store: Store, folder: Path, clock: Clock, wanted: Wanted, tell: Tell
) -> Path:
    """Make in `folder` a copy of the ledger that a repair would work with; return where it is, or may be."""
    path, copy = ledger_file(config), folder / "ledger.db"
    if path is None:
        with look(config) as ledger, open_writing(f"sqlite:///{copy}") as new:
            _copy_tables(ledger, new)
        return copy
    case = _case(path, clock, wanted)
    if case is None:
        backup.copy_aside(path, copy)
        return copy
    return _build(case, store, folder, tell) or copy


def find_backup(config: Config, store: Store, which: str) -> Path:
    """Return the backup that a person calls by its day (YYYY-MM-DD), its path, or "newest"."""
    ledger = ledger_file(config)
    if ledger is None:
        raise UsageProblem(
            "the ledger is on a database server", hint="restore it with the server's own tools"
        )
    found = store.backups / which
    if which == "newest":
        found = backup.newest_whole(store.backups, store.look()) or found
    else:
        with suppress(ValueError):
            found = store.backups / f"ledger-{date.fromisoformat(which):%Y%m%d}.db"
        if "/" in which:
            found = Path(which)
    if soundness.is_whole(found):
        if ledger.exists() and found.samefile(ledger):
            raise UsageProblem(f"{found} is the ledger itself", hint="name one of its backups")
        if backup.is_foreign(found, store.look()):
            raise UsageProblem(
                f"{found} is the ledger of another archive ({backup.archive_of(found)}) than {store.root}",
                hint="name a backup of this one: ls -l " + shlex.quote(str(store.backups)),
            )
        return found.absolute()
    there = ", ".join(one.name for one in backup.backups(store.backups)) or "none"
    raise UsageProblem(f"no whole backup of the ledger: {found}", hint=f"there are: {there}")


def _case(path: Path, clock: Clock, wanted: Wanted) -> _Case | None:
    """Say what is the matter, None if nothing is."""
    damage = soundness.damage(path) if wanted.backup is None else None
    lost = place.looks_like_sqlite(path) is None
    if damage is None and not lost and wanted.backup is None:
        return None
    kind = "replaced" if wanted.backup is not None else "damaged"
    aside = path.with_name(f"{path.name}.{kind}-{clock():%Y%m%dT%H%M%SZ}")
    return _Case(path, damage, wanted.backup, _free(path, aside))


def _free(path: Path, wished: Path) -> Path:
    """Return a name that nothing else has, nor its journal: what was set aside in the same second must stay.

    The name may be that of `path` itself, which a repair that was killed had linked there.
    """
    aside = wished
    for number in count(2):
        same = aside.exists() and path.exists() and aside.samefile(path)
        if not _journal(aside).exists() and (same or not aside.exists()):
            return aside
        aside = wished.with_name(f"{wished.name}-{number}")
    raise AssertionError("count() does not end")


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    try:
        place.clear(folder)  # of one that was killed
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise place.cannot_open(folder, error) from None
    try:
        yield folder
    finally:
        place.clear(folder)


def _journal(ledger: Path) -> Path:
    return ledger.with_name(f"{ledger.name}-journal")


def _build(
    case: _Case, store: Store, folder: Path, tell: Tell, file: BinaryIO | None = None
) -> Path | None:
    """Make the new ledger in `folder`, whole and durable; None if there is nothing to make it from.

    `file` is the old one, if it is held open.
    """
    new = folder / "ledger.db"
    if case.wanted is not None or case.damage is not None:
        why = case.damage or "another one is wanted"
        tell(Mended("set the ledger aside", str(case.aside), why))
    base = case.wanted or backup.newest_whole(store.backups, store.look())
    if base is not None:
        backup.copy_back(base, new)
        tell(Mended("restore the ledger", str(case.path), f"from its backup {base}"))
    rows = salvage.read(case.path, folder, file) if case.damage is not None else {}
    if salvage.is_foreign(rows, store.look()):
        rows = {}
    if not any(found.good for found in rows.values()):
        return new if base is not None else None
    open_writing(f"sqlite:///{new}").close()  # makes or upgrades it
    try:
        with closing(sqlite3.connect(new)) as connection:
            added = merge.merge(connection, rows)
            if base is None:
                backup.number_on(connection)
    except sqlite3.Error as error:
        raise LedgerError(f"cannot rebuild the ledger {case.path}: {error}") from None
    if added:
        told = ", ".join(f"{count:,} {name}" for name, count in sorted(added.items()))
        tell(Mended("salvage", told, "read from the damaged ledger, and not in a backup"))
    return new


def _swap(case: _Case, new: Path | None) -> None:
    """Put `new` in the ledger's place in one step, so that a kill leaves the old one or the new one."""
    journal = _journal(case.path)
    lost = case.damage is None and case.wanted is None
    if lost and new is None:
        return  # SQLite brings in order what was begun in its place
    if case.path.exists() and case.path.stat().st_size:
        _keep(case.path, case.aside, new)
    # A journal belongs to its database: left behind it would be played into the new one.
    if lost:
        journal.unlink(missing_ok=True)
    elif journal.exists():
        journal.rename(_journal(case.aside))
    if new is not None:
        new.rename(case.path)
    place.sync(case.path.parent)


def _keep(path: Path, aside: Path, new: Path | None) -> None:
    if new is None:
        path.rename(aside)
    elif not aside.exists():
        try:
            os.link(path, aside)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            path.rename(aside)


def _copy_tables(ledger: Ledger, new: Ledger) -> None:
    """Copy what a repair looks at from a database server."""
    for table in _NEEDED:
        rows = ledger.read(_all_of, table)
        if rows:
            new.write(_insert_all, table, rows)


def _all_of(connection: sa.Connection, table: sa.Table) -> list[dict[str, object]]:
    return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


def _insert_all(connection: sa.Connection, table: sa.Table, rows: list[dict[str, object]]) -> None:
    connection.execute(sa.insert(table), rows)

"""Daily backups of an SQLite ledger beside the archive, and putting the newest back in a lost one's place."""

from __future__ import annotations

import os
import re
import shlex
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

from reportsync.errors import LedgerError
from reportsync.ledger.place import (
    REPAIR_HINT,
    SCRATCH,
    cannot_open,
    file_uri,
    make_folder,
    one_at_a_time,
    sync,
)
from reportsync.ledger.soundness import fault, is_damage, is_whole

KEEP = 7
NUMBERS_LEFT_OUT = 100_000
"""More than a day's arrivals: ten years of daily reports of twenty-five apps."""

_NAME = re.compile(r"ledger-\d{8}\.db")


def backups(folder: Path) -> list[Path]:
    """Return the backups in `folder`, newest first; raise `LedgerError` if it cannot be read."""
    try:
        found = list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise cannot_open(folder, error) from None
    return sorted((path for path in found if _NAME.fullmatch(path.name)), reverse=True)


def back_up(ledger: Path, folder: Path, today: date, *, renew: bool = False) -> Path | None:
    """Copy the ledger into `folder` unless today's copy is there; return the copy, None if there was one.

    `renew` has it take the place of today's. Uses SQLite's backup, so that the copy is consistent whoever
    writes. Keeps the newest seven. Raises `LedgerError` when the copy cannot be made, and when it is found
    damaged, as the ledger is then: no good backup is given up for it.
    """
    target = folder / f"ledger-{today:%Y%m%d}.db"
    try:
        _own(folder)
        if target.exists() and not renew:
            return None
        with one_at_a_time(folder):
            _copy(ledger, target, _refuse_damaged)
            # Dated ahead: made while the clock was wrong. They would pass for the newest for ever.
            ahead = [one for one in backups(folder) if one.name > target.name]
            for old in ahead + backups(folder)[len(ahead) + KEEP :]:
                old.unlink(missing_ok=True)
    except OSError as error:
        raise _no_backup(target, error.strerror or error) from None
    except sqlite3.Error as error:
        if isinstance(error, _Damaged) or is_damage(error):
            text = f"the ledger {ledger} is damaged, older backups of it are kept: {error}"
            raise LedgerError(text, hint=REPAIR_HINT) from None
        raise _no_backup(target, error) from None
    return target


def _own(folder: Path) -> None:
    """Make `folder` and see that its owner, and nobody else, may use it."""
    make_folder(folder, 0o700)
    # Whoever made it under a umask that takes rights from the owner may have died before the next step.
    if folder.stat().st_mode & 0o700 != 0o700:
        folder.chmod(0o700)


def _no_backup(target: Path, why: object) -> LedgerError:
    place = shlex.quote(str(target.parent))
    hint = (
        f"see that this user may write there and that there is space: ls -ld {place}; df -h {place}"
    )
    return LedgerError(f"cannot back up the ledger to {target}: {why}", hint=hint)


class _Damaged(sqlite3.DatabaseError):
    """The copy, and so the ledger, is not intact."""


def _refuse_damaged(copy: sqlite3.Connection) -> None:
    found = fault(copy)
    if found is not None:
        raise _Damaged(found)


def put_back(folder: Path, ledger: Path, archive: str | None = None) -> Path | None:
    """Put a copy of the newest whole backup in the place of a lost or empty ledger; return the backup.

    It is one of `archive`, see `newest_whole`. The caller holds the lock of the ledger's folder.
    """
    backup = newest_whole(folder, archive)
    if backup is not None:
        copy_back(backup, ledger)
    return backup


def newest_whole(folder: Path, archive: str | None = None) -> Path | None:
    """Return the newest backup in `folder` that is whole, None if there is none.

    One that is known to be another archive's than the one whose id is `archive` is passed over.
    """
    found = (one for one in backups(folder) if is_whole(one))
    return next((one for one in found if not is_foreign(one, archive)), None)


def is_foreign(backup: Path, archive: str | None) -> bool:
    """Say whether `backup` is known to be of another archive than the one whose id is `archive`."""
    return None not in (archive, remembered := archive_of(backup)) and remembered != archive


def archive_of(backup: Path) -> str | None:
    """Return the id of the archive that a whole `backup` is about, None if it does not say."""
    try:
        with closing(sqlite3.connect(file_uri(backup, "ro"), uri=True)) as connection:
            rows = connection.execute("SELECT value FROM facts WHERE name = 'archive'").fetchall()
    except sqlite3.DatabaseError:  # of another schema
        return None
    return str(rows[0][0]) if rows else None


def copy_back(backup: Path, ledger: Path) -> None:
    """Put a copy of `backup` in the place of a lost or empty ledger; see `put_back`."""
    try:
        # A journal that a lost ledger left behind would be played into its successor.
        ledger.with_name(f"{ledger.name}-journal").unlink(missing_ok=True)
        sync(ledger.parent)
        _copy(backup, ledger, number_on)
    except OSError as error:
        raise cannot_open(ledger, error) from None
    except sqlite3.Error as error:
        raise LedgerError(
            f"cannot restore the ledger {ledger} from {backup}: {error}",
            hint=f"check that {ledger.parent} is writable and has free space",
        ) from None


def copy_aside(ledger: Path, target: Path) -> None:
    """Make a consistent copy of a ledger, for a look at what would become of it."""
    try:
        _copy(ledger, target)
    except (OSError, sqlite3.Error) as error:
        raise LedgerError(f"cannot copy the ledger {ledger} to {target}: {error}") from None


def number_on(ledger: sqlite3.Connection) -> None:
    """Leave a gap in the numbers of arrivals: those given since the backup must not be given again."""
    row = ledger.execute("SELECT seq FROM sqlite_sequence WHERE name = 'archives'").fetchone()
    ledger.execute("DELETE FROM sqlite_sequence WHERE name = 'archives'")
    number = (row[0] if row else 0) + NUMBERS_LEFT_OUT
    ledger.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('archives', ?)", (number,))
    ledger.commit()


def _copy(
    source: Path, target: Path, change: Callable[[sqlite3.Connection], None] = lambda ledger: None
) -> None:
    """Copy a database so that `target` appears whole and durable, or not at all.

    Needs the lock of the target's folder: the scratch file has one name, so that the next copy replaces
    what a killed one left.
    """
    scratch = target.with_name(SCRATCH)
    scratch.unlink(missing_ok=True)
    file = os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(file, 0o600)  # a umask may have taken it from its owner too
    finally:
        os.close(file)
    try:
        with (
            closing(sqlite3.connect(file_uri(source, "rw"), uri=True, timeout=30)) as old,
            closing(sqlite3.connect(scratch)) as new,
        ):
            new.execute("PRAGMA journal_mode = OFF").close()
            # All pages in one step: between two steps a writer would make it begin anew, for ever.
            old.backup(new)
            change(new)
        sync(scratch)
        scratch.rename(target)
        sync(target.parent)
    finally:
        scratch.unlink(missing_ok=True)

"""Daily backups of an SQLite ledger beside the archive, and putting the newest back in a lost one's place."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

from reportsync.errors import LedgerError
from reportsync.ledger.place import cannot_open

KEEP = 7
_NAME = re.compile(r"ledger-\d{8}\.db")


def backups(folder: Path) -> list[Path]:
    """Return the backups in `folder`, newest first."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if _NAME.fullmatch(path.name)), reverse=True)


def back_up(ledger: Path, folder: Path, today: date) -> Path | None:
    """Copy the ledger into `folder` unless today's copy is there; return the copy, None if there was one.

    Uses SQLite's backup, so that the copy is consistent whoever writes. Keeps the newest seven. Raises
    `LedgerError` when the copy cannot be made.
    """
    target = folder / f"ledger-{today:%Y%m%d}.db"
    if target.exists():
        return None
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        _copy(ledger, target)
        for old in backups(folder)[KEEP:]:
            old.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_open(target, error) from None
    except sqlite3.Error as error:
        raise LedgerError(
            f"cannot back up the ledger to {target}: {error}", hint="check the archive's free space"
        ) from None
    return target


def put_back(folder: Path, ledger: Path) -> Path | None:
    """Put a copy of the newest whole backup in the place of a lost or empty ledger; return the backup."""
    for backup in backups(folder):
        if not _is_whole(backup):
            continue
        try:
            _copy(backup, ledger)
        except OSError as error:
            raise cannot_open(ledger, error) from None
        return backup
    return None


def _is_whole(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return bool(connection.execute("PRAGMA integrity_check").fetchone() == ("ok",))
    except sqlite3.DatabaseError:
        return False


def _copy(source: Path, target: Path) -> None:
    """Copy a database so that `target` appears whole and durable, or not at all."""
    scratch = target.with_name(f".{target.name}.{os.getpid()}.part")
    os.close(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=rw", uri=True, timeout=30)) as old,
            closing(sqlite3.connect(scratch)) as new,
        ):
            old.backup(new, pages=4096)
        _sync(scratch)
        scratch.rename(target)
        _sync(target.parent)
    finally:
        scratch.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

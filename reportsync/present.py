"""Look at a file that lies under a report's final name: is it the whole archive that it should be?"""

from __future__ import annotations

import os
from pathlib import Path

from reportsync.archive import examine
from reportsync.errors import AttemptFailed, StorageError
from reportsync.model import Archive, Report
from reportsync.stop import Stop
from reportsync.store import Store, Unreadable, storage_trouble


def inspect(store: Store, report: Report, version: int, stop: Stop) -> Archive | None:
    """Return the archive that lies under a final name if it is whole; else move it to quarantine.

    None as well if it is gone. One wrong reading moves no file: it is read again, from the disk if possible.
    Promises that the archive is durable. Raises `StorageError` when it cannot be read or moved, or two
    wrong readings differ, and `Stopped`.
    """
    path = store.path(report, version)
    wrong: list[tuple[str, str]] = []
    try:
        while len(wrong) < 2:
            try:
                archive = _whole(store, report, version, stop)
            except AttemptFailed as error:
                wrong.append((error.message, store.digest(report, version, stop.check_cut)[1]))
                store.drop_cached(report, version)
            else:
                store.make_durable([path])
                return archive
    except FileNotFoundError:
        return None
    if wrong[0] != wrong[1]:
        raise untrusted(path)
    store.quarantine(report, path, wrong[0][0])
    return None


def _whole(store: Store, report: Report, version: int, stop: Stop) -> Archive:
    """Return the archive under a final name; `AttemptFailed` if it is not whole, FileNotFoundError."""
    with (
        store.open_archive(report, version) as file,
        storage_trouble("read", store.path(report, version)),
    ):
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        contents = examine(file, size, check_stop=stop.check_cut)
        # Somebody else put it there, and may not have waited for the disk.
        os.fsync(file.fileno())
    size, sha256 = store.digest(report, version, stop.check_cut)
    return Archive(report, version, size, sha256, contents.members)


def is_there(store: Store, archive: Archive, stop: Stop) -> bool:
    """Say whether the file of `archive` is there with its bytes.

    Raises `Unreadable` if that one file cannot be read, and `Stopped`.
    """
    try:
        found = store.digest(archive.report, archive.version, stop.check_cut)
    except FileNotFoundError:
        return False
    except StorageError as error:
        raise Unreadable(error.message, hint=error.hint) from error
    return found == (archive.size, archive.sha256)


def untrusted(path: Path) -> StorageError:
    """Return the error for a file of which two readings differed, and neither was right."""
    return StorageError(
        f"cannot trust what is read of {path}: two readings differed, and neither was right",
        hint="look after the disk and the memory of this machine",
    )

"""The marker that says "this folder is a reportsync archive, and which one"."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reportsync.errors import StorageError
from reportsync.store.folders import Folders
from reportsync.store.names import MARKER, MARKER_LABEL
from reportsync.store.scratch import NameTaken, Scratch, Way, open_scratch
from reportsync.store.trouble import held, storage_trouble

_ID = re.compile(rb"^archive: ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\r?$", re.MULTILINE)
_TEXT = """\
This file marks the folder as an archive of reportsync, so that a volume that is not mounted
is noticed. Keep it, and move it along with the archive.
archive: {id}
"""
_LOCK_PAUSE = 0.02  # seconds


def read_marker(folders: Folders) -> str | None:
    """Return the archive's id; None if there is no archive yet. Writes nothing.

    Raises StorageError if the folder or the marker cannot be read or makes no sense.
    """
    path = folders.root / MARKER
    try:
        file = folders.open_file(path)
    except FileNotFoundError:
        return None
    with file, storage_trouble("read", path):
        match = _ID.search(file.read(4096))
    if match is None:
        raise StorageError(
            f"{path} does not say which archive this is",
            hint=f"restore it from a backup, or move it away: mv {shlex.quote(str(path))} /tmp/",
        )
    return match[1].decode()


def refuse_other(folders: Folders, known_id: str) -> str:
    """Return `known_id` if `folders.root` is that archive, else raise StorageError. Writes nothing."""
    found = read_marker(folders)
    if found is None:
        raise _not_mounted(folders, known_id)
    if found != known_id:
        raise _other_archive(folders, found)
    return found


def open_marked(folders: Folders, known_id: str | None, way: Way) -> str:
    """Make sure that `folders.root` is the archive `known_id` (None: not known) and writable.

    Creates root and marker when neither is known. Returns the archive's id; raises StorageError.
    """
    found = read_marker(folders) if known_id is None else refuse_other(folders, known_id)
    with storage_trouble("open the archive", folders.root):
        if found is None:
            folders.make_root()
        _check_owner(folders.root)
        root = folders.open_root()
    with open_scratch(root, folders.root, MARKER_LABEL, way) as scratch:
        return found or _write_marker(folders, scratch)


@contextmanager
def locked_marker(
    folders: Folders, timeout: float, check_stop: Callable[[], None]
) -> Iterator[None]:
    """Hold the archive's one lock in the body; waits for it at most `timeout` seconds.

    Calls `check_stop` (it may raise) while it waits. Not to be nested. Raises StorageError.
    """
    path = folders.root / MARKER
    with storage_trouble("lock", path):
        # Writable, as NFS turns the lock into one that asks for it.
        marker = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    with held(marker):
        deadline = time.monotonic() + timeout
        while not _try_lock(marker, path):
            if time.monotonic() >= deadline:
                raise StorageError(
                    f"{path} was locked by another process for {timeout:g} s",
                    hint=f"see which one, and whether it hangs: fuser -v {shlex.quote(str(path))}",
                )
            check_stop()
            time.sleep(_LOCK_PAUSE)
        yield


def _try_lock(file: int, path: Path) -> bool:
    with storage_trouble("lock", path):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _write_marker(folders: Folders, scratch: Scratch) -> str:
    """Create the marker durably; return the id of whoever was first."""
    new_id = str(uuid.uuid4())
    scratch.write(_TEXT.format(id=new_id).encode())
    scratch.settle(0o640)
    with held(folders.open_root()) as root:
        try:
            scratch.place(root, folders.root / MARKER)
        except NameTaken:
            return read_marker(folders) or new_id
        with storage_trouble("make the marker durable in", folders.root):
            os.utime(MARKER, (0, 0), dir_fd=root)  # when the last sweep was: never
            os.fsync(root)
    return new_id


def _check_owner(root: Path) -> None:
    """Refuse to write as root into another user's archive, whose daemon could not read it then."""
    owner = root.stat().st_uid
    if os.geteuid() == 0 and owner != 0:
        raise StorageError(
            f"the archive {root} belongs to user {owner}, but this process runs as root",
            hint=f"run it as that user: sudo -u '#{owner}' reportsync ...",
        )


def _not_mounted(folders: Folders, known_id: str) -> StorageError:
    path = shlex.quote(str(folders.root))
    return StorageError(
        f"the archive {folders.root} has no marker {MARKER}: is its volume not mounted?",
        hint="mount its volume, or set `storage.archive` to where the archive is now",
        last_resort=f"mkdir -p {path} && echo 'archive: {known_id}' > {path}/{MARKER}",
    )


def _other_archive(folders: Folders, found: str) -> StorageError:
    return StorageError(
        f"{folders.root} is another archive ({found}) than the one that the ledger knows",
        hint="set `storage.archive` and `storage.ledger` so that they belong together",
    )

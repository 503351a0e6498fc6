"""Removes scratch files whose writers are dead, looking only where something has changed."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

from reportsync.store.folders import Folders, set_mode
from reportsync.store.names import MARKER, MARKER_LABEL, is_scratch
from reportsync.store.scratch import Way, open_scratch
from reportsync.store.tree import listing, year_folders
from reportsync.store.trouble import held, storage_error, storage_trouble

# The coarsest time stamps are FAT's, of two seconds.
MARGIN = 5 * 10**9  # ns


def sweep(folders: Folders, way: Way, margin: int = MARGIN) -> int:
    """Remove the scratch files whose writers are dead, and return how many they were.

    A folder in which nothing was named since the last sweep that left none alive is passed over by
    its change time, give or take `margin` ns: to list ten years of a thousand apps would take
    seconds in every pass.
    """
    with storage_trouble("look at the marker in", folders.root):
        if not (folders.root / MARKER).exists():
            return 0
    began = _volume_time(folders, way)
    since = _clean_since(folders, began) - margin
    changed = [Path(year.path) for year in year_folders(folders.root) if _changed(year, since)]
    found = [path for place in (folders.root, *changed) for path in _scratch_files(place)]
    removed = [sweep_file(path) for path in found]
    if changed and all(removed):
        _note(folders, began)
    return removed.count(True)


def _volume_time(folders: Folders, way: Way) -> int:
    """Return the time in ns by the clock that stamps folders, a server's on NFS."""
    with storage_trouble("open the archive", folders.root):
        root = folders.open_root()
    with (
        open_scratch(root, folders.root, MARKER_LABEL, way) as scratch,
        storage_trouble("look at a new file in", folders.root),
    ):
        return scratch.changed_at()


def _clean_since(folders: Folders, began: int) -> int:
    with storage_trouble("look at the marker in", folders.root):
        noted = (folders.root / MARKER).lstat().st_mtime_ns
    # A time to come means that the clock was set back: nothing is known.
    return noted if noted <= began else 0


def _note(folders: Folders, began: int) -> None:
    """Keep the time of a clean sweep where it costs no file: in the marker's time stamp."""
    with storage_trouble("set the time of the marker in", folders.root):
        os.utime(folders.root / MARKER, ns=(began, began), follow_symlinks=False)


def _changed(folder: os.DirEntry[str], since: int) -> bool:
    try:
        return folder.stat(follow_symlinks=False).st_ctime_ns >= since
    except OSError as error:
        raise storage_error("look at", Path(folder.path), error) from error


def _scratch_files(place: Path) -> list[Path]:
    return [
        Path(entry.path)
        for entry in listing(place)
        if is_scratch(entry.name) and entry.is_file(follow_symlinks=False)
    ]


def sweep_file(path: Path) -> bool:
    """Remove one scratch file unless its writer holds its lock; say whether it was removed."""
    with storage_trouble("remove a scratch file from", path.parent):
        try:
            _make_readable(path)
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (FileNotFoundError, PermissionError):  # just gone, or another user's
            return False
        with held(file):
            return _remove_if_dead(file, path)


def _make_readable(path: Path) -> None:
    # A writer under umask 0777 that died before it could set the mode.
    if not path.lstat().st_mode & stat.S_IRUSR:
        set_mode(str(path), 0o600)


def _remove_if_dead(file: int, path: Path) -> bool:
    try:
        # Shared, which NFS grants on a file open for reading too; the writer holds it exclusively.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    path.unlink(missing_ok=True)
    return True

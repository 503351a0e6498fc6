"""The folders under the archive's root: opened without following links, made durable once."""

from __future__ import annotations

import errno
import os
import shlex
import stat
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from reportsync.errors import StorageError
from reportsync.store.names import MARKER
from reportsync.store.trouble import Obstructed, held, storage_error, storage_trouble

FOLDER_MODE = 0o750
_FOLDER = os.O_RDONLY | os.O_DIRECTORY
# O_NONBLOCK: a pipe under an archive's name must not hang us.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_NO_MODES = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}


def set_mode(target: int | str, mode: int, *, dir_fd: int | None = None) -> None:
    """Set the permission bits of something of ours, whatever the umask.

    A file system without permission bits (FAT, some network shares) refuses; then it stays as is.
    """
    try:
        os.chmod(target, mode, dir_fd=dir_fd)
    except OSError as error:
        if error.errno not in _NO_MODES:
            raise


class Folders:
    """Opens and makes folders below `root`.

    The root itself may be a symbolic link, an operator's choice; a link below it is refused, since
    it would carry archives out of the folder that the marker vouches for.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._marker = root / MARKER
        self._anchored: set[tuple[str, ...]] = set()  # their entry in the parent is durable
        self._making = threading.Lock()

    def open(self, *parts: str) -> int:
        """Return a descriptor of an existing folder; FileNotFoundError passes."""
        return self._descend(self.open_root(), parts, self._enter)

    def make(self, *parts: str) -> int:
        """Return a descriptor of a folder, made durably if needed; the marker must be there."""
        with storage_trouble("open the archive", self.root):
            root = self.open_root()
        try:
            os.stat(MARKER, dir_fd=root)
        except OSError as error:
            os.close(root)
            raise _marker_gone(self.root, error) from error
        return self._descend(root, parts, self._make)

    def require_marker(self) -> None:
        """Raise `StorageError` if the marker is gone."""
        try:
            self._marker.stat()
        except OSError as error:
            raise _marker_gone(self.root, error) from error

    def open_root(self) -> int:
        """Return a descriptor of the root; FileNotFoundError passes."""
        try:
            return os.open(self.root, _FOLDER)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise storage_error("open the archive", self.root, error) from error

    def make_root(self) -> None:
        """Create the root and what is missing above it, durably."""
        missing = list(takewhile(lambda folder: not folder.exists(), _upwards(self.root)))
        for folder in reversed(missing):
            folder.mkdir(FOLDER_MODE, exist_ok=True)
            set_mode(str(folder), FOLDER_MODE)
            with held(os.open(folder.parent, _FOLDER)) as parent:
                os.fsync(parent)

    def open_file(self, path: Path) -> BinaryIO:
        """Open a plain file below the root for reading; FileNotFoundError passes."""
        with held(self.open(*self.parts(path.parent))) as folder:
            try:
                file = os.open(path.name, _FILE, dir_fd=folder)
            except FileNotFoundError:
                raise
            except OSError as error:
                if error.errno == errno.ELOOP:
                    raise _obstructed(path, "a symbolic link") from error
                raise storage_error("open", path, error) from error
        with ExitStack() as undo:
            undo.callback(os.close, file)
            with storage_trouble("look at", path):
                plain = stat.S_ISREG(os.fstat(file).st_mode)
            if not plain:
                raise _obstructed(path, "not a plain file")
            undo.pop_all()
        return os.fdopen(file, "rb")

    def parts(self, path: Path) -> tuple[str, ...]:
        """Return the names that lead from the root to `path`."""
        try:
            return path.relative_to(self.root).parts
        except ValueError:
            raise _outside(path, self.root) from None

    def _descend(
        self, root: int, parts: tuple[str, ...], enter: Callable[[int, tuple[str, ...]], int]
    ) -> int:
        folder = root
        for depth, part in enumerate(parts, 1):
            if part in ("", "..") or "/" in part:  # the name of an app in a ledger tampered with
                os.close(folder)
                raise _outside(self.root.joinpath(*parts), self.root)
            with held(folder) as parent:
                folder = enter(parent, parts[:depth])
        return folder

    def _make(self, parent: int, parts: tuple[str, ...]) -> int:
        if parts in self._anchored:
            with suppress(FileNotFoundError):
                return self._enter(parent, parts)
        path = self.root.joinpath(*parts)
        with storage_trouble(f"create the folder {path.name} in", path.parent):
            with self._making, suppress(FileExistsError):
                os.mkdir(path.name, FOLDER_MODE, dir_fd=parent)
                self._anchored.discard(parts)
                _settle_mode(parent, path.name)
            # Also when it existed: whoever made it may have died before its own fsync.
            if parts not in self._anchored:
                os.fsync(parent)
                self._anchored.add(parts)
            return self._enter(parent, parts)

    def _enter(self, parent: int, parts: tuple[str, ...]) -> int:
        try:
            try:
                return _opened(parent, parts[-1])
            except PermissionError:
                with self._making:
                    pass  # another thread has just made it, and undoes the umask
                return _opened(parent, parts[-1])
        except FileNotFoundError:
            raise
        except OSError as error:
            path = self.root.joinpath(*parts)
            if error.errno in {errno.ENOTDIR, errno.ELOOP}:
                raise _obstructed(path, "a symbolic link or a file, not a folder") from error
            raise storage_error("open", path, error) from error


def _opened(parent: int, name: str) -> int:
    return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)


def _settle_mode(parent: int, name: str) -> None:
    """Undo the umask, but keep a set-group-ID bit that the new folder has inherited."""
    mode = os.stat(name, dir_fd=parent).st_mode
    wanted = mode & stat.S_ISGID | FOLDER_MODE
    if stat.S_IMODE(mode) != wanted:
        set_mode(name, wanted, dir_fd=parent)


def _upwards(path: Path) -> tuple[Path, ...]:
    return (path, *path.parents)


def _obstructed(path: Path, what: str) -> Obstructed:
    hint = f"look at it and move it away: ls -ld {shlex.quote(str(path))}"
    return Obstructed(f"{path} is {what}", hint=hint)


def _outside(path: Path, root: Path) -> Obstructed:
    return Obstructed(
        f"{path} is not below the archive {root}",
        hint="none of ours writes such a row; move the ledger away, then run 'reportsync repair'",
    )


def _marker_gone(root: Path, error: OSError) -> StorageError:
    if not isinstance(error, FileNotFoundError):
        return storage_error("read the marker in", root, error)
    return StorageError(
        f"the archive {root} has lost its marker {MARKER}: is its volume not mounted?",
        hint="mount it; the next pass goes on by itself",
    )

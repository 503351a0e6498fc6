"""A scratch file: where a body is written before it earns its final name."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable
from contextlib import ExitStack, suppress
from enum import Enum
from functools import cache
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from reportsync.errors import StorageError
from reportsync.store.folders import set_mode
from reportsync.store.names import scratch_name
from reportsync.store.trouble import storage_trouble

ARCHIVE_MODE = 0o440
SMALL = 256 * 2**10  # bytes that are read at once
SPACE_STEP = 64 * 2**20  # free space is looked at again after each of these
_NO_TMPFILE = {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL}  # open(2), O_TMPFILE
_NO_LINK = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS}  # link(2)


class NameTaken(Exception):
    """A file lies under the final name already; nothing was changed. An answer, not an error."""


class Way(Enum):
    """How a scratch file lives and gets its name. Each falls back to the next where it must."""

    UNNAMED = "O_TMPFILE, then link: nothing is left behind by a kill"
    LINKED = "a unique locked name, then link"
    RENAMED = "a unique locked name, then a rename that refuses to replace"


class Scratch:
    """An open scratch file; leaving the context without `Store.keep` discards it.

    For one thread at a time. `size` (bytes) and `sha256` tell of all that was written, also after
    the file is closed.
    """

    def __init__(self, file: int, folder: int, path: Path, name: str | None, way: Way) -> None:
        self.size = 0
        self._hash = hashlib.sha256()
        self._file, self._folder = file, folder  # descriptors; -1 when closed
        self._path = path  # of the folder, for messages
        self._name = name  # None: the file has no name yet, or no longer
        self._way = way
        self._settled = False
        self._check_space: Callable[[], None] | None = None

    def __enter__(self) -> Scratch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard()

    @property
    def folder(self) -> int:
        """A descriptor of the folder that the file is in, while it is open."""
        return self._folder

    @property
    def sha256(self) -> str:
        """The digest of all that was written, lower-case hex."""
        return self._hash.hexdigest()

    def watch_space(self, check: Callable[[], None]) -> None:
        """Have `check` called (it may raise) after every 64 MiB written."""
        self._check_space = check

    def write(self, data: bytes) -> None:
        """Append `data`. After an error (StorageError) the file is discarded."""
        file, before = self._opened(), self.size
        self._settled = False
        try:
            with storage_trouble("write a file in", self._path):
                _write_all(file, data, self.size)
            self.size += len(data)
            self._hash.update(data)
            if self._check_space and self.size // SPACE_STEP > before // SPACE_STEP:
                self._check_space()
        except StorageError:
            self.discard()
            raise

    def changed_at(self) -> int:
        """Return the change time in ns, by the volume's own clock."""
        return os.fstat(self._opened()).st_ctime_ns

    def reader(self) -> BinaryIO:
        """Return the content, from the start. Close one reader before asking for the next.

        Shares the open file, so what was just written comes from memory, not from the disk; what is
        small is read at once.
        """
        if self.size <= SMALL:
            with storage_trouble("read a file in", self._path):
                return BytesIO(os.pread(self._opened(), SMALL, 0))
        with storage_trouble("read a file in", self._path):
            file = os.dup(self._opened())
            os.lseek(file, 0, os.SEEK_SET)
        return os.fdopen(file, "rb")

    def settle(self, mode: int = ARCHIVE_MODE) -> None:
        """Set the permission bits and make the content durable, once.

        After a failed fsync a second one may claim success for pages that are lost, so the file is
        discarded and StorageError raised.
        """
        file = self._opened()
        if self._settled:
            return
        try:
            with storage_trouble("make a file durable in", self._path):
                set_mode(file, mode)
                os.fsync(file)
        except StorageError:
            self.discard()
            raise
        self._settled = True

    def place(self, folder: int, path: Path) -> None:
        """Give the settled file its final name in `folder`, and close it.

        Raises NameTaken, whereupon the scratch file can still be placed elsewhere.
        """
        if not self._settled:
            raise ValueError("a scratch file must be settled before it is placed")
        with storage_trouble(f"place {path.name} in", path.parent):
            try:
                self._give_name(folder, path.name)
            except FileExistsError:
                raise NameTaken(str(path)) from None
        self.discard()

    def replace(self, path: Path) -> None:
        """Rename the settled file, one that has a name, over `path` in its own folder."""
        if self._name is None or not self._settled:
            raise ValueError("only a settled scratch file with a name can replace another")
        with storage_trouble(f"replace {path.name} in", self._path):
            os.rename(self._name, path.name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self._name = None
        self.discard()

    def discard(self) -> None:
        """Close the file and remove its scratch name. Again does nothing; never raises."""
        if self._file < 0:
            return
        # Nothing here is worth an error: a name that stays is swept, and what is closed was either
        # made durable before or is not wanted (NFS reports late write errors on close).
        if self._name is not None:
            _forget_name(self._name, self._folder)
        for descriptor in (self._file, self._folder):
            with suppress(OSError):
                os.close(descriptor)
        self._file = self._folder = -1

    def _opened(self) -> int:
        if self._file < 0:
            raise ValueError("this scratch file is closed")
        return self._file

    def _give_name(self, folder: int, name: str) -> None:
        if self._name is None:
            # With a descriptor among its arguments CPython calls linkat(2), which follows the
            # link in /proc to the file; without, link(2), which does not.
            os.link(f"/proc/self/fd/{self._file}", name, dst_dir_fd=folder, follow_symlinks=True)
        elif self._way is Way.RENAMED or not _linked(self._name, self._folder, name, folder):
            _rename_without_replacing(self._name, self._folder, name, folder)
            self._name = None


def open_scratch(folder: int, path: Path, label: str, way: Way) -> Scratch:
    """Create a scratch file in `folder` (taken over: closed with the scratch file) at `path`.

    `label` goes into its name if it has one. Raises StorageError.
    """
    try:
        with storage_trouble("create a file in", path):
            file = open_unnamed(folder) if way is Way.UNNAMED else None
            if file is not None:
                return Scratch(file, folder, path, None, way)
            file, name = _open_named(folder, label)
            return Scratch(file, folder, path, name, way)
    except StorageError:
        os.close(folder)
        raise


@cache
def _proc_is_there() -> bool:
    """Say whether there is /proc, by which such a file is named."""
    return Path("/proc/self/fd").exists()


def open_unnamed(folder: int) -> int | None:
    """Return a descriptor of a new file without a name in `folder`; None if that cannot be."""
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None or not _proc_is_there():
        return None
    try:
        return os.open(".", flag | os.O_RDWR, 0o600, dir_fd=folder)
    except OSError as error:
        if error.errno not in _NO_TMPFILE:
            raise
        return None


def _open_named(folder: int, label: str) -> tuple[int, str]:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    while True:
        name = scratch_name(label, secrets.token_hex(8))
        with ExitStack() as undo:
            file = os.open(name, flags, 0o600, dir_fd=folder)
            undo.callback(os.close, file)
            undo.callback(_forget_name, name, folder)
            if take_hold(file):
                undo.pop_all()
                return file, name


def take_hold(file: int) -> bool:
    """Lock a new scratch file; False if a sweep in another process was quicker."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(file).st_nlink > 0


def _forget_name(name: str, folder: int) -> None:
    with suppress(OSError):
        os.unlink(name, dir_fd=folder)


def _write_all(file: int, data: bytes, offset: int) -> None:
    # At an offset, since readers share (and move) the position of the open file.
    left = memoryview(data)
    while left:
        written = os.pwrite(file, left, offset)
        left, offset = left[written:], offset + written


def _linked(source: str, source_folder: int, name: str, folder: int) -> bool:
    """Link without replacing; False where the file system has no links."""
    try:
        os.link(source, name, src_dir_fd=source_folder, dst_dir_fd=folder)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        return False
    return True


def _rename_without_replacing(source: str, source_folder: int, name: str, folder: int) -> None:
    # The lock, on the folder until its descriptor is closed, is what every process of ours takes.
    fcntl.flock(folder, fcntl.LOCK_EX)
    with suppress(FileNotFoundError):
        os.stat(name, dir_fd=folder, follow_symlinks=False)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    os.rename(source, name, src_dir_fd=source_folder, dst_dir_fd=folder)

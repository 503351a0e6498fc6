"""The ledger's file: where it may lie, how it is created, and whether it is still the same one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from reportsync.errors import LedgerError

LOCK_WAIT = 30.0
"""Seconds to wait for another process that is just writing."""

SCRATCH = ".reportsync-ledger.part"
"""What a copy of a ledger is called until it is whole, in the folder of the copy."""

REBUILD = ".reportsync-rebuild"
"""The folder, in the ledger's, in which a new one is made in the place of a damaged one."""

_LOCK_PAUSE = 0.05  # seconds
_RESERVED_BYTE = 0x4000_0001
"""What a writer locks before it changes anything: https://www.sqlite.org/lockingv3.html, 3.0 and 4.0."""

_HEADER = b"SQLite format 3\x00"
_FIRST_BYTES = 105  # the header, and how many tables the first page names
_NETWORK = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "ncpfs",
    "afs",
    "fuse.sshfs",
    "davfs",
    "fuse.davfs2",
}
REPAIR_HINT = "run 'reportsync repair': it moves the file aside and rebuilds the ledger"


def file_system(path: Path, mounts: str | None = None) -> str | None:
    """Return the type of the file system that holds `path`, or None where the kernel does not tell.

    `mounts` stands in for the text of /proc/self/mountinfo.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
    best, kind = "", None
    target = str(path.resolve())
    for line in mounts.splitlines():
        fields = line.split()
        if "-" not in fields or len(fields) < 6:
            continue
        point = fields[4].replace("\\040", " ")
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, fields[fields.index("-") + 1]
    return kind


def refuse_network(path: Path, mounts: str | None = None) -> None:
    """Raise `LedgerError` if `path` lies on a network file system, whose locks SQLite cannot trust."""
    kind = file_system(path, mounts)
    if kind in _NETWORK:
        raise LedgerError(
            f"the ledger {path} lies on a network file system ({kind}), whose locks SQLite cannot trust",
            hint="set storage.ledger to a local disk, or to postgresql://... for several hosts",
        )


class _InUse:
    """The ledgers that this process has open, whose files nothing but SQLite may open besides.

    POSIX drops every lock that a process has on a file as soon as it closes any descriptor of it: a look
    at the header would let another process write into the middle of our commit (sqlite.org, How To Corrupt
    An SQLite Database File, 2.2).
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._times: Counter[tuple[int, int]] = Counter()

    def add(self, path: Path) -> tuple[int, int] | None:
        with self.lock:
            found = identity(path)
            if found is not None:
                self._times[found] += 1
            return found

    def remove(self, found: tuple[int, int]) -> None:
        with self.lock:
            self._times[found] -= 1

    def __contains__(self, found: tuple[int, int]) -> bool:
        return self._times[found] > 0


in_use = _InUse()


def looks_like_sqlite(path: Path) -> bool | None:
    """Say whether the file at `path` is an SQLite database; None if there is none or nothing in it.

    Raises `LedgerError` if it is something else than a plain file, or cannot be read.
    """
    with in_use.lock:
        try:
            status = path.stat()
            # Else the mode of a device would be changed, or a pipe waited for.
            if not stat.S_ISREG(status.st_mode):
                raise _no_file(path)
            if not status.st_size:
                return None
            if (status.st_dev, status.st_ino) in in_use:
                return True
            with path.open("rb") as file:
                header = file.read(_FIRST_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise cannot_open(path, error) from None
    if not header or (_has_nothing(header) and not path.with_name(f"{path.name}-journal").exists()):
        return None
    return header.startswith(_HEADER)


def _has_nothing(header: bytes) -> bool:
    """Say whether a database without a write-ahead log has no table: the first page is an empty leaf.

    The file format is described on https://www.sqlite.org/fileformat.html, in 1.3 and 1.6.
    """
    return (
        header.startswith(_HEADER) and header[18:19] == b"\1" and header[100:105] == b"\x0d\0\0\0\0"
    )


def _no_file(path: Path) -> LedgerError:
    return LedgerError(
        f"the ledger {path} is not a plain file; it is left as it is",
        hint="move it away, or set storage.ledger elsewhere; 'reportsync repair' then rebuilds the ledger",
    )


def cannot_open(path: Path, error: OSError) -> LedgerError:
    """Return the `LedgerError` for an operating-system error about the ledger's file."""
    return LedgerError(
        f"cannot use the ledger {path}: {error.strerror or error}",
        hint=f"check storage.ledger, and that this user may read and write {path} and {path.parent}",
    )


def file_uri(path: Path, mode: str) -> str:
    """Return the URI by which SQLite opens `path` in `mode`; rw never creates."""
    return f"file:{quote(str(path))}?mode={mode}"


def refuse_foreign(path: Path) -> None:
    """Raise `LedgerError` if there is a file at `path` that is not an SQLite database."""
    if looks_like_sqlite(path) is False:
        raise LedgerError(
            f"the ledger {path} is not an SQLite database; it is left as it is", hint=REPAIR_HINT
        )


def make_folder(folder: Path, mode: int) -> None:
    """Create `folder` and what is missing above it with the permission bits `mode`, whatever the umask."""
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        with contextlib.suppress(FileExistsError):
            missing.mkdir(mode)
            missing.chmod(mode)


def refuse_as_root(path: Path) -> None:
    """Raise `LedgerError` if root is about to make the ledger of another user, who could not open it then."""
    try:
        owner = path.parent.stat().st_uid
    except OSError as error:
        raise cannot_open(path, error) from None
    if os.geteuid() == 0 and owner != 0:
        raise LedgerError(
            f"the folder of the ledger {path} belongs to user {owner}, but this process runs as root",
            hint=f"run it as that user: sudo -u '#{owner}' reportsync ...",
        )


def create(path: Path) -> None:
    """Create an empty file for the ledger, readable and writable by its owner alone, if there is none."""
    try:
        make_folder(path.parent, 0o750)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise cannot_open(path, error) from None


def sweep(folder: Path) -> None:
    """Remove from the ledger's folder what a killed process left half done; its lock must be held."""
    clear(folder / REBUILD)
    with suppress(OSError):
        (folder / SCRATCH).unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Remove `folder` with all that is in it, as far as that can be done."""
    with suppress(OSError):  # rmtree itself does not ignore all of them
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def one_at_a_time(folder: Path, lock_wait: float = LOCK_WAIT) -> Iterator[None]:
    """Hold the lock of `folder` while a ledger in it is created, restored, migrated or moved aside.

    Raises `LedgerError` if others, who need no more than the right to list the folder, hold it for
    `lock_wait` seconds.
    """
    try:
        make_folder(folder, 0o750)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise cannot_open(folder, error) from None
    try:
        _patiently(
            lambda: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB),
            folder, f"the folder of the ledger {folder}", lock_wait,
        )  # fmt: skip
        yield
    finally:
        os.close(descriptor)


@contextmanager
def without_writers(path: Path, lock_wait: float = LOCK_WAIT) -> Iterator[BinaryIO | None]:
    """Keep every writer out of the ledger at `path`, also where SQLite itself cannot open it any more.

    Yields the file, None if there is none; readers go on. Until the end this process may read it through
    nothing else: the lock is gone with any other descriptor of the file that it closes. Raises
    `LedgerError` if a commit of others does not end within `lock_wait` seconds.
    """
    try:
        file = path.open("r+b")
    except FileNotFoundError:
        yield None
        return
    except OSError as error:
        raise cannot_open(path, error) from None
    with file:
        _patiently(
            lambda: fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _RESERVED_BYTE),
            path, f"the ledger {path}", lock_wait,
        )  # fmt: skip
        yield file


def _patiently(lock: Callable[[], None], path: Path, name: str, lock_wait: float) -> None:
    limit = time.monotonic() + lock_wait
    while True:
        try:
            lock()
        except BlockingIOError:
            if time.monotonic() >= limit:
                raise LedgerError(
                    f"{name} was locked by another process for {lock_wait:g} s",
                    hint=f"see which one, and whether it hangs: fuser -v {shlex.quote(str(path))}",
                ) from None
            time.sleep(_LOCK_PAUSE)
        except OSError as error:
            raise cannot_open(path, error) from None
        else:
            return


def sync(path: Path) -> None:
    """Wait until the file or folder at `path` is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells the file at `path` from any other that takes its name; None if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cannot_open(path, error) from None
    return status.st_dev, status.st_ino


def refuse_replaced(path: Path, opened: tuple[int, int]) -> None:
    """Raise `LedgerError` if the file at `path` is not the one that was opened.

    SQLite goes on to accept commits into a deleted file; they would be lost with it.
    """
    now = identity(path)
    if now == opened:
        return
    what = "deleted" if now is None else "replaced"
    raise LedgerError(
        f"the ledger {path} was {what} while in use; nothing more is written to it",
        hint="start the command again; a ledger that is gone is rebuilt by 'reportsync repair'",
    )

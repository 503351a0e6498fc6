"""Faults of the disk in our words: what failed, where, why, and what mends it."""

from __future__ import annotations

import errno
import os
import shlex
from pathlib import Path

from reportsync.errors import StorageError

_NO_ACCESS = "this process runs as user {uid}; let it read and write there: chown -R {uid} {path}"
_IN_THE_WAY = "something else stands where a folder is needed; look at it: ls -ld {path}"
_MOUNT = "see that its volume is mounted, and that `storage.archive` is right"
_REMEDIES = {
    errno.ENOSPC: "free space or inodes on its volume: df -h {path}; df -i {path}",
    errno.EDQUOT: "raise the quota of user {uid} on its volume, or free space: quota -s",
    errno.EROFS: "make its volume writable (mount -o remount,rw); dmesg tells of disk errors",
    errno.EIO: "its disk may be failing: see dmesg, and check the disk before going on",
    errno.EFBIG: "raise the limit on the size of a file: ulimit -f, or LimitFSIZE= in the unit",
    errno.EMFILE: "raise the limit on open files (ulimit -n, LimitNOFILE=) or lower `http.workers`",
    errno.ENFILE: "the whole system is out of open files: raise sysctl fs.file-max",
    errno.EACCES: _NO_ACCESS,
    errno.EPERM: _NO_ACCESS,
    errno.ENOTDIR: _IN_THE_WAY,
    errno.ELOOP: _IN_THE_WAY,
    errno.ENOENT: _MOUNT,
    errno.ESTALE: _MOUNT,
}


class Obstructed(StorageError):
    """Something that is none of ours lies where one app's folder or one archive should be.

    Unlike any other `StorageError` it says nothing about the rest of the archive.
    """


class Unreadable(Obstructed):
    """One archive cannot be read, which says nothing about the others of its app either."""


def storage_error(doing: str, path: Path, error: OSError) -> StorageError:
    """Return `error` as ours: cannot `doing` `path` (which exists), why, and the remedy."""
    text = os.strerror(error.errno) if error.errno else str(error)
    remedy = _REMEDIES.get(error.errno or 0, "look at its volume, then run: reportsync check")
    hint = remedy.format(uid=os.geteuid(), path=shlex.quote(str(path)))
    return StorageError(f"cannot {doing} {path}: {text}", hint=hint)


class storage_trouble:  # noqa: N801  # used like a function; one made of a generator costs three times
    """Raise a `StorageError` (see `storage_error`) for any `OSError` of the body."""

    __slots__ = ("_doing", "_path")

    def __init__(self, doing: str, path: Path) -> None:
        self._doing = doing
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if isinstance(error, OSError):
            raise storage_error(self._doing, self._path, error) from error


class held:  # noqa: N801
    """Close `descriptor` at the end of the body."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

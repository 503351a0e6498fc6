"""Whether an error means that the machine gives this process no more: memory, threads, open files. Pure."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

from reportsync.errors import Exhausted

_FEWER = "or lower `http.workers`; then run it again"
_MEMORY = Exhausted(
    "out of memory; what is stored is whole, and another run goes on from there",
    hint=f"raise the limit (ulimit -v, MemoryMax= in the unit, resources.limits.memory) {_FEWER}",
)
_THREADS = Exhausted(
    "no more threads can be had; what is stored is whole, and another run goes on from there",
    hint=f"raise the limit (ulimit -u, TasksMax= in the unit, pids.max), or that on memory, {_FEWER}",
)
_FILES = Exhausted(
    "too many open files; what is stored is whole, and another run goes on from there",
    hint=f"raise the limit (ulimit -n, LimitNOFILE= in the unit) {_FEWER}",
)
# What the loader of shared libraries says has no number, only words.
_NO_ROOM = re.compile(r"failed to map segment|cannot allocate memory", re.IGNORECASE)


def exhausted(error: BaseException) -> Exhausted | None:
    """Return what ran out if that is why `error`, or one that led to it, was raised; else None."""
    return next(filter(None, map(_meaning, _chain(error))), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _meaning(error: BaseException) -> Exhausted | None:
    match error:
        case MemoryError() | OSError(errno=errno.ENOMEM):
            return _MEMORY
        case OSError(errno=errno.EMFILE | errno.ENFILE):
            return _FILES
        case RuntimeError() if "start new thread" in str(error):
            return _THREADS
        case ImportError() if _NO_ROOM.search(str(error)):
            return _MEMORY
        case ImportError() if "Too many open files" in str(error):
            return _FILES
        case _:
            return None

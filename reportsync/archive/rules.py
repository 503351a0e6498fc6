"""Which whole zips must not be kept, judged by what they say of themselves. Pure."""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence

from reportsync.archive.data import METHODS
from reportsync.archive.directory import ENCRYPTED, Entry
from reportsync.archive.refusal import Limits, refused, shown

_ANY_ENCRYPTION = ENCRYPTED | 0x0040 | 0x2000  # the classic one, the strong one, a masked header
_PATCH = 0x0020
_NEWEST_VERSION = 63  # of the format, times ten; APPNOTE 6.3


def check_rules(entries: Sequence[Entry], size: int, limits: Limits) -> None:
    """Raise ArchiveRefused unless a zip of `size` bytes with these members may be unpacked."""
    for entry in entries:
        fault = _fault(entry)
        if fault:
            raise refused(f"member {shown(entry.name)} {fault}")
    _check_not_a_bomb(sum(entry.size for entry in entries), size, limits)


def _fault(entry: Entry) -> str | None:
    """Return what is wrong with one member, if anything."""
    if entry.flags & _ANY_ENCRYPTION:
        return "is encrypted"
    if entry.flags & _PATCH:
        return "is a patch to another file"
    if entry.method not in METHODS:
        return f"is compressed by method {entry.method}, which is not known here"
    if entry.version > _NEWEST_VERSION:
        return f"needs version {entry.version / 10} of the zip format"
    # Other kinds of file are let be: Info-ZIP marks what it read from a pipe as a pipe.
    if stat.S_ISLNK(entry.attributes >> 16):
        return "is a symbolic link"
    if _unsafe(entry.name):
        return "has a name that could be written outside of its folder"
    return None


def _unsafe(name: str) -> bool:
    """Say whether unpacking `name` by a careless tool, on any system, could leave the folder."""
    path = name.replace("\\", "/")
    rooted = path.startswith("/") or re.match("[A-Za-z]:", path) is not None
    return not path or rooted or "\0" in path or ".." in path.split("/")


def _check_not_a_bomb(unpacked: int, size: int, limits: Limits) -> None:
    if unpacked > limits.uncompressed:
        raise refused(f"it is a bomb: it says that it unpacks to {unpacked} bytes")
    if unpacked > max(limits.harmless, limits.ratio * size):
        raise refused(f"it is a bomb: {size} bytes that unpack to {unpacked}")

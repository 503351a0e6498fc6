"""Find the end record of a zip and prove that it speaks of this very file. Pure but for reading."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from reportsync.archive.reading import read_exactly
from reportsync.archive.refusal import Limits, not_whole, refused

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_WIDE_END = struct.Struct("<4sQ2x2x2L4Q")
_LONGEST_COMMENT = 0xFFFF
_SMALLEST_ENTRY = 46  # bytes of a directory entry without a name


@dataclass(frozen=True, slots=True)
class End:
    """What the end record, narrow or wide (zip64), says of the directory."""

    count: int  # members
    directory: int  # offset
    length: int  # bytes


def find_end(file: BinaryIO, size: int, limits: Limits) -> End:
    """Return the end record of the zip that is all of `file`, of `size` bytes.

    The directory ends where the end record begins: with bytes in front of the archive, or with two
    joined, that cannot be. Raises TransientFault if there is none, ArchiveRefused beyond `limits`.
    """
    at = _end_offset(file, size)
    _, disk, first_disk, here, count, length, directory, _ = _END.unpack(
        read_exactly(file, at, _END.size)
    )
    narrow = End(count, directory, length)
    end, begins = _wide_end(file, at, narrow)
    if here != count or disk != first_disk or disk not in (0, 0xFFFF):
        raise _split()
    if end.directory + end.length != begins:
        raise not_whole("its end record is of another file: bytes were lost or added before it")
    if end.count * _SMALLEST_ENTRY > end.length:
        raise not_whole(f"its directory is too short for {end.count} members")
    if end.count > limits.members or end.length > limits.directory:
        raise refused(f"it has {end.count} members in a directory of {end.length} bytes")
    return end


def _end_offset(file: BinaryIO, size: int) -> int:
    """Return the offset of the last end record; nothing but its comment may follow.

    The last one counts: an end record in the comment of another is then found not to fit the file.
    """
    if size >= _END.size:  # mostly there is no comment, and 64 KiB need not be read twice
        last = read_exactly(file, size - _END.size, _END.size)
        if last.rfind(b"PK\x05\x06") == 0 and last.endswith(b"\0\0"):
            return size - _END.size
    begin = max(0, size - _END.size - _LONGEST_COMMENT)
    tail = read_exactly(file, begin, size - begin)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + _END.size:
        raise not_whole("it has no end record: it was cut short, or is no zip", evidence=False)
    surplus = len(tail) - at - _END.size - struct.unpack_from("<H", tail, at + 20)[0]
    if surplus > 0:
        raise not_whole(f"{surplus} bytes follow its end")
    if surplus < 0:
        raise not_whole("its comment was cut short", evidence=False)
    return begin + at


def _wide_end(file: BinaryIO, at: int, narrow: End) -> tuple[End, int]:
    """Return what counts, and where the end records begin; `at` is where the narrow one does."""
    if at < _LOCATOR.size:
        return narrow, at
    locator = at - _LOCATOR.size
    signature, disk, offset, disks = _LOCATOR.unpack(read_exactly(file, locator, _LOCATOR.size))
    if signature != b"PK\x06\x07":
        return narrow, at
    if disk or disks > 1:
        raise _split()
    if offset + _WIDE_END.size > locator:
        raise not_whole("its zip64 end record is not where it should be")
    signature, length, disk, first_disk, here, count, directory_length, directory = (
        _WIDE_END.unpack(read_exactly(file, offset, _WIDE_END.size))
    )
    wide = End(count, directory, directory_length)
    fits = signature == b"PK\x06\x06" and offset + 12 + length == locator
    if not fits or (here, disk, first_disk) != (count, 0, 0) or not _same(narrow, wide):
        raise not_whole("its two end records do not agree")
    return wide, offset


def _split() -> Exception:
    return not_whole("it is one part of a split archive")


def _same(narrow: End, wide: End) -> bool:
    """Say whether the narrow record is the wide one, with what it cannot hold saturated."""
    return (
        narrow.count in (wide.count, 0xFFFF)
        and narrow.directory in (wide.directory, 0xFFFFFFFF)
        and narrow.length in (wide.length, 0xFFFFFFFF)
    )

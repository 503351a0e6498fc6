"""Prove that the members, the directory and the end record fill the file. Pure but for reading.

The format is PKWARE's APPNOTE 6.3.10: section 4.3.6 for the order of the parts, 4.3.7 to 4.3.16
for each part, 4.5.3 for the wide (zip64) sizes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from reportsync.archive.directory import (
    DESCRIPTOR_FOLLOWS,
    ENCRYPTED,
    SATURATED,
    Entry,
    check_unique,
    read_entries,
    widened,
    zip64_field,
)
from reportsync.archive.end import End
from reportsync.archive.reading import read_exactly
from reportsync.archive.refusal import not_whole, refused, shown

_HEADER = struct.Struct("<4s2xHH4xLLLHH")
_DESCRIPTOR = b"PK\x07\x08"
_LONGEST_DESCRIPTOR = 24  # bytes


@dataclass(frozen=True, slots=True)
class Member:
    """A directory entry whose place in the file was proved."""

    entry: Entry
    data: int  # offset of its packed bytes


def read_layout(file: BinaryIO, end: End, check_stop: Callable[[], None]) -> list[Member]:
    """Return the members in the order of the file, after proving that they fill it exactly.

    The members, one after another from offset 0, the directory and the `end` record are the whole
    file. Raises TransientFault for any other layout; ArchiveRefused for members that share their
    bytes.
    """
    directory = read_exactly(file, end.directory, end.length)
    entries = sorted(read_entries(directory, end.count), key=lambda entry: entry.start)
    _refuse_shared_bytes(entries, end.directory)
    check_unique(entries)
    return list(_members(file, entries, end.directory, check_stop))


def _refuse_shared_bytes(entries: Sequence[Entry], directory: int) -> None:
    """Refuse a bomb made of members that share their packed bytes.

    One damaged length does not look like this: each member alone has to fit.
    """
    fit = all(entry.start + _HEADER.size + entry.packed <= directory for entry in entries)
    if fit and sum(entry.packed for entry in entries) > directory:
        raise refused("it is a bomb: its members share the same bytes")


def _members(
    file: BinaryIO, entries: Sequence[Entry], directory: int, check_stop: Callable[[], None]
) -> Iterator[Member]:
    """Yield each entry with the place of its data; `entries` are in the order of the file."""
    starts = [*(entry.start for entry in entries), directory]
    if starts[0] != 0:
        raise not_whole(f"the first {starts[0]} bytes are not its own")
    for entry, following in zip(entries, starts[1:], strict=True):
        check_stop()
        member = Member(entry, _data_start(file, entry))
        _check_behind(file, member, following)
        yield member


def _data_start(file: BinaryIO, entry: Entry) -> int:
    """Return where the packed bytes begin, after comparing the local header with the directory.

    What the two do not agree on is damage; only what both say can be meant. So a bit that flipped
    on the way is not taken for an encrypted member or a bomb.
    """
    header = read_exactly(file, entry.start, _HEADER.size)
    signature, flags, method, crc, packed, size, names, extras = _HEADER.unpack(header)
    variable = read_exactly(file, entry.start + _HEADER.size, names + extras)
    if signature != b"PK\x03\x04" or variable[:names] != entry.raw_name:
        raise not_whole(f"member {shown(entry.name)} is not where its directory says")
    agree = method == entry.method
    agree &= not (flags ^ entry.flags) & (ENCRYPTED | DESCRIPTOR_FOLLOWS)
    if not flags & DESCRIPTOR_FOLLOWS:
        wide = zip64_field(variable[names:], entry.name) if SATURATED in (size, packed) else b""
        size, packed = widened((size, packed), wide, entry.name)
        agree &= (crc, packed, size) == (entry.crc, entry.packed, entry.size)
    if not agree:
        raise not_whole(f"the two headers of member {shown(entry.name)} do not agree")
    return entry.start + _HEADER.size + len(variable)


def _check_behind(file: BinaryIO, member: Member, following: int) -> None:
    """Check that between the data and the offset `following` is a data descriptor, or nothing."""
    entry = member.entry
    surplus = following - member.data - entry.packed
    if surplus < 0:
        raise not_whole(f"member {shown(entry.name)} runs into what follows it")
    if not entry.flags & DESCRIPTOR_FOLLOWS:
        if surplus:
            raise not_whole(f"{surplus} bytes after member {shown(entry.name)} are not its own")
        return
    found = read_exactly(file, following - surplus, min(surplus, _LONGEST_DESCRIPTOR + 1))
    if found not in _descriptors(entry):
        raise not_whole(f"the data descriptor of member {shown(entry.name)} is wrong")


def _descriptors(entry: Entry) -> Iterator[bytes]:
    """Yield the forms that writers use: narrow or wide, with or without a signature."""
    sizes = (entry.crc, entry.packed, entry.size)
    forms = ["<L2Q"] if max(sizes) > SATURATED else ["<3L", "<L2Q"]
    for form in forms:
        plain = struct.pack(form, *sizes)
        yield from (plain, _DESCRIPTOR + plain)

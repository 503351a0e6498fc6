"""Read the directory of a zip into entries that are sound one by one. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reportsync.archive.refusal import not_whole, shown

ENCRYPTED = 0x0001
DESCRIPTOR_FOLLOWS = 0x0008
UTF8_NAME = 0x0800
SATURATED = 0xFFFFFFFF  # "see the zip64 extra field"
_ZIP64_FIELD = 0x0001
_HEADER = struct.Struct("<4s2xBxHH4xLLLHHH4xLL")


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of the directory."""

    name: str
    raw_name: bytes
    version: int  # of the zip format that a reader must know, times ten
    flags: int
    method: int
    crc: int
    packed: int  # bytes in the file
    size: int  # bytes unpacked
    start: int  # offset of the member's local header
    attributes: int  # as the maker's system has them; the upper half is a Unix mode


def read_entries(directory: bytes, count: int) -> Iterator[Entry]:
    """Yield the `count` entries of a directory, in its own order.

    Raises TransientFault if one is damaged, or if they are not all of it.
    """
    at = 0
    for number in range(1, count + 1):
        entry, at = _entry(directory, at, number)
        yield entry
    if at != len(directory):
        raise not_whole(f"its directory holds more than the {count} members of its end record")


def check_unique(entries: Sequence[Entry]) -> None:
    """Raise TransientFault if two members have the same name."""
    seen: set[str] = set()
    for entry in entries:
        # A reader on Windows takes both slashes for one.
        name = entry.name.replace("\\", "/")
        if name in seen:
            raise not_whole(f"it has two members named {shown(entry.name)}")
        seen.add(name)


def _entry(directory: bytes, at: int, number: int) -> tuple[Entry, int]:
    """Return the entry at offset `at` of the directory, and the offset behind it."""
    name_at = at + _HEADER.size
    if len(directory) < name_at or not directory.startswith(b"PK\x01\x02", at):
        raise not_whole(f"entry {number} of its directory is damaged")
    header = _HEADER.unpack_from(directory, at)
    version, flags, method, crc = header[1:5]
    packed, size, names, extras, comments, attributes, start = header[5:]
    extra_at = name_at + names
    after = extra_at + extras + comments
    if after > len(directory):
        raise not_whole(f"entry {number} of its directory is cut off")
    raw_name = directory[name_at:extra_at]
    name = _decoded(raw_name, flags)
    wide = zip64_field(directory[extra_at : extra_at + extras], name)
    size, packed, start = widened((size, packed, start), wide, name)
    entry = Entry(name, raw_name, version, flags, method, crc, packed, size, start, attributes)
    return entry, after


def _decoded(raw_name: bytes, flags: int) -> str:
    try:
        return raw_name.decode("utf-8" if flags & UTF8_NAME else "cp437")
    except UnicodeDecodeError:
        name = shown(raw_name.decode("ascii", "replace"))
        raise not_whole(f"the name of member {name} is not in UTF-8 as it says") from None


def zip64_field(extra: bytes, name: str) -> bytes:
    """Return the wide sizes in the extra field of member `name`; empty if there are none."""
    at, wide = 0, b""
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if at + 4 + length > len(extra):
            raise not_whole(f"the extra field of member {shown(name)} is damaged")
        if kind == _ZIP64_FIELD and not wide:
            wide = extra[at + 4 : at + 4 + length]
        at += 4 + length
    return wide


def widened(values: Sequence[int], wide: bytes, name: str) -> list[int]:
    """Return `values` with each saturated one replaced by the next number of `wide`."""
    wanted = values.count(SATURATED)
    if len(wide) < 8 * wanted:
        raise not_whole(f"the zip64 sizes of member {shown(name)} are missing")
    numbers = iter(struct.unpack_from(f"<{wanted}Q", wide))
    return [next(numbers) if value == SATURATED else value for value in values]

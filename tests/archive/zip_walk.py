"""A second reader of zips, to compare with: from the first byte on, by the local headers alone."""

from __future__ import annotations

import struct
import zlib

_LOCAL = struct.Struct("<4s2xHH4xLLLHH")


class NoZip(Exception):
    """This reader cannot make sense of it."""


def walk(data: bytes) -> dict[bytes, bytes]:
    """Return the files, stored or deflated, whose headers follow each other up to the directory."""
    found: dict[bytes, bytes] = {}
    at = 0
    while data.startswith(b"PK\3\4", at):
        _, flags, method, _, packed, size, names, extras = _LOCAL.unpack_from(data, at)
        name_at = at + _LOCAL.size
        name = data[name_at : name_at + names]
        body = name_at + names + extras
        if 0xFFFFFFFF in (packed, size):
            packed = struct.unpack_from("<Q", data, name_at + names + 12)[0]
        plain, at = _unpacked(data, body, packed, method, bool(flags & 8))
        if name in found:
            raise NoZip(f"two members named {name!r}")
        found[name] = plain
    if not data.startswith((b"PK\1\2", b"PK\5\6"), at):
        raise NoZip("something else between the members")
    return found


def _unpacked(data: bytes, body: int, packed: int, method: int, behind: bool) -> tuple[bytes, int]:
    """Return a member's content, and where the next one begins."""
    if method == 8:
        reader = zlib.decompressobj(-15)
        plain = reader.decompress(data[body:])
        lengths = [len(data) - body - len(reader.unused_data)] if reader.eof else []
    else:
        lengths = list(range(len(data) - body)) if behind else [packed]
    for length in lengths:
        plain = plain if method == 8 else data[body : body + length]
        end = _behind(data, plain, length, body + length) if behind else body + packed
        if end is not None and (behind or length == packed):
            return plain, end
    raise NoZip("a member that does not end where it should")


def _behind(data: bytes, plain: bytes, packed: int, at: int) -> int | None:
    """Return where the data descriptor at `at` ends, None if there is none."""
    for sign in (b"PK\7\10", b""):
        for form in ("<LQQ", "<LLL"):
            text = sign + struct.pack(form, zlib.crc32(plain), packed, len(plain))
            if data.startswith(text, at) and data[at + len(text) :].startswith(b"PK"):
                return at + len(text)
    return None

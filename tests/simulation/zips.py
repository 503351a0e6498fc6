"""Archives as the vendor makes them, small; and what may come in place of one."""

from __future__ import annotations

import struct
from hashlib import sha256
from random import Random
from zlib import crc32

_HEADER = struct.Struct("<4sHHHHHLLLHH")
_ENTRY = struct.Struct("<4sHHHHHHLLLHHHHHLL")
_END = struct.Struct("<4sHHHHLLH")
_MADE = 0x5A21  # 2025-01-01, as a zip says it

WRONG = ("truncated", "crc", "zeroed", "joined", "encrypted", "method")


def make(name: str, text: str, flags: int = 0, method: int = 0) -> bytes:
    """Return a zip of one member that is not compressed: by hand, as there are very many to make."""
    member, data = name.encode(), text.encode()
    crc, size, length = crc32(data), len(data), len(member)
    head = _HEADER.pack(b"PK\3\4", 20, flags, method, 0, _MADE, crc, size, size, length, 0)
    fields = (20, 20, flags, method, 0, _MADE, crc, size, size, length, 0, 0, 0, 0, 0o644 << 16, 0)
    directory = _ENTRY.pack(b"PK\1\2", *fields) + member
    body = head + member + data
    return body + directory + _END.pack(b"PK\5\6", 0, 0, 1, 1, len(directory), len(body), 0)


def empty() -> bytes:
    """Return a zip without members: a quiet day."""
    return _END.pack(b"PK\5\6", 0, 0, 0, 0, 0, 0, 0)


def digest(body: bytes) -> str:
    """Return the SHA-256 of `body`."""
    return sha256(body).hexdigest()


def spoiled(kind: str, right: bytes, chance: Random) -> bytes:
    """Return what comes in place of the zip `right`, one of the `WRONG` kinds."""
    if kind == "encrypted":
        return make("report.csv", "secret to us", flags=1)
    if kind == "method":
        return make("report.csv", "unknown to us", method=97)
    if kind == "joined":
        return right + right
    if len(right) < 60 or kind == "truncated":
        return right[: max(4, chance.randrange(len(right)))]
    middle = chance.randrange(41, 50)  # inside the member's text
    if kind == "crc":
        return right[:middle] + bytes([right[middle] ^ 1]) + right[middle + 1 :]
    return right[:30] + bytes(20) + right[50:]

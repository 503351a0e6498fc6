"""Make a damaged or strange body out of a good archive. Pure but for a cache of the bombs."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from functools import cache

_MIB = 2**20


def _bad_crc(good: bytes) -> bytes:
    """Store the members uncompressed and change a letter in one: all is well but its CRC."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as source, zipfile.ZipFile(buffer, "w") as target:
        for info in source.infolist():
            target.writestr(zipfile.ZipInfo(info.filename, info.date_time), source.read(info))
    return buffer.getvalue().replace(b"campaign_id", b"campaign_iD", 1)


def _encrypted(good: bytes) -> bytes:
    """Set the flag that says so, in the directory and in the local header of a single member."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Push_One_Time.csv", good)
        archive.infolist()[0].flag_bits |= 1
    data = bytearray(buffer.getvalue())
    data[6] |= 1  # the flags of the local header at offset 0
    return bytes(data)


def _empty(_: bytes) -> bytes:
    return b"PK\x05\x06" + bytes(18)


@cache
def _bomb(declared: int | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("Push_One_Time.csv", "w") as member:
            for _ in range(64):
                member.write(bytes(_MIB))
        if declared is not None:
            archive.infolist()[0].file_size = declared
    return buffer.getvalue()


@cache
def _gzip_bomb() -> bytes:
    return gzip.compress(bytes(64 * _MIB), mtime=0)


def _gzipped(good: bytes) -> bytes:
    return gzip.compress(good, mtime=0)


BREAK: dict[str, Callable[[bytes], bytes]] = {
    "bad-crc": _bad_crc,
    "truncated-zip": lambda good: good[: len(good) * 2 // 3],
    "joined": lambda good: good + good,
    "extra-bytes": lambda good: good + b"\r\n<!-- served by a helpful proxy -->\r\n",
    "not-zip": lambda _: b"campaign_id,campaign_name,sent\r\n1,Welcome,7\r\n",
    "encrypted": _encrypted,
    "empty-zip": _empty,
    "bomb": lambda _: _bomb(),
    "lying-bomb": lambda _: _bomb(declared=1000),
    "gzip": _gzipped,
    "gzip-cut": lambda good: (data := _gzipped(good))[: len(data) // 2],
    "gzip-bomb": lambda _: _gzip_bomb(),
}
"""What each fault of the body makes of a good archive; `changed` makes another good one."""

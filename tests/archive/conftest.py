"""Zips for the tests of the archive check: by Python's zipfile, and byte by byte."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from reportsync.archive import Contents, examine

REPORT = b"campaign,sent,clicks\n" + b"".join(b"c%d,%d,%d\n" % (n, n * 7, n) for n in range(200))


@dataclass(frozen=True)
class Part:
    """One member as raw bytes; each field stands where the format has it, true or not."""

    name: bytes = b"push.csv"
    plain: bytes = REPORT
    flags: int = 0
    method: int = zipfile.ZIP_DEFLATED
    mode: int = 0
    version: int = 20
    extra: bytes = b""
    behind: bytes = b""  # what stands after the data: a descriptor, or rubbish
    crc: int | None = None
    size: int | None = None
    packed: bytes | None = None
    start: int | None = None
    differs: tuple[tuple[str, int], ...] = ()  # fields of the local header that are otherwise

    def local(self) -> bytes:
        fields = self._fields() | dict(self.differs)
        head = struct.pack("<4sHHH4xLLLHH", b"PK\x03\x04", self.version, *fields.values())
        return head + self.name + self.packed_bytes() + self.behind

    def central(self, start: int) -> bytes:
        *fields, names, _ = self._fields().values()
        lengths = (names, len(self.extra))
        return (
            struct.pack("<4sHHHH4xLLL", b"PK\x01\x02", 0x0314, self.version, *fields)
            + struct.pack("<HH6xLL", *lengths, self.mode << 16, self.start or start)
            + self.name
            + self.extra
        )

    def packed_bytes(self) -> bytes:
        if self.packed is not None:
            return self.packed
        if self.method != zipfile.ZIP_DEFLATED:
            return self.plain
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        return packer.compress(self.plain) + packer.flush()

    def _fields(self) -> dict[str, int]:
        return {
            "flags": self.flags,
            "method": self.method,
            "crc": zlib.crc32(self.plain) if self.crc is None else self.crc,
            "packed": len(self.packed_bytes()),
            "size": len(self.plain) if self.size is None else self.size,
            "names": len(self.name),
            "extras": 0,
        }


def end_record(count: int, length: int, start: int, comment: bytes = b"") -> bytes:
    """Return the end record of a directory of `length` bytes at offset `start`."""
    head = struct.pack("<4s4xHHLLH", b"PK\x05\x06", count, count, length, start, len(comment))
    return head + comment


def assemble(*parts: Part, comment: bytes = b"", shared: bool = False) -> bytes:
    """Return a zip of `parts` in their order; `shared` points every entry at the first one's."""
    body, directory = b"", b""
    for part in parts:
        directory += part.central(0 if shared else len(body))
        body += b"" if shared and body else part.local()
    return body + directory + end_record(len(parts), len(directory), len(body), comment)


def by_zipfile(
    files: Sequence[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED, comment: bytes = b""
) -> bytes:
    """Return a zip of `files` as Python's zipfile writes it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.comment = comment
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return stream.getvalue()


def examine_bytes(data: bytes) -> Contents:
    """Examine `data` as a file."""
    return examine(io.BytesIO(data), len(data))


@pytest.fixture(scope="session")
def examined() -> Callable[[bytes], Contents]:
    """Return the function that examines bytes."""
    return examine_bytes


@pytest.fixture(scope="session")
def zipped() -> Callable[..., bytes]:
    """Return the function that makes a zip by Python's zipfile."""
    return by_zipfile


@pytest.fixture(scope="session")
def made() -> Callable[..., bytes]:
    """Return the function that makes a zip of raw `part` values."""
    return assemble


@pytest.fixture(scope="session")
def part() -> type[Part]:
    """Return the class of raw members."""
    return Part


@pytest.fixture(scope="session")
def ended() -> Callable[..., bytes]:
    """Return the function that makes an end record."""
    return end_record

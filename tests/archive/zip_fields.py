"""Zips field by field: where each number stands, so that a test can give it any other value."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

WIDE = 0xFFFFFFFF  # "see the zip64 extra field"
_SIZES = {"H": 2, "L": 4, "Q": 8}


@dataclass(frozen=True, slots=True)
class Field:
    """One number of the format: `size` bytes at `at`."""

    label: str
    at: int
    size: int


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a zip, and how it is written."""

    name: bytes
    plain: bytes
    packs: bool = True  # deflated, else stored
    descriptor: str = ""  # "", "narrow", "wide"; with "bare" the signature is left out
    wide: bool = False  # sizes in the zip64 extra field
    extra: bytes = b""

    @property
    def packed(self) -> bytes:
        """The bytes in the file."""
        if not self.packs:
            return self.plain
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        return packer.compress(self.plain) + packer.flush()


@dataclass(slots=True)
class Writer:
    """A zip as it is written, and the fields so far; `shift` is added to all offsets."""

    shift: int = 0
    data: bytearray = field(default_factory=bytearray)
    fields: list[Field] = field(default_factory=list)

    def put(self, record: str, **numbers: tuple[str, int]) -> None:
        """Write the numbers of a record, each given as (size letter, value)."""
        for name, (kind, value) in numbers.items():
            self.fields.append(Field(f"{record}.{name}", len(self.data), _SIZES[kind]))
            self.data += value.to_bytes(_SIZES[kind], "little")

    def local(self, member: Member) -> int:
        """Write a member, and return where it begins."""
        start, behind = len(self.data) + self.shift, bool(member.descriptor)
        packed, size, crc = len(member.packed), len(member.plain), zlib.crc32(member.plain)
        extra = 20 if member.wide else 0
        shown = (0, 0, 0) if behind else (crc, WIDE, WIDE) if member.wide else (crc, packed, size)
        self.put("local", sig=("L", 0x04034B50), version=("H", 45 if member.wide else 20))
        self._common("local", member, *shown)
        self.put("local", names=("H", len(member.name)), extras=("H", extra + len(member.extra)))
        self.data += member.name
        if member.wide:
            self.put("wide", id=("H", 1), length=("H", 16), size=("Q", size), packed=("Q", packed))
        self.data += member.extra + member.packed
        if behind:
            self._descriptor(member, crc, packed, size)
        return start

    def _common(self, record: str, member: Member, crc: int, packed: int, size: int) -> None:
        flags, method = 8 if member.descriptor else 0, 8 if member.packs else 0
        self.put(record, flags=("H", flags), method=("H", method), time=("H", 0), date=("H", 33))
        self.put(record, crc=("L", crc), packed=("L", packed), size=("L", size))

    def _descriptor(self, member: Member, crc: int, packed: int, size: int) -> None:
        if "bare" not in member.descriptor:
            self.put("descriptor", sig=("L", 0x08074B50))
        kind = "Q" if "wide" in member.descriptor else "L"
        self.put("descriptor", crc=("L", crc), packed=(kind, packed), size=(kind, size))

    def central(self, member: Member, start: int) -> None:
        """Write a member's entry of the directory."""
        crc, extra = zlib.crc32(member.plain), 28 if member.wide else 0
        sizes = (WIDE, WIDE) if member.wide else (len(member.packed), len(member.plain))
        version = 45 if member.wide else 20
        self.put("central", sig=("L", 0x02014B50), made=("H", 0x0314), version=("H", version))
        self._common("central", member, crc, *sizes)
        self.put("central", names=("H", len(member.name)), extras=("H", extra + len(member.extra)))
        self.put("central", comments=("H", 0), disk=("H", 0), inside=("H", 0), outside=("L", 0))
        self.put("central", start=("L", WIDE if member.wide else start))
        self.data += member.name
        if member.wide:
            numbers = {"size": len(member.plain), "packed": len(member.packed), "start": start}
            self.put("wide", id=("H", 1), length=("H", 24))
            self.put("wide", **{name: ("Q", value) for name, value in numbers.items()})
        self.data += member.extra

    def end(self, count: int, directory: int, comment: bytes = b"", wide: bool = False) -> None:
        """Write the end record, with the zip64 ones before it if `wide`."""
        length, begins = len(self.data) + self.shift - directory, len(self.data) + self.shift
        if wide:
            self.put("wide end", sig=("L", 0x06064B50), size=("Q", 44), made=("H", 45))
            self.put("wide end", version=("H", 45), disk=("L", 0), first=("L", 0))
            self.put("wide end", here=("Q", count), count=("Q", count), length=("Q", length))
            self.put("wide end", start=("Q", directory))
            self.put(
                "locator", sig=("L", 0x07064B50), disk=("L", 0), at=("Q", begins), disks=("L", 1)
            )
        self.put("end", sig=("L", 0x06054B50), disk=("H", 0), first=("H", 0))
        self.put("end", here=("H", count), count=("H", count), length=("L", length))
        self.put("end", start=("L", directory), comments=("H", len(comment)))
        self.data += comment


def write(
    members: list[Member], *, comment: bytes = b"", wide: bool = False, shift: int = 0
) -> Writer:
    """Return the zip of `members`."""
    writer = Writer(shift)
    starts = [writer.local(member) for member in members]
    directory = len(writer.data) + shift
    for member, start in zip(members, starts, strict=True):
        writer.central(member, start)
    writer.end(len(members), directory, comment, wide)
    return writer

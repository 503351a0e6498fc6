"""Zips with numbers and parts that do not belong: what a broken or hostile maker of zips could write."""

from __future__ import annotations

import random
from collections.abc import Callable

from zip_fields import Field, Member, Writer, write

TABLE = b"campaign,sent\n" + b"".join(b"c%d,%d\n" % (n, n * n) for n in range(40))
CONTENTS = {b"push/sent.csv": TABLE, b"email.csv": bytes(range(256)), b"sms.csv": b""}
EXTRA = b"\x55\x54\x05\0\3" + bytes(4)  # a time, as Info-ZIP writes it


def members(chance: random.Random) -> list[Member]:
    """Return the members of the zips, written in one of the ways that there are."""
    forms = ("", "", "narrow", "narrow bare", "wide", "wide bare")
    wide = chance.random() < 0.3
    return [
        Member(
            name,
            plain,
            packs=chance.random() < 0.7,
            descriptor="" if wide else chance.choice(forms[:4]),
            wide=wide,
            extra=chance.choice((b"", EXTRA)),
        )
        for name, plain in CONTENTS.items()
    ]


def sound(chance: random.Random) -> Writer:
    """Return a right zip."""
    comment = chance.choice((b"", b"made by a test"))
    return write(members(chance), comment=comment, wide=chance.random() < 0.3)


def mutant(seed: int) -> bytes:
    """Return the zip of `seed`."""
    chance = random.Random(seed)
    if chance.random() < 0.25:
        return chance.choice(_PARTS)(chance)
    zip_ = sound(chance)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        _give_other_value(zip_, chance.choice(zip_.fields), chance)
    return bytes(zip_.data)


def _give_other_value(zip_: Writer, field: Field, chance: random.Random) -> None:
    """Give a field, and at times its twin in the other header, a value that means something."""
    old, most = _value(zip_, field), 256**field.size - 1
    values = (
        0, 1, 8, most, most - 1, most // 2 + 1, old + 1, old - 1, old * 2, old ^ 1, len(zip_.data), 0xFFFF,
        0xFFFFFFFF, _value(zip_, chance.choice(zip_.fields)), chance.randint(0, most),
    )  # fmt: skip
    new = chance.choice(values) & most
    twins = [one for one in zip_.fields if one.size == field.size and _value(zip_, one) == old]
    for one in twins if chance.random() < 0.3 else [field]:
        zip_.data[one.at : one.at + one.size] = new.to_bytes(one.size, "little")


def _value(zip_: Writer, field: Field) -> int:
    return int.from_bytes(zip_.data[field.at : field.at + field.size], "little")


def _joined(chance: random.Random) -> bytes:
    first, second = sound(chance), sound(chance)
    return bytes(first.data + second.data)


def _joined_and_renumbered(chance: random.Random) -> bytes:
    first = sound(chance)
    second = write(members(chance), shift=len(first.data), wide=chance.random() < 0.3)
    return bytes(first.data + second.data)


def _joined_with_both_directories(chance: random.Random) -> bytes:
    """The members of two, and a directory of the second's alone."""
    writer = Writer()
    for member in members(chance):
        writer.local(member)
    own = members(chance)
    starts = [writer.local(member) for member in own]
    return _closed(writer, list(zip(own, starts, strict=True)))


def _closed(writer: Writer, entries: list[tuple[Member, int]], count: int | None = None) -> bytes:
    directory = len(writer.data)
    for member, start in entries:
        writer.central(member, start)
    writer.end(len(entries) if count is None else count, directory)
    return bytes(writer.data)


def _other_directory(chance: random.Random) -> bytes:
    """Entries that are left out, doubled, in another order, at another's place."""
    writer, own = Writer(), members(chance)
    entries = [(member, writer.local(member)) for member in own]
    match chance.randrange(5):
        case 0:
            del entries[chance.randrange(3)]
        case 1:
            entries.append(chance.choice(entries))
        case 2:
            chance.shuffle(entries)
        case 3:
            entries = [(member, entries[0][1]) for member, _ in entries]
        case _:
            other = chance.choice(entries)
            entries.append((Member(b"other.csv", other[0].plain, other[0].packs), other[1]))
    return _closed(writer, entries, chance.choice((None, None, len(entries) - 1, len(entries) + 1)))


def _padded(chance: random.Random) -> bytes:
    """Bytes that are nobody's: before, between, behind."""
    junk, place = (
        chance.choice((b"\0", b"junk", bytes(400), b"PK\3\4", b"PK\5\6" + bytes(18))),
        chance.randrange(4),
    )
    if place == 0:
        return junk + bytes(write(members(chance), shift=chance.choice((0, len(junk)))).data)
    writer = Writer()
    entries = []
    for member in members(chance):
        entries.append((member, writer.local(member)))
        if place == 1 and chance.random() < 0.5:
            writer.data += junk
    if place == 2:
        writer.data += junk
    return _closed(writer, entries) + (junk if place == 3 else b"")


def _in_the_comment(chance: random.Random) -> bytes:
    """Another zip, or the end of one, where a careless reader looks first."""
    inner = sound(chance).data
    comment = chance.choice((inner, inner[-40:], b"PK\5\6" + bytes(18), b"PK\5\6" + bytes(17)))
    return bytes(write(members(chance), comment=bytes(comment)).data)


def _inside_a_member(chance: random.Random) -> bytes:
    """A zip within the zip, as it is: which is a file like any other."""
    inner = Member(b"email.csv", bytes(sound(chance).data), packs=False)
    first, _, third = members(chance)
    return bytes(write([first, inner, third]).data)


_PARTS: tuple[Callable[[random.Random], bytes], ...] = (
    _joined,
    _joined_and_renumbered,
    _joined_with_both_directories,
    _other_directory,
    _other_directory,
    _padded,
    _padded,
    _in_the_comment,
    _inside_a_member,
)

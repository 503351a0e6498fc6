"""The reports that are served: zips of CSV files, made once and kept, a few in rotation for all days."""

from __future__ import annotations

import os
import random
import zipfile
import zlib
from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

APP_ID = "BENCHMARKAPP0000"
SINCE = date(2020, 1, 1)
MEMBERS = 8
KIB, MIB, GIB = 2**10, 2**20, 2**30
COLUMNS = (
    "campaign_id", "campaign_name", "delivery_type", "sent", "delivered", "clicks", "conversions",
    "unsubscribes", "lifetime_sent",
)  # fmt: skip
_THEMES = ("Welcome", "Cart reminder", "Price drop", "Weekend sale", "Win-back", "Birthday")
_DELIVERIES = ("One_Time", "Event_Triggered", "Periodic")
_BLOCK = (
    64 * KIB
)  # text that is new; where a table needs more, it comes again: deflate sees 32 KiB back


@dataclass(frozen=True, slots=True)
class Reports:
    """So many reports of one size. `distinct` of them differ, and come again in rotation."""

    count: int
    size: int  # bytes, about
    distinct: int = 8
    stored: bool = False  # not deflated

    @property
    def until(self) -> date:
        """The last day."""
        return SINCE + timedelta(days=self.count - 1)

    @property
    def names(self) -> list[str]:
        """The names of the reports' files."""
        return [f"{SINCE + timedelta(days=n):%Y%m%d}.zip" for n in range(self.count)]

    @property
    def words(self) -> str:
        """Such as 2,000 x 4 KiB."""
        return f"{self.count:,} x {size_words(self.size)}"


def size_words(size: int) -> str:
    """Return a size in words: 4 KiB."""
    for unit, word in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size / unit:g} {word}"
    return f"{size} B"


def lay_out(reports: Reports, kept: Path, served: Path) -> int:
    """Fill the new folder `served` with reports, links to archives kept in `kept`; return their bytes."""
    kept.mkdir(parents=True, exist_ok=True)
    served.mkdir(parents=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = list(pool.map(lambda n: _keep(reports, n, kept), range(_variants(reports))))
    sizes = [path.stat().st_size for path in made]
    for number, name in enumerate(reports.names):
        (served / name).hardlink_to(made[number % len(made)])
    return sum(sizes[number % len(made)] for number in range(reports.count))


def _variants(reports: Reports) -> int:
    return min(reports.distinct, reports.count)


def _keep(reports: Reports, number: int, kept: Path) -> Path:
    """Return the archive `number` of this size, made unless it is there from before."""
    way = "stored" if reports.stored else "deflated"
    path = kept / f"{reports.size}-{way}-{number}.zip"
    if not path.exists():
        draft = path.with_suffix(".draft")
        if reports.stored:
            _write_stored(draft, reports.size)
        else:
            _write_tables(draft, reports.size, random.Random(f"{reports.size} {number}"))
        draft.rename(path)
    return path


def _write_tables(path: Path, size: int, chance: random.Random) -> None:
    """Write a zip of CSV files that comes to about `size` bytes."""
    room = size // MEMBERS - 150  # what a member's two headers take
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(MEMBERS):
            lines = _lines(chance)
            block = b"".join(lines)
            packed = _packed(block)
            with archive.open(f"Push_Campaign_{number}_20200101.csv", "w") as member:
                if packed > room:
                    member.write(b"".join(lines[: _fitting(lines, room)]))
                for _ in range(round(room / packed) if packed <= room else 0):
                    member.write(block)


def _write_stored(path: Path, size: int) -> None:
    """Write a zip of one member that is not deflated, all zeros."""
    zeros = bytes(MIB)
    member = zipfile.ZipInfo("Raw_Events_20200101.csv", (2020, 1, 2, 2, 0, 0))
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive,
        archive.open(member, "w", force_zip64=True) as file,
    ):
        for _ in range(size // MIB):
            file.write(zeros)


def _lines(chance: random.Random) -> list[bytes]:
    """Return a head and rows of a campaign table, twice as long as deflate looks back."""
    rows = [",".join(COLUMNS)]
    length = 0
    while length < _BLOCK:
        sent = chance.randint(200, 90_000)
        clicks = sent * chance.randint(1, 12) // 100
        row = (
            f"{chance.getrandbits(96):024x},{chance.choice(_THEMES)} {chance.randint(1, 40)},"
            f"{chance.choice(_DELIVERIES)},{sent},{sent * chance.randint(85, 99) // 100},{clicks},"
            f"{clicks * chance.randint(2, 30) // 100},{chance.randint(0, 9)},{sent * 31}"
        )
        rows.append(row)
        length += len(row) + 1
    return [f"{row}\n".encode() for row in rows]


def _packed(text: bytes) -> int:
    return len(zlib.compress(text))


def _fitting(lines: list[bytes], room: int) -> int:
    """Return how many of `lines` fill `room` bytes when deflated."""
    return bisect_left(range(len(lines)), room, key=lambda n: _packed(b"".join(lines[:n])))

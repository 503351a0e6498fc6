"""Make the archives: realistic, and the same bytes each time. Pure but for a cache."""

from __future__ import annotations

import csv
import io
import random
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from datetime import date, timedelta

COLUMNS = (
    "campaign_id", "campaign_name", "delivery_type", "sent", "delivered", "clicks",
    "conversions", "unsubscribes", "lifetime_sent", "lifetime_conversions",
)  # fmt: skip
STREAMS = (
    ("Push", "One_Time", 1.0), ("Push", "Event_Triggered", 1.0), ("Push", "Periodic", 0.9),
    ("Email", "One_Time", 0.8), ("Email", "Event_Triggered", 0.9), ("Email", "Periodic", 0.7),
    ("SMS", "One_Time", 0.5), ("SMS", "Event_Triggered", 0.8), ("In-App", "General", 0.9),
    ("WhatsApp", "One_Time", 0.4),
)  # fmt: skip
"""Channel, delivery type, and on what share of days there is such a file."""

_THEMES = (
    "Welcome",
    "Cart reminder",
    "Price drop",
    "Weekend sale",
    "Win-back",
    "Survey",
    "Birthday",
)
_CACHE_BYTES = 256 * 2**20


def make_report(app_id: str, day: date, revision: int = 1, size: int = 0) -> bytes:
    """Return the zip of an app's report about `day`.

    A higher `revision` is a restatement: the same campaigns with more conversions. With `size` a
    member of raw events is added that brings the archive to at least so many bytes.
    """
    made = day + timedelta(days=1)  # the names and dates inside are those of generation
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for channel, delivery, share in STREAMS:
            if random.Random(f"{app_id} {day} {channel} {delivery}").random() < share:  # noqa: S311
                text = _table(app_id, day, channel, delivery, revision)
                archive.writestr(_member(f"{channel}_{delivery}", made), text)
        if size > buffer.tell():
            info = _member("Raw_Events", made, zipfile.ZIP_STORED)
            archive.writestr(info, _events(app_id, day, revision, size))
    return buffer.getvalue()


def _member(name: str, made: date, method: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    year = min(max(made.year, 1980), 2107)  # all that a zip can say
    info = zipfile.ZipInfo(
        f"{name}_{made.isoformat().replace('-', '')}.csv", (year, made.month, made.day, 2, 0, 0)
    )
    info.compress_type, info.create_system, info.external_attr = method, 3, 0o100644 << 16
    return info


def _table(app_id: str, day: date, channel: str, delivery: str, revision: int) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(_rows(app_id, day, channel, delivery, revision))
    return text.getvalue()


def _rows(
    app_id: str, day: date, channel: str, delivery: str, revision: int
) -> Iterator[tuple[str | int, ...]]:
    stream = random.Random(f"{app_id} {channel} {delivery}")  # noqa: S311 (made-up figures)
    today = random.Random(f"{app_id} {channel} {delivery} {day}")  # noqa: S311
    for number in range(1, stream.randint(4, 9)):
        campaign, usual = f"{stream.getrandbits(96):024x}", stream.randint(200, 90_000)
        title, age = stream.choice(_THEMES), stream.randint(50, 900) + day.toordinal() % 10_000
        sent = int(usual * today.uniform(0.8, 1.2))
        delivered = int(sent * today.uniform(0.85, 0.99))
        clicks = int(delivered * today.uniform(0.01, 0.12))
        conversions = int(clicks * today.uniform(0.02, 0.3)) + revision - 1
        yield (
            campaign, f"{title} {number}", delivery, sent, delivered, clicks, conversions,
            today.randint(0, 9), usual * age, usual * age // 300 + revision - 1,
        )  # fmt: skip


def _events(app_id: str, day: date, revision: int, size: int) -> str:
    noise = random.Random(f"{app_id} {day} {revision}")  # noqa: S311
    return noise.randbytes(size // 2 + 1).hex("\n", 60)


class ReportCache:
    """Remembers archives, up to so many bytes; the longest unused go first. Safe for threads."""

    def __init__(self, limit: int = _CACHE_BYTES) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, date, int, int], bytes] = OrderedDict()
        self._bytes = 0

    def get(self, app_id: str, day: date, revision: int, size: int) -> bytes:
        """Return what `make_report` does, made once if it fits."""
        key = (app_id, day, revision, size)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        data = make_report(app_id, day, revision, size)
        with self._lock:
            self._keep(key, data)
        return data

    def _keep(self, key: tuple[str, date, int, int], data: bytes) -> None:
        if len(data) > self._limit or key in self._kept:
            return
        self._kept[key] = data
        self._bytes += len(data)
        while self._bytes > self._limit:
            self._bytes -= len(self._kept.popitem(last=False)[1])

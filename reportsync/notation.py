"""How values are written in the config and on the command line, and read back from text. Pure.

Each reader takes text to a value, passes anything that is not text, and raises ValueError with
words that never hold the text itself. Each writer gives the text that its reader takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, time, timedelta
from itertools import product
from math import isclose
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

COUNT = r"[0-9]{1,9}"
DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}"
DURATION = r"([0-9]{1,6}d)?([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?"
RATE = r"0|[0-9]{1,6}(\.[0-9]{1,6})?/[smh]"
SIZE = r"([0-9]{1,15}) ?([KMGT]iB|B)?"
TIME = r"([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?"
ZONE = r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*"

LONGEST = timedelta(days=3660)
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_SIZES = {"": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
# Files of the zone database that are not places: leap-second clocks, the machine's own zone.
_NO_ZONES = re.compile(r"(?i)(right|posix)/.*|posixrules|localtime|factory")


def suggest(word: str, words: Iterable[str]) -> str:
    """Return `; did you mean X?` for the one of `words` that `word` may have meant, or nothing."""
    from difflib import get_close_matches

    by_lower = {known.lower(): known for known in words}
    near = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f"; did you mean {by_lower[near[0]]}?" if near else ""


def parse_count(text: object) -> object:
    """Read a whole number."""
    if not isinstance(text, str):
        return text
    if not re.fullmatch(COUNT, text):
        raise ValueError("is not a whole number")
    return int(text)


def parse_duration(text: object) -> object:
    """Read `90s`, `30m`, `2h`, `1d`, `1h30m` as a timedelta of at most ten years."""
    if not isinstance(text, str):
        return text
    if not text or not re.fullmatch(DURATION, text):
        raise ValueError("is not a duration; write it with its unit: 90s, 30m, 2h, 1d, 1h30m or 0s")
    parts = re.findall(r"([0-9]+)([dhms])", text)
    duration = timedelta(seconds=sum(int(number) * _UNITS[unit] for number, unit in parts))
    if duration > LONGEST:
        raise ValueError(f"is longer than {LONGEST.days}d")
    return duration


def duration_text(duration: timedelta) -> str:
    """Write a duration as `1h30m`; parts of a second are left out."""
    rest, words = int(duration.total_seconds()), ""
    for unit, seconds in _UNITS.items():
        number, rest = divmod(rest, seconds)
        words += f"{number}{unit}" if number else ""
    return words or "0s"


def parse_size(text: object) -> object:
    """Read `4096`, `512KiB`, `1GiB` as bytes."""
    if not isinstance(text, str):
        return text
    match = re.fullmatch(SIZE, text)
    if not match:
        raise ValueError("is not a size; write it as 4096, 512KiB, 100MiB or 1GiB")
    return int(match[1]) * _SIZES[match[2] or ""]


def size_text(size: int) -> str:
    """Write bytes in the largest unit that divides them: `1GiB`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size and size % _SIZES[unit] == 0:
            return f"{size // _SIZES[unit]}{unit}"
    return str(size)


def readable_size(size: int) -> str:
    """Write a number of bytes for people: 812 B, 3.4 KiB, 1.2 GiB."""
    value, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"


def parse_day(text: object) -> object:
    """Read `YYYY-MM-DD` or `YYYYMMDD`, in ASCII digits, of the years 2000 to 2199."""
    if not isinstance(text, str):
        return text
    if not re.fullmatch(DAY, text):
        raise ValueError("is not a day; write it as YYYY-MM-DD or YYYYMMDD")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError("is a day that no calendar has") from None
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"is not between {FIRST_DAY} and {LAST_DAY}")
    return day


def parse_time(text: object) -> object:
    """Read a time of day, `02:00` or `02:00:30`, on the 24-hour clock."""
    if not isinstance(text, str):
        return text
    if not re.fullmatch(TIME, text):
        raise ValueError("is not a time of day; write it as 02:00, from 00:00 to 23:59")
    return time.fromisoformat(text.rjust(5, "0") if len(text) < 6 else text.rjust(8, "0"))


def time_text(moment: time) -> str:
    """Write a time of day as `02:00`, with seconds only where there are some."""
    return moment.isoformat("seconds" if moment.second else "minutes")


def parse_rate(text: object) -> object:
    """Read `2/s`, `30/m`, `100/h` or `0` as requests per second."""
    if not isinstance(text, str):
        return text
    if not re.fullmatch(RATE, text):
        raise ValueError("is not a rate; write it as 2/s, 30/m, 100/h, or 0 for no limit")
    number, _, unit = text.partition("/")
    return float(number) / _UNITS[unit] if unit else 0.0


def rate_text(rate: float) -> str:
    """Write requests per second as `2/s`, `30/m` or `100/h`: with the fewest decimals that are right."""
    if not rate:
        return "0"
    for places, unit in product(range(7), ("s", "m", "h")):
        number = f"{rate * _UNITS[unit]:.{places}f}"
        if float(number) < 1e6 and isclose(float(number) / _UNITS[unit], rate, rel_tol=1e-9):
            return f"{number}/{unit}"
    return f"{rate:.6f}/s"


def parse_zone(text: object) -> object:
    """Read the name of an IANA time zone, such as `Europe/Berlin`, as a ZoneInfo."""
    if not isinstance(text, str):
        return text
    zone = _zone(text) if re.fullmatch(ZONE, text) and not _NO_ZONES.fullmatch(text) else None
    if zone is None:
        raise ValueError(_zone_problem(text))
    return zone


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # unknown; not a zone's file; a folder
        return None


def _zone_problem(text: str) -> str:
    names = available_timezones()
    if not names:
        return "cannot be looked up: no time zone data is installed; run: pip install tzdata"
    last = text.rpartition("/")[2].lower()
    cities = sorted(name for name in names if name.rpartition("/")[2].lower() == last)
    near = f"; did you mean {cities[0]}?" if cities else suggest(text, sorted(names))
    return f"is not a time zone{near or '; write it as Europe/Berlin, Asia/Kolkata or UTC'}"

"""Instants, sizes and foreign texts as the page writes them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reportsync.redact import clean

REASON_LENGTH = 300


def instant(moment: datetime) -> str:
    """Return an aware instant for people: 2026-11-23 02:00 UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def apart(moment: datetime, now: datetime) -> str:
    """Return how far `moment` lies from `now`: 5 min ago, in 3 h 10 min, now."""
    distance = moment - now
    text = duration(abs(distance))
    if text == "0 s":
        return "now"
    return f"in {text}" if distance > timedelta(0) else f"{text} ago"


def duration(length: timedelta) -> str:
    """Return a length of time in its two largest units: 40 s, 5 min, 3 h 10 min, 12 d 4 h."""
    seconds = int(length.total_seconds())
    minutes, hours, whole_days = seconds // 60, seconds // 3600, seconds // 86400
    if whole_days:
        return _two(whole_days, "d", hours % 24, "h")
    if hours:
        return _two(hours, "h", minutes % 60, "min")
    return f"{minutes} min" if minutes else f"{seconds} s"


def _two(first: int, unit: str, second: int, smaller: str) -> str:
    return f"{first} {unit} {second} {smaller}" if second else f"{first} {unit}"


def foreign(text: str | None, limit: int = REASON_LENGTH) -> str:
    """Return a reason that may hold a vendor's words, in one line; templates escape it besides."""
    return clean(text, limit) if text else ""

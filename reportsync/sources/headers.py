"""Dates, pauses and lengths out of HTTP headers; what makes no sense is ignored. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache

LONGEST_PAUSE = timedelta(days=1)
_NONE = timedelta(0)


@lru_cache(maxsize=8)  # busy servers send the same second again and again
def http_date(text: str | None) -> datetime | None:
    """Return the instant (UTC) of an HTTP date, or None if it is none."""
    if not text:
        return None
    try:
        instant = parsedate_to_datetime(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def asked_pause(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Return how long the server asks to be left alone: from 0 to a day, None if it does not say.

    Retry-After in seconds or as a date counts, else x-ratelimit-reset (epoch seconds, as the
    vendor's pages on rate limits have it). Instants are taken relative to the server's own Date, or
    to `now` without one: our clock may be wrong.
    """
    here = http_date(headers.get("date")) or now
    after = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[+-]?\d+", after, re.ASCII):
        return _clamped(_seconds(after))
    if (instant := http_date(after)) is not None:
        return _clamped((instant - here).total_seconds())
    reset = headers.get("x-ratelimit-reset", "").strip()
    if re.fullmatch(r"\d+", reset, re.ASCII):
        return _clamped(_seconds(reset) - here.timestamp())
    return None


def _seconds(digits: str) -> float:
    # Longer numbers are all the same to us, and int() refuses those of more than 4300 digits.
    return float(digits[:20])


def _clamped(seconds: float) -> timedelta:
    return timedelta(seconds=min(max(seconds, 0.0), LONGEST_PAUSE.total_seconds()))


def declared_length(headers: Mapping[str, str]) -> int | None:
    """Return the declared number of bytes, None if there is none; raises ValueError on nonsense."""
    text = headers.get("content-length")
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,18}", text.strip(), re.ASCII):
        raise ValueError("a Content-Length that makes no sense")
    return int(text)

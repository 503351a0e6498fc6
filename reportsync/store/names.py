"""The names of files in the archive folder, composed and read. Pure."""

from __future__ import annotations

import re
from datetime import date

from reportsync.redact import clean

MARKER = ".reportsync"
QUARANTINE = ".quarantine"
BACKUPS = ".ledger"
SUMS = "SHA256SUMS"
MARKER_LABEL = "reportsync"

_APP = re.compile(r"[A-Za-z0-9_-]{1,64}")
_YEAR = re.compile(r"[0-9]{4}")
_ARCHIVE = re.compile(r"([0-9]{8})(?:\.v([2-9]|[1-9][0-9]{1,5}))?\.zip")
_SCRATCH = re.compile(r"\.(?:[0-9]{8}|SHA256SUMS|reportsync)\.[0-9a-f]{16}\.part")


def day_text(day: date) -> str:
    """Return `day` as YYYYMMDD."""
    return day.isoformat().replace("-", "")


def archive_name(day: date, version: int) -> str:
    """Return the final name of `version` (from 1) of the report about `day`."""
    suffix = "" if version == 1 else f".v{version}"
    return f"{day_text(day)}{suffix}.zip"


def parse_archive_name(name: str) -> tuple[date, int] | None:
    """Return the day and version that a final name stands for; None for any other name."""
    match = _ARCHIVE.fullmatch(name)
    if match is None:
        return None
    try:
        day = date.fromisoformat(match[1])
    except ValueError:  # such as 20260231
        return None
    return day, int(match[2] or 1)


def is_app(name: str) -> bool:
    """Say whether a folder of this name can be an app's."""
    return _APP.fullmatch(name) is not None


def is_year(name: str) -> bool:
    """Say whether a folder of this name can hold the reports of a year."""
    return _YEAR.fullmatch(name) is not None


def scratch_name(label: str, token: str) -> str:
    """Return the name of a scratch file; `token` is 16 random hex digits."""
    return f".{label}.{token}.part"


def is_scratch(name: str) -> bool:
    """Say whether this is a name that `scratch_name` gives."""
    return _SCRATCH.fullmatch(name) is not None


def quarantine_prefix(day: date, sha256: str) -> str:
    """Return what the names of all quarantined files of this day and content begin with."""
    return f"{day_text(day)}.{sha256[:8]}."


def quarantine_name(day: date, sha256: str, why: str) -> str:
    """Return the name of a quarantined file; `why` may be foreign text."""
    slug = re.sub(r"[^a-z0-9]+", "-", clean(why).lower())[:40].strip("-") or "refused"
    return f"{quarantine_prefix(day, sha256)}{slug}.bin"

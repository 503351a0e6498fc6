"""The words of the trade as values: report, attempt, outcome, archive, waiver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

Clock = Callable[[], datetime]
"""Returns the current instant, aware, in UTC."""


def system_clock() -> datetime:
    """Return the current instant in UTC."""
    return datetime.now(UTC)


def instant_text(instant: datetime) -> str:
    """Return an aware `instant` the way JSON, logs and the ledger show it: 2026-11-23T02:00:00Z."""
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


ONE_DAY = timedelta(days=1)

MOST_VERSIONS = 999_999
"""Of one report; a file's name has room for six digits."""


class Report(NamedTuple):
    """One app's report about one calendar day."""

    app: str
    day: date

    def __str__(self) -> str:
        return f"{self.app} {self.day}"


class Outcome(StrEnum):
    """How the work on one report ended."""

    STORED = "stored"  # fetched, verified, durable, recorded
    ADOPTED = "adopted"  # a whole file was already there; recorded without a request
    VERSION = "version"  # other content than before; kept beside the old
    UNCHANGED = "unchanged"  # asked for again; the same content
    WAITING = "waiting"  # the server says it is not there yet
    FAILED = "failed"  # anything else that kept the archive away
    REJECTED = "rejected"  # the key was refused
    BUSY = "busy"  # another process has the claim, or has just finished with it


HAVE = frozenset({Outcome.STORED, Outcome.ADOPTED, Outcome.VERSION, Outcome.UNCHANGED})
"""The outcomes after which the report is in the archive."""

ANSWERED = (HAVE - {Outcome.ADOPTED}) | {Outcome.WAITING}
"""Outcomes that prove the key good: a 404, too, is an answer to a signed request that was not refused."""

UNANSWERED = frozenset({Outcome.FAILED, Outcome.REJECTED})
"""Outcomes that say nothing of the day: what mends them is told beside them."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A stored zip, verified: it exists only after every member's CRC was found right."""

    report: Report
    version: int  # 1, then 2, ... for other content of the same report
    size: int  # bytes on disk
    sha256: str  # lower-case hex
    members: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to fetch a report, as the ledger keeps it."""

    report: Report
    started: datetime
    ended: datetime
    outcome: Outcome
    requests: int  # HTTP requests made, repetitions included
    status: int | None = None
    size: int | None = None  # bytes received
    reason: str | None = None  # why there is no archive, fit for display
    pass_id: str | None = None


@dataclass(frozen=True, slots=True)
class Waiver:
    """A person's word that the days `first` to `last` need not be there."""

    app: str
    first: date
    last: date
    reason: str
    author: str
    created: datetime
    until: date | None = None  # last date (UTC) on which it holds; None is for ever

    def covers(self, day: date, now: datetime) -> bool:
        """Say whether `day` is waived at the instant `now`."""
        held = self.until is None or now.astimezone(UTC).date() <= self.until
        return held and self.first <= day <= self.last

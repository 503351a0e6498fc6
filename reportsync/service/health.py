"""Does the daemon make progress? Judged by what it wrote into the ledger, so no port is needed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from reportsync.ledger import Ledger, queries
from reportsync.model import instant_text
from reportsync.settings import Daemon

KIND = "run"
"""The kind of the daemon's passes in the ledger."""

SLACK = timedelta(minutes=2)
"""What a pass may take to begin, commit and write its files on a slow machine."""


@dataclass(frozen=True, slots=True)
class Health:
    """The verdict and the sentence behind it."""

    healthy: bool
    text: str


def health(ledger: Ledger, daemon: Daemon, now: datetime) -> Health:
    """Say whether the daemon's passes go on as `daemon` is set, at the instant `now`.

    A pass under way shows life every 15 s, the next begins within the interval after the last.
    """
    found = ledger.read(queries.last_progress, KIND, now)
    if found is None:
        return Health(False, "the daemon has made no pass yet")
    beat, running = found
    allowed = SLACK if running else daemon.interval + SLACK
    doing = "pass under way, last sign of life" if running else "last pass ended"
    return Health(now - beat <= allowed, f"{doing} {instant_text(beat)}")

"""The vendor: what it really has and since when, which keys it takes, and what ails it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, time, timedelta
from random import Random

from . import zips
from .almanac import EPOCH, generated

HOUR = 3600.0
DAY = 24 * HOUR
NEVER = float("inf")

AILMENTS = ("down", "silent", "5xx", "429", "redirect", "gone", "refuses", "garbled")
"""What can last for a while."""


@dataclass(frozen=True, slots=True)
class Revision:
    """What the vendor gives out for a report from an instant on, in seconds since 1970."""

    since: float
    body: bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class Ailment:
    """Something that is wrong with all requests of an app (None: of every app) until an instant."""

    kind: str
    app_id: str | None
    until: float


@dataclass(slots=True)
class Account:
    """An app as the vendor has it."""

    app_id: str
    zone: str
    at: time
    keys: tuple[str, ...]


@dataclass(slots=True)
class Vendor:
    """Holds the truth that the simulation is judged by."""

    seed: int
    accounts: dict[str, Account] = field(default_factory=dict)
    ailments: list[Ailment] = field(default_factory=list)
    _reports: dict[tuple[str, date], tuple[Revision, ...]] = field(default_factory=dict)

    def revisions(self, app_id: str, day: date) -> tuple[Revision, ...]:
        """Return all that will ever be given out for a report, none for a hole."""
        found = self._reports.get((app_id, day))
        if found is None:
            found = self._reports[app_id, day] = tuple(self._draw(app_id, day))
        return found

    def available(self, app_id: str, day: date, now: float) -> Revision | None:
        """Return what is given out for a report at `now`."""
        there = [one for one in self.revisions(app_id, day) if one.since <= now]
        return there[-1] if there else None

    def ready(self, app_id: str, day: date) -> float:
        """Return from when on there is something; `NEVER` for a hole."""
        found = self.revisions(app_id, day)
        return found[0].since if found else NEVER

    def ailment(self, app_id: str, now: float) -> Ailment | None:
        """Return what is wrong with the requests of an app now."""
        self.ailments = [one for one in self.ailments if one.until > now]
        mine = (one for one in self.ailments if one.app_id in (None, app_id))
        return next(mine, None)

    def _draw(self, app_id: str, day: date) -> list[Revision]:
        chance = Random(f"{self.seed} {app_id} {day}")
        account = self.accounts[app_id]
        start = (generated(day, account.zone, account.at) - EPOCH) / timedelta(seconds=1)
        dice = chance.random()
        if dice < 0.003:
            return []
        if dice < 0.006:
            start += chance.uniform(1, 45) * DAY
        elif dice < 0.04:
            start += chance.uniform(2, 20) * HOUR
        else:
            start += chance.uniform(-0.9, 0.9) * HOUR
        bodies = [self._body(app_id, day, 1, quiet=chance.random() < 0.03)]
        since = [start]
        while chance.random() < 0.05:
            bodies.append(self._body(app_id, day, len(bodies) + 1))
            since.append(since[-1] + chance.uniform(0.5, 20) * DAY)
        return [
            Revision(instant, body, zips.digest(body))
            for instant, body in zip(since, bodies, strict=True)
        ]

    def _body(self, app_id: str, day: date, number: int, quiet: bool = False) -> bytes:
        if quiet:
            return zips.empty()
        return zips.make(f"Push_{day}.csv", f"campaign,sent\n{app_id} {day},{number}\n")

"""What the simulation knows to have happened: the independent model that the program is judged by."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from reportsync.model import Report
from reportsync.settings import App

from . import almanac
from .almanac import instant

if TYPE_CHECKING:
    from .process import Process
    from .world import SimWorld


class Violation(AssertionError):
    """An invariant does not hold."""


@dataclass(frozen=True, slots=True)
class Waived:
    """A waiver that a person gave and nobody has taken back."""

    app: str
    first: date
    last: date
    until: date | None


@dataclass(frozen=True, slots=True)
class _Flight:
    process: Process
    since: float


class Watch:
    """Keeps what was offered, seen stored, waived, damaged, and since when each report has its peace."""

    def __init__(self, world: SimWorld) -> None:
        self._world = world
        self.offered_to: defaultdict[Report, set[str]] = defaultdict(set)
        self.files: dict[tuple[Report, int], str] = {}  # all that was ever seen stored
        self.hurt: set[tuple[Report, int]] = set()  # files that fate has damaged or removed
        self.litter: set[tuple[Report, int]] = set()  # what fate has put under final names
        self.stored: defaultdict[str, set[date]] = defaultdict(set)
        self.waivers: list[Waived] = []
        self.counts: Counter[str] = Counter()
        self._flights: dict[Report, _Flight] = {}
        self._harm: dict[Report, float] = {}
        self._app_harm: dict[str, float] = {}
        self.odd_until = (
            0.0  # a jump of the clock, a suspended process, a lost ledger: leases are void
        )
        self.disturbed_until = 0.0  # nobody was there to fetch, or could not

    def odd(self, until: float | None = None) -> None:
        """Note that until then (now) a lease may be overtaken though its owner lives."""
        self.odd_until = max(self.odd_until, until or self._world.scheduler.now)
        self.disturbed(until)

    def disturbed(self, until: float | None = None) -> None:
        """Note that until then (now) nobody may expect progress."""
        self.disturbed_until = max(self.disturbed_until, until or self._world.scheduler.now)

    def harmed(self, report: Report, until: float) -> None:
        """Note that a request for `report` was made to fail."""
        self._harm[report] = max(self._harm.get(report, 0.0), until)

    def harmed_app(self, app: str, until: float) -> None:
        """Note that all requests of `app` fail until then."""
        self._app_harm[app] = max(self._app_harm.get(app, 0.0), until)

    def unharmed_since(self, report: Report) -> float:
        """Return since when nothing stands in the way of `report` that fate has put there."""
        mine = max(self._harm.get(report, 0.0), self._app_harm.get(report.app, 0.0))
        return max(mine, self.disturbed_until)

    def offered(self, report: Report, sha256: str) -> None:
        """Note that this content is one which may be stored."""
        self.offered_to[report].add(sha256)

    @contextmanager
    def in_flight(self, process: Process, app: App, report: Report) -> Iterator[None]:
        """Hold I7: one request at a time for a report, and none before it is due."""
        now = self._world.scheduler.now
        self._refuse_early(process, app, report)
        other = self._flights.get(report)
        if other is not None and not other.process.dead:
            lease = process.deadline + 60
            if self.odd_until < other.since - lease - 600:
                names = f"{other.process.name} {other.process.pid} and {process.name} {process.pid}"
                raise Violation(f"I7: {report} is asked for twice at once, by {names}")
            self.counts["overtaken"] += 1
        mine = self._flights[report] = _Flight(process, now)
        self.counts["requests"] += 1
        try:
            yield
        finally:
            if self._flights.get(report) is mine:
                del self._flights[report]

    def _refuse_early(self, process: Process, app: App, report: Report) -> None:
        due = almanac.due(report.day, str(app.timezone), app.report_time, app.buffer)
        if process.machine.clock() < due and self.odd_until < self._world.scheduler.now - 86400:
            raise Violation(f"I5: {report} is asked for before it is due at {due}")
        if (app.until is not None and report.day > app.until) or report.day < app.since:
            raise Violation(f"I5: {report} is asked for and not expected")

    def is_waived(self, report: Report, now: datetime) -> bool:
        """Say whether a person's waiver holds for `report`."""
        return any(
            one.first <= report.day <= one.last and (one.until is None or now.date() <= one.until)
            for one in self.waivers
            if one.app == report.app
        )

    def waive(self, waived: Waived) -> None:
        """Note that a person closes days."""
        self.waivers.append(waived)

    def unwaive(self, app: str, first: date, last: date) -> None:
        """Note that a person reopens days."""
        kept: list[Waived] = []
        for one in self.waivers:
            if one.app != app or one.last < first or last < one.first:
                kept.append(one)
                continue
            if one.first < first:
                kept.append(Waived(app, one.first, first - almanac.ONE_DAY, one.until))
            if last < one.last:
                kept.append(Waived(app, last + almanac.ONE_DAY, one.last, one.until))
        self.waivers = kept
        self.harmed_app(app, self._world.scheduler.now)

    def hurt_file(self, report: Report, version: int) -> None:
        """Note that fate has damaged or removed a stored file."""
        self.hurt.add((report, version))
        self.harmed(report, self._world.scheduler.now)

    @property
    def now(self) -> datetime:
        """The true instant."""
        return instant(self._world.scheduler.now)

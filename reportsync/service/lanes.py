"""Who works on what next: the newest days' lane before the gaps, apps in turn, one probe per app."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from reportsync.collect import Collected
from reportsync.errors import AppRefused
from reportsync.model import ANSWERED, Outcome, Report

PATIENCE_WITH_APP = 10
"""So many failures of an app in a row, without an answer between, end its turn for this pass."""

PATIENCE_WITH_REFUSALS = 3
"""So many redirects, bad certificates and 410s in a row do so too; one may be about its day alone."""


@dataclass(slots=True)
class _Lane:
    """One app's reports of this pass."""

    newest: deque[date] = field(default_factory=deque)
    gaps: deque[date] = field(default_factory=deque)
    running: int = 0
    gaps_running: int = 0
    accepted: bool = False
    barred: bool = False
    failures: int = 0
    refusals: int = 0

    @property
    def open(self) -> bool:
        """Whether another report may start: until the key is accepted, one probe at a time."""
        return not self.barred and (self.accepted or self.running == 0)


@dataclass(frozen=True, slots=True)
class Turn:
    """A report handed to a worker."""

    report: Report
    newest: bool


class Lanes:
    """Hand reports to workers; safe to use from several threads.

    `reserved` workers are kept for newest days that become due while gaps are being filled.
    """

    def __init__(self, workers: int, reserved: int = 0) -> None:
        self._changed = threading.Condition()
        self._lanes: dict[str, _Lane] = {}
        self._order: deque[str] = deque()
        self._seen: set[Report] = set()
        self._gap_workers = max(workers - reserved, 1)
        self._closed = False

    def add(self, reports: Iterable[Report], *, newest: Iterable[Report] = ()) -> int:
        """Queue `reports` in order, those of `newest` in the lane that goes first; return how many are new.

        A report is handed out once in the life of this object.
        """
        first = frozenset(newest)
        added = 0
        with self._changed:
            for report in reports:
                if report in self._seen:
                    continue
                self._seen.add(report)
                lane = self._lane(report.app)
                (lane.newest if report in first else lane.gaps).append(report.day)
                added += 1
            self._changed.notify_all()
        return added

    def take(self) -> Turn | None:
        """Return the next report, waiting for one if others may still make room; None when all are done."""
        with self._changed:
            while not self._closed:
                turn = self._next()
                if turn is not None:
                    return turn
                if not any(lane.running for lane in self._lanes.values()):
                    return None
                self._changed.wait()
            return None

    def accepted(self, app: str) -> None:
        """Say that the server accepts the key of `app`: its other reports need not wait for the probe."""
        with self._changed:
            lane = self._lane(app)
            if not lane.accepted:
                lane.accepted = True
                self._changed.notify_all()

    def done(self, turn: Turn, ended: Collected | None) -> None:
        """Give back a turn; `ended` is None if it ended in an error that ends the pass."""
        with self._changed:
            lane = self._lane(turn.report.app)
            lane.running -= 1
            if not turn.newest:
                lane.gaps_running -= 1
            if ended is not None:
                self._learn(lane, ended)
            self._changed.notify_all()

    def bar(self, app: str) -> None:
        """Hand out nothing more of `app`."""
        with self._changed:
            self._lane(app).barred = True
            self._changed.notify_all()

    def close(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def left(self) -> int:
        """Return how many reports were queued and not handed out: of barred apps, or after `close`."""
        with self._changed:
            return sum(len(lane.newest) + len(lane.gaps) for lane in self._lanes.values())

    def _lane(self, app: str) -> _Lane:
        if app not in self._lanes:
            self._lanes[app] = _Lane()
            self._order.append(app)
        return self._lanes[app]

    def _next(self) -> Turn | None:
        return self._next_newest() or self._next_gap()

    def _next_newest(self) -> Turn | None:
        for app in self._order:
            lane = self._lanes[app]
            if lane.newest and lane.open:
                lane.running += 1
                return Turn(Report(app, lane.newest.popleft()), newest=True)
        return None

    def _next_gap(self) -> Turn | None:
        if sum(lane.gaps_running for lane in self._lanes.values()) >= self._gap_workers:
            return None
        ready = [app for app in self._order if self._lanes[app].gaps and self._lanes[app].open]
        if not ready:
            return None
        # The app with the least under way: a slow one cannot take every worker from the others.
        app = min(ready, key=lambda name: self._lanes[name].running)
        self._order.remove(app)
        self._order.append(app)
        lane = self._lanes[app]
        lane.running += 1
        lane.gaps_running += 1
        return Turn(Report(app, lane.gaps.popleft()), newest=False)

    def _learn(self, lane: _Lane, ended: Collected) -> None:
        if ended.bars_app:
            lane.barred = True
        elif ended.outcome is Outcome.FAILED:
            lane.failures += 1
            lane.refusals += isinstance(ended.error, AppRefused)
            lane.barred |= lane.failures >= PATIENCE_WITH_APP
            lane.barred |= lane.refusals >= PATIENCE_WITH_REFUSALS
        elif ended.outcome in ANSWERED:
            lane.failures = lane.refusals = 0
            lane.accepted = True

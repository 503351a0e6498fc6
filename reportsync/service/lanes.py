"""Who works on what next: newest days before gaps, apps in turn, one probe per app, hosts not too wide."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from reportsync.collect import Collected
from reportsync.errors import AppRefused
from reportsync.model import ANSWERED, Outcome, Report
from reportsync.width import Exchange, Sign, Width

SILENCE = 10.0
"""Seconds without an answer, or another piece of it, after which requests are no load to speak of, and
hold up no others."""

PATIENCE_WITH_APP = 10
"""So many failures of an app in a row, without an answer between, end its turn for this pass."""

PATIENCE_WITH_REFUSALS = 3
"""So many redirects, bad certificates and 410s in a row do so too; one may be about its day alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A request that is under way.

    `mark` is its host's, `began` the running time in seconds; `spare` says that its host could have been
    asked for twice as much.
    """

    report: Report
    mark: int
    began: float
    spare: bool


class NoPlace(Exception):
    """No report of this app is to be asked for any more."""


@dataclass(slots=True)
class _Host:
    """What is under way at one host.

    A report is `asking` while it has one of the places there, until it is downloaded.
    """

    width: Width
    asking: dict[Report, bool] = field(default_factory=dict)  # whether it is a newest day
    pausing: set[Report] = field(default_factory=set)  # of those, until they are repeated
    verifying: dict[Report, bool] = field(default_factory=dict)  # downloaded; as in `asking`
    ahead: set[Report] = field(default_factory=set)  # gaps that were handed out without a place
    waiting: list[_Waiting] = field(
        default_factory=list
    )  # whose threads wait for a place, in order
    heard: dict[Request, float] = field(
        default_factory=dict
    )  # running time of its last sign of life
    silent: int = 0
    proven: bool = False  # an app of it was accepted

    @property
    def busy(self) -> int:
        """How many are under way and do not pause."""
        return len(self.asking) - len(self.pausing)

    @property
    def pending(self) -> int:
        """How many were handed out and want a place."""
        return len(self.ahead) + len(self.waiting)

    def room(self, newest: bool = False) -> int:
        """Return how many more may start; beside mere silence one may always."""
        beside = sum(self.asking.values()) if newest else len(self.asking)
        return max(self.width.now - beside, int(len(self.asking) == self.silent))


@dataclass(slots=True)
class _Lane:
    """One app's reports of this pass."""

    host: _Host
    newest: deque[date] = field(default_factory=deque)
    gaps: deque[date] = field(default_factory=deque)
    running: int = 0
    accepted: bool = False
    barred: bool = False
    failures: int = 0
    refusals: int = 0

    @property
    def open(self) -> bool:
        """Whether another report may start: until the key is accepted, one probe at a time."""
        return not self.barred and (self.accepted or self.running == 0)


@dataclass(slots=True, eq=False)
class _Waiting:
    """A report whose thread waits for a place at its host; `begun` says that it was asked for before."""

    report: Report
    lane: _Lane
    newest: bool
    begun: bool
    woken: threading.Condition
    placed: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """A report handed to a worker."""

    report: Report
    newest: bool


class Lanes:
    """Hand reports to workers; safe to use from several threads.

    `reserved` workers are kept for newest days that become due while gaps are being filled. `hosts` names
    the host of each app. No more is downloaded from a host at once than its width, which begins with
    `first` (else all workers), nor from all hosts than `workers`. A newest day waits for other newest days
    alone, and so may exceed the width. `hands` (else as many as `workers`) work at once: those whose
    download is over verify and record, while others ask already. Up to `ahead` gaps a host, and no more
    than its width, are handed out before there is room, so that they can be claimed by then.
    """

    def __init__(
        self,
        workers: int,
        reserved: int = 0,
        hosts: Mapping[str, str] | None = None,
        first: int | None = None,
        hands: int | None = None,
        ahead: int = 0,
    ) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._workers = workers
        self._reserved = reserved
        self._host_of = hosts or {}
        self._first = workers if first is None else first
        self._hosts: dict[str, _Host] = {}
        self._lanes: dict[str, _Lane] = {}
        self._newest: OrderedDict[str, _Lane] = OrderedDict()  # those with any queued, by app
        self._gaps: OrderedDict[str, _Lane] = OrderedDict()
        self._seen: set[Report] = set()
        self._gap_workers = max(workers - self._reserved, 1)
        self._hands = workers if hands is None else hands
        self._gap_hands = max(self._hands - self._reserved, 1)
        self._ahead = ahead
        self._running = 0
        self._gaps_running = 0
        self._hired = 0
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
                if report in first:
                    lane.newest.append(report.day)
                    self._newest[report.app] = lane
                else:
                    lane.gaps.append(report.day)
                    self._gaps[report.app] = lane
                added += 1
            self._changed.notify_all()
        return added

    def take(self) -> Turn | None:
        """Return the next report, waiting for one if others may still make room; None when all are done."""
        with self._changed:
            while not self._closed:
                turn = self._next()
                if turn is not None:
                    if (self._newest and self._roomy(newest=True)) or (
                        self._gaps and self._roomy()
                    ):
                        self._wake()
                    return turn
                if not self._running:
                    return None
                self._changed.wait()
            return None

    def accepted(self, app: str) -> None:
        """Say that the server accepts the key of `app`: its other reports need not wait for the probe."""
        with self._changed:
            lane = self._lane(app)
            if not lane.accepted:
                lane.accepted = lane.host.proven = True
                self._changed.notify_all()

    def asked(self, report: Report, now: float) -> Request:
        """Note that a request for `report` begins at the running time `now`."""
        with self._changed:
            host = self._lane(report.app).host
            host.asking.setdefault(report, False)
            host.pausing.discard(report)
            spare = 2 * host.busy <= host.width.now
            request = Request(report, host.width.begin(host.busy), now, spare)
            host.heard[request] = now
            return request

    def heard(self, request: Request, now: float) -> None:
        """Note that an archive, or the next piece of it, comes at the running time `now`."""
        with self._changed:
            self._lane(request.report.app).host.heard[request] = now

    def place(self, report: Report) -> None:
        """Wait until `report` has a place at its host, if it was handed out ahead or downloaded before.

        Raises `NoPlace` if the lanes are closed, or its app is barred before it was asked for at all.
        """
        with self._changed:
            lane = self._lane(report.app)
            host = lane.host
            if report not in host.ahead and report not in host.verifying:
                return
            begun = report in host.verifying
            host.ahead.discard(report)
            newest = host.verifying.pop(report, False)
            one = _Waiting(report, lane, newest, begun, threading.Condition(self._lock))
            host.waiting.append(one)
            self._give_places(host)
            while not one.placed and not self._is_given_up(one):
                one.woken.wait()
            if not one.placed:
                host.waiting.remove(one)
                raise NoPlace(str(report))

    def answered(self, request: Request, exchange: Exchange) -> bool:
        """Note how `request` ended; return whether the widths and hands wanted are worth a look.

        The strain of an app that never got through, at a host where others do, is that app's own.
        """
        with self._changed:
            lane = self._lane(request.report.app)
            host, before = lane.host, lane.host.width.now
            host.heard.pop(request, None)
            if exchange.sign is not Sign.STRAIN or lane.accepted or not host.proven:
                host.width.end(exchange)
            if exchange.sign is not Sign.WELL:
                host.pausing.add(request.report)
                return host.width.now != before
            host.verifying[request.report] = host.asking.pop(request.report, False)
            self._wake()
            return host.width.now != before or self._short

    def look(self, now: float) -> None:
        """Notice who has been silent for long at the running time `now`."""
        with self._changed:
            for host in self._hosts.values():
                before = host.silent
                host.silent = sum(now - at >= SILENCE for at in host.heard.values())
                if host.silent > before:
                    self._give_places(host)
                    self._changed.notify_all()

    def widths(self) -> dict[str, int]:
        """Return how many at once each host is asked for now."""
        with self._changed:
            return {name: host.width.now for name, host in self._hosts.items()}

    def hands(self) -> int:
        """Return how many workers to have: those at work, others for what may start, reserved ones."""
        with self._changed:
            queued = dict.fromkeys(self._hosts, 0)
            for app, lane in self._lanes.items():
                if not lane.barred:
                    queued[self._host_of.get(app, "")] += len(lane.newest) + len(lane.gaps)
            ready = sum(min(queued[name], self._spare(host)) for name, host in self._hosts.items())
            wanted = min(self._running + ready + self._reserved, self._hands)
            self._hired = max(self._hired, wanted)
            return self._hired

    def done(self, turn: Turn, ended: Collected | None) -> None:
        """Give back a turn; `ended` is None if it ended in an error that ends the pass."""
        with self._changed:
            lane = self._lane(turn.report.app)
            self._running -= 1
            lane.running -= 1
            self._gaps_running -= not turn.newest
            lane.host.asking.pop(turn.report, None)
            lane.host.pausing.discard(turn.report)
            lane.host.verifying.pop(turn.report, None)
            lane.host.ahead.discard(turn.report)
            if ended is not None:
                self._learn(lane, ended)
            self._wake()

    def bar(self, app: str) -> None:
        """Hand out nothing more of `app`."""
        with self._changed:
            self._bar(self._lane(app))
            self._changed.notify_all()

    def close(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._closed = True
            for host in self._hosts.values():
                _wake_all(host)
            self._changed.notify_all()

    def left(self) -> int:
        """Return how many reports were queued and not handed out: of barred apps, or after `close`."""
        with self._changed:
            return sum(len(lane.newest) + len(lane.gaps) for lane in self._lanes.values())

    def _lane(self, app: str) -> _Lane:
        if app not in self._lanes:
            name = self._host_of.get(app, "")
            host = self._hosts.setdefault(name, _Host(Width(self._workers, self._first)))
            self._lanes[app] = _Lane(host)
        return self._lanes[app]

    def _next(self) -> Turn | None:
        return self._next_newest() or self._next_gap()

    def _next_newest(self) -> Turn | None:
        roomy = self._roomy(newest=True)
        for app, lane in self._newest.items() if roomy else ():
            if lane.open and id(lane.host) in roomy:
                day = lane.newest.popleft()
                if not lane.newest:
                    del self._newest[app]
                return self._start(lane, Report(app, day), newest=True)
        return None

    def _next_gap(self) -> Turn | None:
        roomy = self._roomy() if self._gaps_running < self._gap_hands else ()
        # The app with the least under way: a slow one cannot take every worker from the others.
        least: tuple[str, _Lane] | None = None
        for app, lane in self._gaps.items() if roomy else ():
            if lane.open and id(lane.host) in roomy:
                if least is None or lane.running < least[1].running:
                    least = app, lane
                if not lane.running:
                    break
        if least is None:
            return None
        app, lane = least
        day = lane.gaps.popleft()
        self._gaps.move_to_end(app)
        if not lane.gaps:
            del self._gaps[app]
        self._gaps_running += 1
        return self._start(lane, Report(app, day), newest=False)

    def _roomy(self, newest: bool = False) -> set[int]:
        hosts = self._hosts.values()
        if newest:
            return {id(host) for host in hosts if self._fits(host, newest)}
        if self._taken() >= self._gap_workers + self._ahead:
            return set()
        return {id(host) for host in hosts if self._spare(host) > 0}

    def _taken(self) -> int:
        """Return how many places at all hosts are had, or wanted by those who go first."""
        hosts = self._hosts.values()
        return sum(len(host.asking) + min(host.pending, host.room()) for host in hosts)

    def _spare(self, host: _Host) -> int:
        """Return how many more gaps may be handed out there."""
        return max(host.room() + min(self._ahead, host.width.now) - host.pending, 0)

    def _fits(self, host: _Host, newest: bool) -> bool:
        asking = sum(len(one.asking) for one in self._hosts.values())
        return asking < (self._workers if newest else self._gap_workers) and host.room(newest) > 0

    def _give_places(self, host: _Host) -> None:
        """Give those who wait what there is, in their order; a newest day needs less room than a gap."""
        for one in host.waiting[:]:
            if self._fits(host, one.newest) and not self._is_given_up(one):
                host.waiting.remove(one)
                host.asking[one.report] = one.newest
                one.placed = True
                one.woken.notify()

    def _is_given_up(self, one: _Waiting) -> bool:
        return self._closed or (one.lane.barred and not one.begun)

    def _wake(self) -> None:
        """Give away the places there are, and have one who waits for a turn look; he wakes the next if
        there is room for more. All if it is the end."""
        for host in self._hosts.values():
            if host.waiting:
                self._give_places(host)
        if self._running:
            self._changed.notify()
        else:
            self._changed.notify_all()

    def _start(self, lane: _Lane, report: Report, *, newest: bool) -> Turn:
        host = lane.host
        self._running += 1
        lane.running += 1
        if newest or (host.room() > host.pending and self._taken() < self._gap_workers):
            host.asking[report] = newest
        else:
            host.ahead.add(report)
        return Turn(report, newest)

    def _bar(self, lane: _Lane) -> None:
        lane.barred = True
        _wake_all(lane.host)

    @property
    def _short(self) -> bool:
        return self._hired < self._hands and self._running + self._reserved >= self._hired

    def _learn(self, lane: _Lane, ended: Collected) -> None:
        if ended.bars_app:
            self._bar(lane)
        elif ended.outcome is Outcome.FAILED:
            lane.failures += 1
            lane.refusals += isinstance(ended.error, AppRefused)
            if lane.failures >= PATIENCE_WITH_APP or lane.refusals >= PATIENCE_WITH_REFUSALS:
                self._bar(lane)
        elif ended.outcome in ANSWERED:
            lane.failures = lane.refusals = 0
            lane.accepted = lane.host.proven = True


def _wake_all(host: _Host) -> None:
    """Have all who wait for a place there see whether they still are to have one."""
    for one in host.waiting:
        one.woken.notify()

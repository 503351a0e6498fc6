"""Who works on what next: newest days before gaps, apps in turn, one probe per app, hosts not too wide."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reportsync.collect import Collected
from reportsync.errors import AppRefused
from reportsync.model import ANSWERED, Outcome, Report
from reportsync.service.lane import Host, Lane, Pending, Request
from reportsync.width import Exchange, Sign, Width

SILENCE = 10.0
"""Seconds without an answer, or another piece of it, after which requests are no load to speak of, and
hold up no others."""

PATIENCE_WITH_APP = 10
"""So many failures of an app in a row, without an answer between, end its turn for this pass."""

PATIENCE_WITH_REFUSALS = 3
"""So many redirects, bad certificates and 410s in a row do so too; one may be about its day alone."""


class NoPlace(Exception):
    """The report is not to be asked for any more in this pass."""


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
    download is over verify and record, while others ask already. Up to `ahead` gaps, at no host more than
    its width, are handed out before there is room, so that they can be claimed by then; none while a
    newest day waits for room, which it would lose to them.
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
        self._hosts: dict[str, Host] = {}
        self._lanes: dict[str, Lane] = {}
        self._newest: OrderedDict[str, Lane] = OrderedDict()  # those with any queued, by app
        self._gaps: OrderedDict[str, Lane] = OrderedDict()
        self._seen: set[Report] = set()
        self._gap_workers = max(workers - self._reserved, 1)
        self._hands = workers if hands is None else hands
        self._gap_hands = max(self._hands - self._reserved, 1)
        self._ahead = ahead
        self._pending: dict[Report, Pending] = {}  # in the order of their turns
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

    def has_place(self, report: Report) -> bool:
        """Say whether `report`, which was handed out, has a place at its host."""
        with self._changed:
            return report in self._lane(report.app).host.asking

    def place(self, report: Report) -> None:
        """Wait until `report` has a place at its host; others have one since they were handed out.

        What was downloaded before, and is to be once more, goes first, then who was handed out first.
        Raises `NoPlace` when the lanes are closed, or its app is barred, before it was asked for at all.
        """
        with self._changed:
            lane = self._lane(report.app)
            if report in lane.host.verifying:
                newest = lane.host.verifying.pop(report)
                self._pend(report, lane, newest=newest, begun=True)
                self._give_places()
            while (one := self._pending.get(report)) is not None:
                if self._is_given_up(one):
                    raise NoPlace(str(report))
                one.woken.wait()

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
                    self._give_places()
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
            ready, ahead, left = 0, 0, max(self._ahead_left(), 0)
            for name, host in self._hosts.items():
                at_once = min(queued[name], _free(host))
                ready += at_once
                ahead += min(queued[name] - at_once, _ahead(host, left))
            wanted = min(self._running + ready + min(ahead, left) + self._reserved, self._hands)
            self._hired = max(self._hired, wanted)
            return self._hired

    def done(self, turn: Turn, ended: Collected | None) -> None:
        """Give back a turn; `ended` is None if it was given up, or ended in an error of ours."""
        with self._changed:
            lane = self._lane(turn.report.app)
            self._running -= 1
            lane.running -= 1
            self._gaps_running -= not turn.newest
            lane.host.asking.pop(turn.report, None)
            lane.host.pausing.discard(turn.report)
            lane.host.verifying.pop(turn.report, None)
            self._no_longer_pending(turn.report)
            if ended is not None:
                self._learn(lane, ended)
            self._wake()

    def bar(self, app: str) -> None:
        """Hand out nothing more of `app`."""
        with self._changed:
            self._bar(self._lane(app))
            self._changed.notify_all()

    def close(self) -> None:
        """Hand out nothing more; what was asked for before may still be downloaded once more."""
        with self._changed:
            self._closed = True
            self._have_all_look()
            self._changed.notify_all()

    def left(self) -> int:
        """Return how many reports were queued and not handed out: of barred apps, or after `close`."""
        with self._changed:
            return sum(len(lane.newest) + len(lane.gaps) for lane in self._lanes.values())

    def _lane(self, app: str) -> Lane:
        if app not in self._lanes:
            name = self._host_of.get(app, "")
            host = self._hosts.setdefault(name, Host(Width(self._workers, self._first)))
            self._lanes[app] = Lane(host)
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
        least: tuple[str, Lane] | None = None
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
        ahead = self._ahead_left()
        if self._taken() >= self._gap_workers + max(ahead, 0):
            return set()
        return {id(host) for host in hosts if _free(host) or _ahead(host, ahead)}

    def _taken(self) -> int:
        """Return how many places at all hosts are had, or could be had by what was handed out before."""
        hosts = self._hosts.values()
        return sum(len(host.asking) + min(host.pending, host.room()) for host in hosts)

    def _ahead_left(self) -> int:
        """Return how many more gaps may be handed out ahead; below 0 if there are too many."""
        now = 0 if any(lane.open for lane in self._newest.values()) else self._ahead
        return now - sum(max(host.pending - host.room(), 0) for host in self._hosts.values())

    def _fits(self, host: Host, newest: bool) -> bool:
        asking = sum(len(one.asking) for one in self._hosts.values())
        return asking < (self._workers if newest else self._gap_workers) and host.room(newest) > 0

    def _pend(self, report: Report, lane: Lane, *, newest: bool, begun: bool) -> None:
        woken = threading.Condition(self._lock)
        self._pending[report] = Pending(report, lane, newest, begun, woken)
        lane.host.pending += 1

    def _no_longer_pending(self, report: Report) -> None:
        one = self._pending.pop(report, None)
        if one is not None:
            one.lane.host.pending -= 1

    def _give_places(self) -> None:
        """Give those without a place what there is, in the order of their turns.

        What is to be downloaded once more goes first; a newest day needs less room than a gap.
        """
        for one in sorted(self._pending.values(), key=lambda one: not one.begun):
            host = one.lane.host
            if self._fits(host, one.newest) and not self._is_given_up(one):
                self._no_longer_pending(one.report)
                host.asking[one.report] = one.newest
                one.woken.notify()

    def _is_given_up(self, one: Pending) -> bool:
        return (self._closed or one.lane.barred) and not one.begun

    def _wake(self) -> None:
        """Give away the places there are, and have one who waits for a turn look; he wakes the next if
        there is room for more. All if it is the end."""
        self._give_places()
        if self._running:
            self._changed.notify()
        else:
            self._changed.notify_all()

    def _start(self, lane: Lane, report: Report, *, newest: bool) -> Turn:
        self._running += 1
        lane.running += 1
        if newest or self._fits(lane.host, newest):
            lane.host.asking[report] = newest
        else:
            self._pend(report, lane, newest=False, begun=False)
        return Turn(report, newest)

    def _bar(self, lane: Lane) -> None:
        lane.barred = True
        self._have_all_look()

    def _have_all_look(self) -> None:
        """Have all who wait for a place see whether they still are to have one."""
        for one in self._pending.values():
            one.woken.notify()

    @property
    def _short(self) -> bool:
        return self._hired < self._hands and self._running + self._reserved >= self._hired

    def _learn(self, lane: Lane, ended: Collected) -> None:
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


def _free(host: Host) -> int:
    """Return how many more gaps may be handed out at `host` that have a place there, or are to have one."""
    return max(host.room() - host.pending, 0)


def _ahead(host: Host, most: int) -> int:
    """Return how many more gaps, at most `most`, may be handed out at `host` and wait for a place."""
    waiting = max(host.pending - host.room(), 0)
    return max(min(most, host.width.now - waiting), 0)

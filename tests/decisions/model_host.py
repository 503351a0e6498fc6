"""Model hosts, and a crowd of workers that asks them as wide as a `Width` allows; virtual time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random

from reportsync.width import SLACK, Exchange, Sign, Width

BACKOFF = 1.0  # seconds, as http.backoff has it
WORK = 0.003  # seconds, to verify and to record


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model host makes of a request: it ends after so many seconds."""

    seconds: float
    sign: Sign = Sign.WELL
    wait: float | None = None
    size: int = 4096


Host = Callable[[float, int], Reply]
"""Answers a request that comes at an instant as one of so many in flight."""


def quick(seconds: float) -> Host:
    """Return a host that answers any number at once."""
    return lambda now, in_flight: Reply(seconds, wait=seconds)


def refusing(above: int, seconds: float) -> Host:
    """Return a host that refuses more than `above` at once."""

    def host(now: float, in_flight: int) -> Reply:
        if in_flight > above:
            return Reply(seconds / 4, Sign.LIMIT)
        return Reply(seconds, wait=seconds)

    return host


def queueing(at_once: int, service: Callable[[float], float]) -> Host:
    """Return a host that works on `at_once` requests and lets the others wait."""
    free = [0.0] * at_once

    def host(now: float, in_flight: int) -> Reply:
        place = free.index(min(free))
        free[place] = max(free[place], now) + service(now)
        return Reply(free[place] - now, wait=free[place] - now)

    return host


def sharing(line: float, size: int) -> Host:
    """Return a host whose answers begin at once and share a line of so many bytes per second."""
    return lambda now, in_flight: Reply(size * in_flight / line, wait=0.02, size=size)


def failing(share: float, seconds: float, chance: Random) -> Host:
    """Return a host a share of whose answers is 500 whatever it is asked for."""

    def host(now: float, in_flight: int) -> Reply:
        sign = Sign.STRAIN if chance.random() < share else Sign.WELL
        return Reply(seconds, sign, seconds if sign is Sign.WELL else None)

    return host


@dataclass(slots=True)
class Crowd:
    """Works on `reports`, each repeated until it comes; `widths` is the width after each request."""

    width: Width
    host: Host
    reports: int
    rate: float = 0.0
    now: float = 0.0
    requests: int = 0
    signs: list[Sign] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)
    _running: int = 0
    _in_flight: int = 0
    _turn: float = 0.0
    _coming: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: count[int] = field(default_factory=count)

    def work(self) -> Crowd:
        """Let time pass until all is done."""
        left = self.reports
        while left or self._coming:
            while left and self._running < self.width.now:
                left -= 1
                self._running += 1
                self._await_turn()
            self.now, _, act = heapq.heappop(self._coming)
            act()
        return self

    @property
    def refused(self) -> float:
        """The share of all requests that did not go well."""
        return 1 - self.signs.count(Sign.WELL) / len(self.signs)

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._coming, (self.now + seconds, next(self._order), act))

    def _await_turn(self) -> None:
        wait = max(self._turn - self.now, 0.0) if self.rate else 0.0
        self._turn = self.now + wait + (1 / self.rate if self.rate else 0.0)
        self._after(wait, lambda: self._ask(wait))

    def _ask(self, held_back: float) -> None:
        mark = self.width.begin(self._running)
        self._in_flight += 1
        self.requests += 1
        reply = self.host(self.now, self._in_flight)
        self._after(reply.seconds, lambda: self._end(mark, reply, held_back > SLACK))

    def _end(self, mark: int, reply: Reply, held_back: bool) -> None:
        self._in_flight -= 1
        exchange = Exchange(mark, self.now, reply.sign, reply.wait, reply.size, held_back)
        self.width.end(exchange)
        self.signs.append(reply.sign)
        self.widths.append(self.width.now)
        if reply.sign is Sign.WELL:
            self._after(WORK, self._leave)
        else:
            self._after(BACKOFF, self._await_turn)

    def _leave(self) -> None:
        self._running -= 1

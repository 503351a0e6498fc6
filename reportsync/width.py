"""How many reports at once a host is asked for: more while it helps, half when it strains. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from reportsync.errors import AttemptFailed, NotThereYet, OwnFault, Trouble

SLACK = 0.1
"""Seconds; on a busy machine threads of ours keep each other waiting so long, and the host is no slower."""

_ROUND = 16  # good answers, at least, from which a judgement is made; more at greater widths
_FIRST_ROUND = 4  # from so few it is learnt, before there is a crowd, how soon the host answers
_LATER = 1.5  # times the wait of the best round lately: the host has a queue of ours
_LATELY = 8  # rounds; a host that is slow for good is taken as it is after so many
_MORE = 1.1  # times the throughput: the growth has helped
_WIDER = 1.5  # times the width, before it is asked whether that has helped
_TELLING = 1.0  # seconds; what came in a shorter round says little about throughput
_CAREFUL = 4  # times as many answers before the width where the last strain was is tried again
_REST = 4  # rounds without growth after some that has not helped


class Sign(Enum):
    """What the end of a request says about its host."""

    WELL = auto()  # it answered what it was asked
    LIMIT = auto()  # it said that it is asked for too much: 429, or when to come again
    STRAIN = auto()  # 5xx, a time-out, a connection refused or cut
    NOTHING = auto()


def sign_of(error: AttemptFailed) -> Sign:
    """Return what `error`, in which a request ended, says about the host."""
    if isinstance(error, NotThereYet):
        return Sign.WELL
    if error.trouble is not Trouble.TRANSIENT or isinstance(error, OwnFault):
        return Sign.NOTHING
    status = error.status
    if status == 429 or error.retry_after is not None:
        return Sign.LIMIT
    return Sign.STRAIN if status is None or status == 408 or status >= 500 else Sign.NOTHING


def first_width(most: int, *, limited: bool) -> int:
    """Return the width to begin with where `most` is allowed.

    Doubled twice it gets there; where the rate is `limited`, which needs few, it is the smallest.
    """
    return min(most, 2 if limited else max(2, most // 4))


@dataclass(frozen=True, slots=True)
class Exchange:
    """How a request ended.

    `mark` is what `Width.begin` gave, `at` the running time in seconds, `wait` the seconds until an archive
    began to come. `spare`: not the width was the limit, but the rate, a pause, or what there was to do.
    """

    mark: int
    at: float
    sign: Sign
    wait: float | None = None
    size: int = 0
    spare: bool = False


@dataclass(frozen=True, slots=True)
class _Flow:
    """What came in a round, per second, that began with `width`."""

    width: int
    reports: float
    bytes: float

    def more_than(self, before: _Flow) -> bool:
        return self.reports >= _MORE * before.reports or self.bytes >= _MORE * before.bytes > 0


class Width:
    """How many reports at once one host is asked for, learnt from how its exchanges end.

    `now` grows by one with every good answer, which doubles it each round trip; after the first strain by
    one for as many as it is. A strain halves it, once for all that is under way by then, and so does a
    round in which most answers came late. Growth that brings no more is taken back. Not for several
    threads at once.
    """

    def __init__(self, most: int, first: int) -> None:
        """Stay within 1 and `most`, and begin with `first`."""
        self.now = first
        self._most = most
        self._doubling = True
        self._earned = 0  # good answers towards the next step
        self._ceiling = most + 1  # where the last strain was
        self._resting = 0  # rounds left without growth
        self._mark = 1
        self._lately: deque[float] = deque(maxlen=_LATELY)  # seconds; the waits of the last rounds
        self._before: _Flow | None = None
        self._begin_round(None)

    def begin(self, under_way: int) -> int:
        """Return the mark of a request that begins as one of so many at its host.

        While more are under way than may be, it belongs to those that were cut, and its end says nothing.
        """
        return self._mark if under_way <= self.now else 0

    def end(self, exchange: Exchange) -> None:
        """Learn from how a request ended."""
        if exchange.mark != self._mark or exchange.sign is Sign.NOTHING:
            return
        if exchange.sign is not Sign.WELL:
            self._ceiling = self.now
            self._halve()
            return
        self._answers += 1
        self._bytes += exchange.size
        if exchange.wait is not None:
            self._waits.append(exchange.wait)
        if not exchange.spare and not self._resting:
            self._earn()
        if self._answers >= (max(_ROUND, self._began) if self._lately else _FIRST_ROUND):
            self._end_round(exchange.at)

    def _earn(self) -> None:
        self._earned += 1
        needed = self.now * (_CAREFUL if self.now + 1 == self._ceiling else 1)
        if self._doubling or self._earned >= needed:
            self._earned = 0
            self.now = min(self.now + 1, self._most)

    def _halve(self) -> None:
        self.now = max(self.now // 2, 1)
        self._doubling = False
        self._earned = self._resting = 0
        self._mark += 1
        self._before = None
        self._begin_round(None)

    def _begin_round(self, since: float | None) -> None:
        self._since = since  # running time; None if it is not known when the host was free for it
        self._began = self.now
        self._answers = 0
        self._bytes = 0
        self._waits: list[float] = []

    def _end_round(self, at: float) -> None:
        self._resting = max(self._resting - 1, 0)
        if self._late():
            self._halve()
            return
        self._compare(at)
        self._begin_round(at)

    def _late(self) -> bool:
        """Say whether the host keeps its answers waiting because of us."""
        if not self._waits:
            return False
        # Neither the odd slow answer nor a new connection's first counts: three in four have to be late.
        wait = sorted(self._waits)[len(self._waits) // 4]
        self._lately.append(wait)
        return wait > _LATER * min(self._lately) + SLACK

    def _compare(self, at: float) -> None:
        """Take growth back if neither more reports nor more bytes came than before it."""
        if self._since is None or (seconds := at - self._since) < _TELLING:
            return
        flow = _Flow(self._began, self._answers / seconds, self._bytes / seconds)
        before = self._before
        if before is None or flow.width < before.width:
            self._before = flow
        elif flow.width >= _WIDER * before.width:
            self._before = flow
            if not flow.more_than(before):
                self.now = before.width
                self._doubling = False
                self._resting = _REST
                self._before = None

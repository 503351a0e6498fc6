"""Threads that take turns as a seed says, and a time that passes only while all of them wait.

One thread runs at a time; it gives up its turn only by `sleep` or `block`. So a run is a function of the
seed, whatever the machine does, and a year of waiting costs nothing. They are greenlets: a turn that
the kernel hands on from thread to thread costs more than what most turns are used for.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from random import Random
from typing import Protocol

from greenlet import getcurrent, greenlet


class Killed(BaseException):
    """Unwinds the threads of a process that has died; nothing that it does on its way has an effect."""


class Owner(Protocol):
    """What threads belong to; once it is dead they end."""

    dead: bool


class Turns:
    """One thread of the simulation, and the turn that it waits for."""

    def __init__(self, owner: Owner | None, thread: greenlet) -> None:
        self.owner = owner
        self.thread = thread
        self.ticket = 0  # of the wait under way; an older one in the heap is void
        self.woken = False
        self.ended = False
        self.joining: list[Turns] = []


class Scheduler:
    """Hands the turn from thread to thread; the thread that makes it is the main one.

    What a thread raises ends the simulation: the main thread raises it.
    """

    def __init__(self, chance: Random, now: float) -> None:
        self.now = now
        self._chance = chance
        self._failure: BaseException | None = None
        self._main = self.current = Turns(None, getcurrent())
        self._ready: list[Turns] = []
        self._waiting: dict[Turns, None] = {}  # a set that keeps its order
        self._sleeping: list[tuple[float, int, Turns, int]] = []
        self._order = count()
        self._to_start: Turns | None = None

    def spawn(self, work: Callable[[], None], owner: Owner | None) -> Turns:
        """Begin a thread of `owner`, which runs `work` when its turn comes."""
        # Not of the one that begins it, which hands on to it, maybe, as it ends.
        thread = greenlet(lambda *_: self._run(turns, work), self._main.thread)
        turns = Turns(owner, thread)
        self._ready.append(turns)
        return turns

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass, and others work meanwhile."""
        until = self.now + seconds
        if not self._ready and self._next_alarm() > until:
            self.now = until  # nobody else has anything to do before
        else:
            self.block(until)

    def block(self, until: float | None = None) -> bool:
        """Wait for `wake`, or until the time comes; return whether it was `wake`."""
        mine = self.current
        mine.woken = False
        self._waiting[mine] = None
        if until is not None:
            heapq.heappush(self._sleeping, (until, next(self._order), mine, mine.ticket))
        self._hand_on(mine)
        if mine is self._main and self._failure is not None:
            raise self._failure
        if mine.owner is not None and mine.owner.dead:
            raise Killed
        return mine.woken

    def wake(self, turns: Turns) -> None:
        """End the wait of a thread, if it waits."""
        if turns in self._waiting:
            self._make_ready(turns)
            turns.woken = True

    def wake_all_of(self, owner: Owner) -> None:
        """End every wait of the threads of `owner`, which has died."""
        for turns in [one for one in self._waiting if one.owner is owner]:
            self.wake(turns)

    def join(self, turns: Turns) -> None:
        """Wait for the end of a thread."""
        while not turns.ended:
            turns.joining.append(self.current)
            self.block()

    def _run(self, mine: Turns, work: Callable[[], None]) -> None:
        try:
            if mine.owner is None or not mine.owner.dead:
                work()
        except Killed:
            pass
        except BaseException as error:
            self._failure = self._failure or error
            self.wake(self._main)
        mine.ended = True
        for other in mine.joining:
            self.wake(other)
        self.current = self._choose()
        # Which a greenlet hands on to as it ends.
        mine.thread.parent = self._way_to(self.current).thread

    def _hand_on(self, mine: Turns) -> None:
        following = self._choose()
        if following is mine:
            return
        self.current = following
        self._way_to(following).thread.switch()
        while mine is self._main and self._to_start is not None:
            starting, self._to_start = self._to_start, None
            starting.thread.switch()

    def _way_to(self, following: Turns) -> Turns:
        """Return whom to hand on to: a thread that has not begun is begun by the main one.

        Begun by another it would stand on that one's stack, and many on each other's.
        """
        if following.thread or getcurrent() is self._main.thread:
            return following
        self._to_start = following
        return self._main

    def _choose(self) -> Turns:
        if self._failure is not None and self._main in self._ready:
            self._ready.remove(self._main)
            return self._main
        while not self._ready:
            self.now = max(self.now, self._next_alarm())
            while self._next_alarm() <= self.now:
                self._make_ready(heapq.heappop(self._sleeping)[2])
        index = self._chance.randrange(len(self._ready)) if len(self._ready) > 1 else 0
        return self._ready.pop(index)

    def _next_alarm(self) -> float:
        while self._sleeping and self._sleeping[0][3] != self._sleeping[0][2].ticket:
            heapq.heappop(self._sleeping)
        return self._sleeping[0][0] if self._sleeping else float("inf")

    def _make_ready(self, turns: Turns) -> None:
        turns.ticket += 1
        del self._waiting[turns]
        self._ready.append(turns)

"""Stand-ins for what passes take from `threading`, `queue` and `time`: the same, under the scheduler."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from reportsync.ledger import batch, claims, place
from reportsync.ledger import ledger as ledger_module
from reportsync.service import background, gauged, lanes, passes, verify

from .scheduler import Scheduler, Turns

_POLL_SECONDS = 30.0
"""What a poll of a second takes here; that a machine is so slow is allowed, and a year has 31 million."""


class _Thread:
    def __init__(self, scheduler: Scheduler, target: Callable[[], None]) -> None:
        self._scheduler = scheduler
        self._target = target
        self._turns: Turns | None = None

    def start(self) -> None:
        self._turns = self._scheduler.spawn(self._target, self._scheduler.current.owner)

    def join(self) -> None:
        assert self._turns is not None
        self._scheduler.join(self._turns)


class _Queue:
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._items: deque[Any] = deque()
        self._getting: Turns | None = None

    def put(self, item: Any) -> None:
        self._items.append(item)
        if self._getting is not None:
            self._scheduler.wake(self._getting)

    def get(self, timeout: float) -> Any:
        if not self._items:
            self._getting = self._scheduler.current
            self._scheduler.block(self._scheduler.now + max(timeout, _POLL_SECONDS))
            self._getting = None
        if not self._items:
            raise queue.Empty
        return self._items.popleft()


class _Condition:
    """Holds nobody up on entry: a thread that has the turn is alone anyway, until it waits."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._waiting: list[Turns] = []

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None

    def wait(self) -> None:
        self._waiting.append(self._scheduler.current)
        self._scheduler.block()

    def notify(self) -> None:
        if self._waiting:
            self._scheduler.wake(self._waiting.pop(0))

    def notify_all(self) -> None:
        while self._waiting:
            self.notify()


class _Lock:
    """Is handed on to whoever waits first."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._held = False
        self._waiting: list[Turns] = []

    def acquire(self) -> None:
        while self._held:
            self._waiting.append(self._scheduler.current)
            self._scheduler.block()
        self._held = True

    def release(self) -> None:
        self._held = False
        if self._waiting:
            self._scheduler.wake(self._waiting.pop(0))


class _Local:
    """What each thread keeps for itself."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.__dict__["_of"] = lambda: scheduler.current
        self.__dict__["_kept"] = {}

    def __getattr__(self, name: str) -> Any:
        try:
            return self._kept[self._of(), name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._kept[self._of(), name] = value


def _engines() -> Callable[..., Any]:
    """Return what opens an engine, once for each file: what it has compiled serves all processes.

    A new file that took an old one's name has an engine of its own, and so no connection to the old one.
    """
    make = ledger_module._engine
    made: dict[Any, Any] = {}

    def engine(url: str, path: Path, *, reading: bool, lock_wait: float) -> Any:
        key = place.identity(path), reading
        if key not in made:
            made[key] = make(url, path, reading=reading, lock_wait=lock_wait)
        return made[key]

    return engine


@contextmanager
def doubled(scheduler: Scheduler, table: Any) -> Iterator[None]:
    """Have passes run their threads under `scheduler`, and claims see the processes of `table`."""
    threads = SimpleNamespace(Thread=lambda target, **_: _Thread(scheduler, target))
    queues = SimpleNamespace(SimpleQueue=lambda: _Queue(scheduler), Empty=queue.Empty)
    conditions = SimpleNamespace(Condition=lambda _: _Condition(scheduler), Lock=lambda: None)
    entry = batch._Entry
    running_time = SimpleNamespace(monotonic=lambda: scheduler.now)
    with (
        mock.patch.object(passes, "threading", threads),
        mock.patch.object(passes, "queue", queues),
        mock.patch.object(passes, "time", running_time),
        mock.patch.object(verify, "time", running_time),
        mock.patch.object(background, "time", running_time),
        mock.patch.object(lanes, "threading", conditions),
        mock.patch.object(gauged, "threading", SimpleNamespace(local=lambda: _Local(scheduler))),
        mock.patch.object(batch, "_Entry", lambda act, files: entry(act, files, _Lock(scheduler))),
        mock.patch.object(ledger_module, "_engine", _engines()),
        mock.patch.object(claims, "this_process", table.this_process),
        mock.patch.object(claims, "_machine", table.machine),
        mock.patch.object(claims, "_started", table.started),
    ):
        yield

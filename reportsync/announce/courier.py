"""A thread that carries messages to one place, so that a slow or dead place holds up nobody."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from reportsync.errors import ReportsyncError

T = TypeVar("T")

MOST_WAITING = 100
"""More messages than this do not wait for a slow place; further ones are dropped, and told as such."""


class NotDelivered(ReportsyncError):
    """A message did not reach its place; the text names the place without its secret URL."""


@dataclass(frozen=True, slots=True)
class Carried(Generic[T]):
    """What became of a message; `error` is why it was not delivered."""

    message: T
    error: str | None = None


class Courier(Generic[T]):
    """Delivers messages one after the other in a thread of its own, which begins with the first.

    `deliver` raises `NotDelivered` when it cannot. Safe to use from any thread; nothing here raises or
    blocks but `wait`, for as long as it is told.
    """

    def __init__(
        self, name: str, deliver: Callable[[T], None], most_waiting: int = MOST_WAITING
    ) -> None:
        self.name = name
        self._deliver = deliver
        self._most_waiting = most_waiting
        self._changed = threading.Condition()
        self._waiting: deque[T] = deque()
        self._carried: list[Carried[T]] = []
        self._busy = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def carry(self, message: T) -> None:
        """Deliver `message` as soon as those before it are done."""
        with self._changed:
            if self._closed or len(self._waiting) >= self._most_waiting:
                self._carried.append(Carried(message, f"{self.name}: too many messages wait"))
                return
            try:
                self._begin()
            except RuntimeError:  # the machine gives no more threads; the next message tries again
                self._carried.append(Carried(message, f"{self.name}: no thread could be started"))
                return
            self._waiting.append(message)
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` until nothing is on its way; say whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._busy or self._waiting), seconds)

    def carried(self) -> list[Carried[T]]:
        """Return what became of messages since the last call."""
        with self._changed:
            found, self._carried = self._carried, []
            return found

    def close(self) -> int:
        """End the thread after the message that is on its way; return how many were not delivered."""
        with self._changed:
            left = len(self._waiting) + self._busy
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
            return left

    def _begin(self) -> None:
        if self._thread is None:
            # A daemon thread: a place that never answers must not keep the process alive.
            thread = threading.Thread(target=self._run, name=self.name, daemon=True)
            thread.start()
            self._thread = thread

    def _run(self) -> None:
        while (message := self._next()) is not None:
            error = self._attempt(message)
            with self._changed:
                self._carried.append(Carried(message, error))
                self._busy = False
                self._changed.notify_all()

    def _next(self) -> T | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            self._busy = True
            return self._waiting.popleft()

    def _attempt(self, message: T) -> str | None:
        try:
            self._deliver(message)
        except NotDelivered as error:
            return f"{self.name}: {error.message}"
        except Exception as error:
            # A bug in a library that carries notices must not end the thread; its text may hold the URL.
            return f"{self.name}: {type(error).__name__}"
        return None

"""A limit in time for a whole exchange: whatever it is waiting for is cut when its time is up."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

from reportsync.stop import Stop

_under_way = threading.local()


class Watch:
    """The time limit of one exchange; made by `Watchdog.watch`."""

    def __init__(self, ends: float, lock: threading.Condition) -> None:
        self.ends = ends  # time.monotonic()
        self.timed_out = False
        self.stopped = False
        self._lock = lock
        self._break: Callable[[], None] | None = None
        self._breaker: socket.socket | None = None

    @property
    def cut(self) -> bool:
        """Whether the exchange was broken off."""
        return self.timed_out or self.stopped

    @property
    def over(self) -> bool:
        """Whether the exchange was broken off, or its time is up and it is just about to be."""
        return self.cut or time.monotonic() >= self.ends

    def remaining(self) -> float:
        """Return the seconds that are left, at least a millisecond (0 would mean non-blocking)."""
        return max(self.ends - time.monotonic(), 0.001)

    def guard(self, interrupt: Callable[[], None]) -> None:
        """Have `interrupt` (quick, from another thread) called when the time is up."""
        with self._lock:
            self._break = interrupt
            if self.cut:
                interrupt()

    def guard_socket(self, sock: socket.socket) -> None:
        """Have the connection of `sock` shut down when the time is up.

        The shutdown goes through a duplicate descriptor, so that it neither meets a number that
        was closed and given out again, nor touches the TLS state of an SSLSocket in use.
        """
        copy = os.dup(sock.fileno())
        breaker = socket.socket(sock.family, sock.type, sock.proto, fileno=copy)
        with self._lock:
            old, self._breaker = self._breaker, breaker
        if old is not None:
            old.close()
        self.guard(lambda: _shut_down(breaker))

    def release(self) -> None:
        """End the watch: nothing is cut any more."""
        with self._lock:
            self._break = None
            breaker, self._breaker = self._breaker, None
        if breaker is not None:
            breaker.close()

    def interrupt(self) -> None:
        """Break off what is under way; the lock is held."""
        if self._break is not None:
            self._break()


def _shut_down(breaker: socket.socket) -> None:
    with contextlib.suppress(OSError):  # not connected (any more): nothing to wake
        breaker.shutdown(socket.SHUT_RDWR)


def current_watch() -> Watch:
    """Return the watch over this thread's exchange; connections register with it."""
    watch: Watch = _under_way.watch
    return watch


class Watchdog:
    """One thread that cuts exchanges whose time is up, or which a stop has given up.

    The thread starts with the first watch. A watch that ends in time does not wake it: it sleeps on
    until the moment that it knows, and finds nothing to do then.
    """

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._changed = threading.Condition(threading.Lock())
        self._watches: set[Watch] = set()
        self._wakes = float("inf")
        self._thread: threading.Thread | None = None
        self._closed = False
        stop.listen(self._wake)

    @contextlib.contextmanager
    def watch(self, seconds: float) -> Iterator[Watch]:
        """Watch over what this thread does in the block, for at most `seconds`."""
        watch = Watch(time.monotonic() + seconds, self._changed)
        self._add(watch)
        _under_way.watch = watch
        try:
            yield watch
        finally:
            del _under_way.watch
            watch.release()
            with self._changed:
                self._watches.discard(watch)

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _add(self, watch: Watch) -> None:
        with self._changed:
            self._watches.add(watch)
            if self._thread is None:
                thread = threading.Thread(
                    target=self._run, name="reportsync-deadlines", daemon=True
                )
                thread.start()  # may fail, and then the next watch has to try again
                self._thread = thread
            elif min(watch.ends, self._stop.cut_at) < self._wakes:
                self._changed.notify()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                self._wakes = self._cut_those_over(time.monotonic())
                pause = self._wakes - time.monotonic()
                self._changed.wait(min(max(pause, 0), threading.TIMEOUT_MAX))

    def _cut_those_over(self, now: float) -> float:
        """Cut what is over at `now`; return when to look again."""
        stop_at = self._stop.cut_at
        for watch in [watch for watch in self._watches if min(watch.ends, stop_at) <= now]:
            self._watches.discard(watch)
            watch.timed_out = watch.ends <= now
            watch.stopped = not watch.timed_out
            watch.interrupt()
        return min((min(watch.ends, stop_at) for watch in self._watches), default=float("inf"))

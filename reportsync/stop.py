"""The wish to stop, as a value that is handed down to whatever may take long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from reportsync.errors import Stopped


class Stop:
    """Say once that work should end; waits and downloads notice.

    After `request`, nothing new is begun. Downloads under way may go on for `grace` seconds and are
    then cut. Safe to use from any thread.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._cut_at = float("inf")
        self.code = 0
        self._listeners: list[Callable[[], None]] = []

    @property
    def requested(self) -> bool:
        """Whether the work was asked to end."""
        return self._event.is_set()

    @property
    def cut_at(self) -> float:
        """The `time.monotonic()` from which downloads under way are cut; infinite until asked."""
        return self._cut_at

    def request(self, grace: float = 0.0, code: int = 0) -> None:
        """Ask for the end; downloads are cut after `grace` seconds. Asking again only hastens.

        `code` is the exit code that the end so asked for has: 130 or 143 after a signal.
        """
        with self._lock:
            self.code = self.code or code
            self._cut_at = min(self._cut_at, time.monotonic() + grace)
            listeners = list(self._listeners)
        self._event.set()
        for listener in listeners:
            listener()

    def wait(self, seconds: float) -> bool:
        """Sleep up to `seconds`; return True at once when the end is asked for."""
        return self._event.wait(seconds)

    def check(self) -> None:
        """Raise `Stopped` if the end was asked for."""
        if self.requested:
            raise Stopped("stopped on request")

    def check_cut(self) -> None:
        """Raise `Stopped` if what is under way is to be cut by now."""
        if time.monotonic() >= self._cut_at:
            raise Stopped("stopped on request")

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` (quick, from another thread) whenever the end is asked for."""
        with self._lock:
            self._listeners.append(listener)

"""How fast a host may be asked: evenly spaced turns, and pauses that the host asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pace:
    """A token bucket per key (a host) that holds one token: no bursts.

    Turns are handed out in the order in which they are asked for, so no thread overtakes another.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow `rate` units per second and key, 0 for any; `clock` returns monotonic seconds."""
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._free_from: dict[str, float] = {}
        self._held_until: dict[str, float] = {}

    def take(self, key: str, amount: float = 1.0) -> float:
        """Take the next free turn for `amount` units; return the seconds to wait until it comes."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._free_from.get(key, now))
            self._free_from[key] = turn + amount / self._rate if self._rate else turn
            return turn - now

    def hold(self, key: str, seconds: float) -> None:
        """Give out no turn within the next `seconds`; a longer pause that is under way stays."""
        with self._lock:
            until = self._clock() + seconds
            self._held_until[key] = max(until, self._held_until.get(key, until))
            self._free_from[key] = max(until, self._free_from.get(key, until))

    def rest(self, key: str) -> float:
        """Return the seconds that are left of the pause of `key`, 0 if there is none."""
        with self._lock:
            return max(0.0, self._held_until.get(key, 0.0) - self._clock())

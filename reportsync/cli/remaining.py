"""The time that is left of a pass, from how fast its reports came lately. Pure: the time comes in."""

from __future__ import annotations

from collections import deque

LATELY = 60
"""So many ends of reports are looked at; older ones say little about the width and the host of now."""

_TELLING = 8  # ends from which the pace is known
_SECONDS = 3.0  # since the first end of all


class Remaining:
    """Estimates the time left. Instants are running time in seconds."""

    def __init__(self) -> None:
        self._planned = 0
        self._rate = 0.0
        self._done = 0
        self._began = 0.0
        self._ends: deque[tuple[float, bool]] = deque(maxlen=LATELY)

    def begun(self, planned: int, rate: float) -> None:
        """Note that `planned` reports are worked on, at no more than `rate` requests a second (0: any)."""
        self._planned = planned
        self._rate = rate

    def ended(self, at: float, *, asked: bool) -> None:
        """Note that the work on a report ended; `asked` says whether it took a request."""
        if not self._done:
            self._began = at
        self._done += 1
        self._ends.append((at, asked))

    def seconds(self, now: float) -> float | None:
        """Return the seconds left as it looks at `now`; None as long as it cannot be known.

        While nothing ends they grow. They are never fewer than the rate allows, as long as reports lately
        took requests.
        """
        left = self._planned - self._done
        if left <= 0 or len(self._ends) < _TELLING or now - self._began < _SECONDS:
            return None
        # What ended first only begins the time in which the others did.
        each = (now - self._ends[0][0]) / (len(self._ends) - 1)
        asked = sum(asked for _, asked in self._ends) / len(self._ends)
        at_least = left * asked / self._rate if self._rate else 0.0
        return max(left * each, at_least)


def duration_words(seconds: float) -> str:
    """Return a time left as people say it; no more exact than it is known."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{max(round(seconds / 5) * 5, 5)} s"
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60 // 10 * 10:02} min"

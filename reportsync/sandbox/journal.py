"""What was asked of the sandbox, in order, and how much at once; never holds a signature."""

from __future__ import annotations

import re
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from reportsync.model import instant_text
from reportsync.redact import clean

_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Request:
    """One request for a report.

    `status` is what was sent, None if no status line was; `fault` is the fault served, if any. Of a
    request for something else, `app_id` is empty and `name` its path.
    """

    at: datetime
    app_id: str
    name: str
    status: int | None
    fault: str | None = None

    def data(self) -> dict[str, str | int | None]:
        """Return it as JSON has it."""
        return {
            "at": instant_text(self.at), "app_id": self.app_id, "name": self.name,
            "status": self.status, "fault": self.fault,
        }  # fmt: skip


class Journal:
    """The last 100,000 requests, a count of all, and what was being answered at the same time.

    A request counts as being answered from when it is read until the first byte of the answer:
    from then on a client may rightly ask again.
    """

    def __init__(self, tell: Callable[[Request], None] | None = None) -> None:
        self._lock = threading.Lock()
        self._tell = tell
        self._requests: deque[Request] = deque(maxlen=100_000)
        self._asked: Counter[tuple[str, str]] = Counter()
        self._open: Counter[tuple[str, str]] = Counter()
        self._most = 0
        self._doubled: set[tuple[str, str]] = set()

    def begin(self, app_id: str, name: str) -> None:
        """Note that a request for a report was read."""
        with self._lock:
            self._asked[app_id, name] += 1
            self._open[app_id, name] += 1
            self._most = max(self._most, self._open.total())
            if self._open[app_id, name] > 1:
                self._doubled.add((app_id, name))

    def end(
        self, app_id: str, name: str, at: datetime, status: int | None, fault: str | None
    ) -> None:
        """Note that its answer begins now."""
        with self._lock:
            self._open[app_id, name] -= 1
            if not self._open[app_id, name]:
                del self._open[app_id, name]
        self.note(Request(at, _fit(app_id), _fit(name), status, fault))

    def note(self, request: Request) -> None:
        """Keep `request` and tell whoever listens."""
        with self._lock:
            self._requests.append(request)
        if self._tell is not None:
            self._tell(request)

    def requests(self) -> tuple[Request, ...]:
        """Return what is kept, oldest first."""
        with self._lock:
            return tuple(self._requests)

    def asked(self, app_id: str, day: date) -> int:
        """Return how often this report was asked for, refusals and faults included."""
        with self._lock:
            return self._asked[app_id, f"{day.isoformat().replace('-', '')}.zip"]

    def most_at_once(self) -> int:
        """Return the largest number of requests that were being answered at the same time."""
        with self._lock:
            return self._most

    def doubled(self) -> frozenset[tuple[str, str]]:
        """Return the (app_id, file name) of which two requests were being answered at once."""
        with self._lock:
            return frozenset(self._doubled)


def _fit(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else clean(text, 100)

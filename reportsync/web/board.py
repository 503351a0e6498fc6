"""What the page shows: read from the ledger at most once a second, and shared by all requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa

from reportsync.errors import LedgerError
from reportsync.incidents import Incident
from reportsync.known import Known, coverage
from reportsync.ledger import queries
from reportsync.ledger.deliveries import HookState
from reportsync.ledger.reader import Reader
from reportsync.model import Clock
from reportsync.service.status import shown
from reportsync.settings import Config
from reportsync.web.standing import Standing, standing

P = ParamSpec("P")
T = TypeVar("T")

FRESH_SECONDS = 1.0
_SHARE = 10
_LONGEST_SECONDS = 30.0
"""A look is kept for `_SHARE` times what it took: with very many missing days it may take seconds."""
_MOST_KEPT = 40  # pages of a look; one of three years has 350 KB
_PATIENCE_SECONDS = 2.0
"""How long a request waits for another one that is just reading; then it takes what was read before."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at the ledger, at the instant `now`."""

    now: datetime
    standings: tuple[Standing, ...]
    last_arrival: datetime | None
    hook: HookState
    open_now: tuple[Incident, ...] = ()
    made: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)

    def of(self, name: str) -> Standing | None:
        """Return how the app `name` stands, None if the config has no such app."""
        return next((one for one in self.standings if one.name == name), None)


class Board:
    """The ledger as the page sees it; one request at a time reads it, for all that come meanwhile.

    Safe to use from several threads.
    """

    def __init__(self, config: Config, clock: Clock) -> None:
        self._apps = config.apps
        self._reader = Reader(config.storage.ledger)
        self._clock = clock
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self._stale_at = float("-inf")
        self._seen: Seen | None = None
        self._failed: LedgerError | None = None

    def look(self) -> Seen:
        """Return what the ledger holds, a second old at most unless there is very much.

        Raises `LedgerError` if the ledger cannot be read.
        """
        if self._lock.acquire(timeout=_PATIENCE_SECONDS):
            try:
                if time.monotonic() >= self._stale_at:
                    self._refresh()
            finally:
                self._lock.release()
        seen, failed = self._seen, self._failed
        if failed is not None:
            raise LedgerError(failed.message, hint=failed.hint)
        if seen is None:
            raise LedgerError("the ledger is slow to answer", hint="ask again in a moment")
        return seen

    def once(self, key: str, make: Callable[[Seen], bytes]) -> bytes:
        """Return `make(what was seen)`, made once for each look, and one at a time; raises as `look` does.

        However many ask, no more than one thread takes time from the passes.
        """
        seen = self.look()
        with self._making:
            found = seen.made.get(key)
            if found is None:
                found = make(seen)
                if len(seen.made) < _MOST_KEPT:
                    seen.made[key] = found
        return found

    def read(
        self,
        function: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run `function(connection, ...)` on one view of the ledger, now; raises `LedgerError`."""
        with self._lock:
            return self._reader.read(function, *args, **kwargs)

    def close(self) -> None:
        """Close the ledger, if nobody is just waiting for it; a later look opens it again."""
        if self._lock.acquire(timeout=_PATIENCE_SECONDS / 2):
            try:
                self._reader.close()
            finally:
                self._lock.release()

    def _refresh(self) -> None:
        began, keep = time.monotonic(), FRESH_SECONDS
        try:
            self._seen, self._failed = self._read_all(), None
            keep = min(max(keep, _SHARE * (time.monotonic() - began)), _LONGEST_SECONDS)
        except LedgerError as error:
            self._failed = error
            self._reader.close()
        self._stale_at = time.monotonic() + keep

    def _read_all(self) -> Seen:
        now = self._clock()
        names = [app.name for app in self._apps]

        def everything(
            connection: sa.Connection,
        ) -> tuple[dict[str, Known], HookState, list[Incident], datetime | None]:
            return (*shown(connection, names), queries.last_arrival(connection))

        known, hook, open_now, last_arrival = self._reader.read(everything)
        found = [(app, known[app.name]) for app in self._apps]
        standings = tuple(standing(coverage(app, one, now), one, now) for app, one in found)
        return Seen(now, standings, last_arrival, hook, tuple(open_now))

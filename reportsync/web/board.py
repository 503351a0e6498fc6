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
from reportsync.known import Known, coverage
from reportsync.ledger import Ledger, open_reading, place, queries, sqlite_path
from reportsync.model import Clock
from reportsync.settings import Config
from reportsync.web.standing import Standing, standing

P = ParamSpec("P")
T = TypeVar("T")

FRESH_SECONDS = 1.0
_PATIENCE_SECONDS = 2.0
"""How long a request waits for another one that is just reading; then it takes what was read before."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at the ledger, at the instant `now`."""

    now: datetime
    standings: tuple[Standing, ...]
    last_arrival: datetime | None
    made: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)

    def of(self, name: str) -> Standing | None:
        """Return how the app `name` stands, None if the config has no such app."""
        return next((one for one in self.standings if one.name == name), None)


class Board:
    """The ledger as the page sees it: opened for reading, opened anew once its file is another one.

    Safe to use from several threads.
    """

    def __init__(self, config: Config, clock: Clock) -> None:
        self._apps = config.apps
        self._url = config.storage.ledger
        self._path = sqlite_path(self._url)
        self._clock = clock
        self._lock = threading.Lock()
        self._ledger: Ledger | None = None
        self._identity: tuple[int, int] | None = None
        self._looked = float("-inf")
        self._seen: Seen | None = None
        self._failed: LedgerError | None = None

    def look(self) -> Seen:
        """Return what the ledger holds, at most a second old unless it is slow to answer.

        Raises `LedgerError` if the ledger cannot be read.
        """
        if self._lock.acquire(timeout=_PATIENCE_SECONDS):
            try:
                if time.monotonic() - self._looked > FRESH_SECONDS:
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
        """Return `make(what was seen)`, made once for each look; raises as `look` does."""
        seen = self.look()
        if key not in seen.made:
            seen.made[key] = make(seen)
        return seen.made[key]

    def read(
        self,
        function: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run `function(connection, ...)` on one view of the ledger, now; raises `LedgerError`."""
        with self._lock:
            ledger = self._open()
        return ledger.read(function, *args, **kwargs)

    def close(self) -> None:
        """Close the ledger; a later look opens it again."""
        with self._lock:
            self._drop()

    def _refresh(self) -> None:
        try:
            self._seen, self._failed = self._read_all(), None
        except LedgerError as error:
            self._failed = error
            self._drop()
        self._looked = time.monotonic()

    def _read_all(self) -> Seen:
        now = self._clock()
        names = [app.name for app in self._apps]

        def everything(
            connection: sa.Connection,
        ) -> tuple[dict[str, Known], datetime | None]:
            return queries.known(connection, names), queries.last_arrival(connection)

        known, last_arrival = self._open().read(everything)
        found = [(app, known[app.name]) for app in self._apps]
        standings = tuple(standing(coverage(app, one, now), one, now) for app, one in found)
        return Seen(now, standings, last_arrival)

    def _open(self) -> Ledger:
        """Return the open ledger, opened anew if there was none or the file has been replaced."""
        identity = self._file()
        # Without its file there is an empty stand-in, which the first pass makes obsolete.
        stand_in = self._ledger is not None and self._path is not None and self._ledger.path is None
        if self._ledger is None or stand_in or identity != self._identity:
            self._drop()
            self._ledger, self._identity = open_reading(self._url), identity
        return self._ledger

    def _file(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        try:
            return place.identity(self._path)
        except OSError as error:
            raise place.cannot_open(self._path, error) from None

    def _drop(self) -> None:
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

"""The ledger for those who keep looking: opened for reading, and opened anew once its file is another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa

from reportsync.ledger import place
from reportsync.ledger.ledger import Ledger, open_reading, sqlite_path

P = ParamSpec("P")
T = TypeVar("T")


class Reader:
    """Reads the ledger at `url`, whether it is there yet or not; not to be shared by threads."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._path = sqlite_path(url)
        self._ledger: Ledger | None = None
        self._identity: tuple[int, int] | None = None

    def read(
        self,
        function: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run `function(connection, ...)` on one consistent view and return its result.

        Raises `LedgerError` if there is a ledger that cannot be read.
        """
        return self._open().read(function, *args, **kwargs)

    def close(self) -> None:
        """Close the ledger; a later read opens it again."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    def _open(self) -> Ledger:
        identity = place.identity(self._path) if self._path is not None else None
        if self._ledger is None or identity != self._identity or self._is_stand_in(self._ledger):
            self.close()
            self._ledger, self._identity = open_reading(self._url), identity
        return self._ledger

    def _is_stand_in(self, ledger: Ledger) -> bool:
        """Say whether `ledger` is the empty one that is shown before the first pass."""
        return ledger.path is None and (self._path is not None or ledger.dialect == "sqlite")

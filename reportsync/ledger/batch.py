"""Group commit: what several threads want written at the same moment goes into one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

Operation = Callable[[sa.Connection], Any]


@dataclass(slots=True)
class _Entry:
    operation: Operation
    files: tuple[Path, ...]
    done: bool = False
    result: Any = None
    error: BaseException | None = field(default=None)


class GroupCommit:
    """Run operations in shared transactions; the first thread to come leads for those behind it.

    `begin` opens a transaction that commits when left without an error. `make_durable` is called with
    the files of all operations before the commit, so that no row outruns the name of its file.
    """

    def __init__(
        self,
        begin: Callable[[], Any],
        make_durable: Callable[[Iterable[Path]], None] = lambda files: None,
    ) -> None:
        self._begin = begin
        self._make_durable = make_durable
        self._queue: list[_Entry] = []
        self._queue_lock = threading.Lock()
        self._lead = threading.Lock()

    def run(self, operation: Operation, files: Iterable[Path] = ()) -> Any:
        """Run `operation` in a transaction and return its result once that is committed.

        Raises what the operation or the commit raised; then nothing of the operation was written.
        """
        entry = _Entry(operation, tuple(files))
        with self._queue_lock:
            self._queue.append(entry)
        with self._lead:
            if not entry.done:
                self._commit(self._take())
        if entry.error is not None:
            raise entry.error
        return entry.result

    def _take(self) -> list[_Entry]:
        with self._queue_lock:
            entries, self._queue = self._queue, []
        return entries

    def _commit(self, entries: list[_Entry]) -> None:
        """Commit `entries` together, without those whose own operation fails."""
        while entries:
            try:
                self._together(entries)
            except BaseException as error:
                # One bad operation must not take its neighbours down; a failed lock, fsync or commit
                # would befall each of them alone as well, after waiting as long again.
                bad = [entry for entry in entries if entry.error is not None] or entries
                for entry in bad:
                    entry.error, entry.done = error, True
                entries = [entry for entry in entries if not entry.done]
            else:
                return

    def _together(self, entries: list[_Entry]) -> None:
        with self._begin() as connection:
            for entry in entries:
                try:
                    entry.result = entry.operation(connection)
                except Exception as error:
                    entry.error = error
                    raise
            self._make_durable(file for entry in entries for file in entry.files)
        for entry in entries:
            entry.done = True

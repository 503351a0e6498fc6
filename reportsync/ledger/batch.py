"""Group commit: what several threads want written at the same moment goes into one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

Operation = Callable[[sa.Connection], Any]


@dataclass(slots=True, eq=False)
class _Entry:
    operation: Operation
    files: tuple[Path, ...]
    # Held while its thread is to wait.
    woken: threading.Lock = field(default_factory=threading.Lock)
    leads: bool = False
    done: bool = False
    result: Any = None
    error: BaseException | None = None


class GroupCommit:
    """Run operations in shared transactions: one thread leads for all that came while another did.

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
        self._lock = threading.Lock()  # over the queue and whether somebody leads
        self._led = False

    def run(self, operation: Operation, files: Iterable[Path] = ()) -> Any:
        """Run `operation` in a transaction and return its result once that is committed.

        Raises what the operation or the commit raised; then nothing of the operation was written.
        """
        entry = _Entry(operation, tuple(files))
        entry.woken.acquire()
        entries: list[_Entry] = []
        try:
            with self._lock:
                self._queue.append(entry)
                entry.leads, self._led = not self._led, True
            if not entry.leads:
                entry.woken.acquire()
            if entry.leads:
                entries = self._take()
                self._commit(entries)
        except BaseException:  # too little memory, or a wait that was interrupted
            self._withdraw(entry)
            raise
        finally:
            if entry.leads:
                self._hand_on(entries)
        if entry.error is not None:
            raise entry.error
        assert entry.done
        return entry.result

    def _withdraw(self, entry: _Entry) -> None:
        with self._lock, suppress(ValueError):
            self._queue.remove(entry)

    def _hand_on(self, entries: list[_Entry]) -> None:
        """Wake all whose turn it is at once: with one lock for all they would go through it in file,
        between those who come anew, and the groups stay small."""
        with self._lock:
            following = self._queue[0] if self._queue else None
            self._led = following is not None
            if following is not None:
                following.leads = True
        if following is not None:
            following.woken.release()
        for entry in entries:
            entry.woken.release()

    def _take(self) -> list[_Entry]:
        with self._lock:
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
                    # Its own error says more than that of a rollback on a connection that is lost.
                    entry.error, entry.done = entry.error or error, True
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

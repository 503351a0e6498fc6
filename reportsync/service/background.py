"""The daemon's own verification: what was verified longest ago, gently, and what is not right is mended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reportsync.errors import Stopped, StorageError
from reportsync.ledger import audit, rounds
from reportsync.ledger.audit import Audit
from reportsync.ledger.queries import HeldArchive
from reportsync.ledger.rounds import Round
from reportsync.service.judge import AMISS, Checked, Found
from reportsync.service.mending import Mended, mend_archive
from reportsync.service.repair import tell_audit
from reportsync.service.verify import MOST_UNREADABLE, Notes, checked, longest_ago
from reportsync.service.world import World
from reportsync.sources.pace import Pace
from reportsync.store import Obstructed

LOOK_SECONDS = 60.0
"""How often it is looked whether an archive is due to be verified; nothing is done in between."""

AGAIN_SECONDS = 3600.0
"""When an archive that could not be read, or not be mended, is tried again."""

REST_SECONDS = 600.0
"""How long a disk is left alone that did not give `MOST_UNREADABLE` archives in one look."""

_AUDIT_SECONDS = 86400.0
_GROUP_SECONDS = 2.0
"""How long findings are gathered before they are told and mended together."""

_GROUP = 64
_SLEEP_SECONDS = 1.0
"""Waiting for the pace is gathered up to this, so that there is no more than one wake-up a second."""

_PIECE = 2**20  # bytes between two looks at the clock
_SMALLEST = 2**16
"""Bytes that an archive counts for at least: opening and noting it costs, too."""


@dataclass(frozen=True, slots=True)
class Events:
    """Who is told; each is called from the verifier's thread."""

    checked: Callable[[Checked], None]
    amiss: Callable[[Sequence[Checked]], None]  # in groups: each is noted in the ledger
    mended: Callable[[Mended], None]
    reopened: Callable[[], None]
    trouble: Callable[[Exception], None]


class Verifier:
    """The thread that verifies; what goes wrong in it never reaches a pass.

    Level-triggered: each look takes what was verified longest ago, whatever happened in between. Several
    processes may do it at once; what one of them is reading the others leave to it.
    """

    def __init__(self, world: World, events: Events) -> None:
        self._world = world
        self._events = events
        self._every = world.config.verify.every
        self._names = [app.name for app in world.config.apps]
        self._pace = Pace(world.config.verify.bandwidth)
        self._audit_at = 0.0
        self._rest_until = 0.0
        # What was found not right and is to be dealt with.
        self._found: list[tuple[HeldArchive, Checked]] = []
        self._dealt_at = 0.0
        self._again_at: dict[int, float] = {}
        self._unreadable: dict[int, tuple[HeldArchive, StorageError]] = {}
        self._thread = threading.Thread(target=self._work, name="verify", daemon=True)

    def start(self) -> None:
        """Begin; the end comes with the `Stop`."""
        self._thread.start()

    def join(self, seconds: float) -> bool:
        """Wait up to `seconds` for the end; say if it came. Call it after the stop was requested."""
        self._thread.join(max(seconds, 0))
        return not self._thread.is_alive()

    @property
    def trouble(self) -> StorageError | None:
        """Why archives cannot be read; None as soon as they can be, or are gone."""
        return next((error for _, error in tuple(self._unreadable.values())), None)

    def _work(self) -> None:
        while not self._world.stop.requested:
            try:
                pause = self.look()
            except Stopped:
                return
            except Exception as error:
                # A disk or ledger that fails, which the passes tell of, or a bug.
                self._events.trouble(error)
                pause = LOOK_SECONDS
            self._world.stop.wait(pause)

    def look(self) -> float:
        """Verify what is due to be; return the seconds until it is worth looking again."""
        if time.monotonic() >= self._audit_at:
            self._audit()
            self._audit_at = time.monotonic() + _AUDIT_SECONDS
        self._forget_mended()
        if time.monotonic() >= self._rest_until:
            self._look_at_due()
        return self._pause()

    def _look_at_due(self) -> None:
        self._found, self._dealt_at = [], time.monotonic()
        unreadable = 0
        with Notes(self._world) as notes:
            for row in longest_ago(self._world, self._round(self._world.clock() - self._every)):
                self._world.stop.check()
                if self._is_waiting(row) or not notes.reserve(row):
                    continue
                error = self._take(row, notes).error
                unreadable += error is not None and not isinstance(error, Obstructed)
                if unreadable >= MOST_UNREADABLE:
                    # It is the disk. By the next look those of this one still wait: others are tried.
                    self._rest_until = time.monotonic() + REST_SECONDS
                    break
        self._deal()

    def _round(self, until: datetime) -> Round:
        """Return the round that is made: what nobody could fetch again is left to `reportsync verify`."""
        return Round(until, tuple(self._names))

    def _is_waiting(self, row: HeldArchive) -> bool:
        return self._again_at.get(row.number, 0.0) > time.monotonic()

    def _audit(self) -> None:
        """See whether the ledger fits together; mend it, and tell, if not."""
        found: Audit = self._world.ledger.read(audit.audit, self._names)
        if not found.clean:
            tell_audit(self._world.ledger.write(audit.put_right, self._names), self._events.mended)
            self._events.reopened()

    def _forget_mended(self) -> None:
        """Drop what could not be read and was read by another process since, or given up by a person."""
        for number, (row, _) in tuple(self._unreadable.items()):
            if self._world.ledger.read(rounds.last_verified, number) != row.verified:
                del self._unreadable[number]

    def _take(self, row: HeldArchive, notes: Notes) -> Checked:
        self._wait(max(_SMALLEST - row.archive.size, 0))
        found = checked(self._world, row, self._reader(row.archive.size))
        self._events.checked(found)
        notes.add(row, found)
        self._again_at.pop(row.number, None)
        self._unreadable.pop(row.number, None)
        if found.found is not Found.OK:
            if found.error is not None:
                self._unreadable[row.number] = row, found.error
            self._found.append((row, found))
        if len(self._found) >= _GROUP or time.monotonic() - self._dealt_at > _GROUP_SECONDS:
            self._deal()
        return found

    def _deal(self) -> None:
        """Tell and mend what was found, together: each telling is a look at all of the ledger."""
        found, self._found = self._found, []
        self._dealt_at = time.monotonic()
        amiss = [one for _, one in found if one.found in AMISS]
        if amiss:
            self._events.amiss(amiss)
        reopened = False
        for row, one in found:
            # Also where it is mended: another process may have the claim just now.
            self._again_at[row.number] = time.monotonic() + AGAIN_SECONDS
            paced = self._reader(0)  # whatever other versions there are
            reopened = mend_archive(self._world, one, self._events.mended, paced) or reopened
        if reopened:
            self._events.reopened()

    def _reader(self, size: int) -> Callable[[], None]:
        """Return what is called after each piece of a file that should have `size` bytes."""
        left = size

        def piece_read() -> None:
            nonlocal left
            self._world.stop.check()
            self._wait(min(_PIECE, left) if left > 0 else _PIECE)  # more: one that has grown
            left -= _PIECE

        return piece_read

    def _wait(self, size: int) -> None:
        """Let the pace of reading `size` bytes be kept."""
        seconds = self._pace.take("disk", size)
        if seconds >= _SLEEP_SECONDS and self._world.stop.wait(seconds):
            self._world.stop.check()

    def _pause(self) -> float:
        """Return the seconds until the next archive is due to be verified, within bounds."""
        rows = longest_ago(self._world, self._round(self._world.clock()))
        oldest = next((row for row in rows if not self._is_waiting(row)), None)
        # One that is stored from now on is not due before.
        left = self._every
        if oldest is not None:
            left += oldest.verified - self._world.clock()
        rest = self._rest_until - time.monotonic()
        return min(max(left / timedelta(seconds=1), rest, 1.0), LOOK_SECONDS)

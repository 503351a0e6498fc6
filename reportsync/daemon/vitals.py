"""How the daemon is: what it was last seen doing, and whether it can go on."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta

from reportsync.daemon.wake import AT_MOST_EVERY, silence_allowed
from reportsync.exhaustion import exhausted
from reportsync.model import Clock, instant_text
from reportsync.settings import Config
from reportsync.web import Liveness

LOOK_SECONDS = 1.0
"""How often the main thread looks."""

_JUMP_SECONDS = 5.0
_OVERDUE_SECONDS = 60.0


class Vitals:
    """Noted by the thread of the passes, looked at by the main thread and the status page."""

    def __init__(self, config: Config, clock: Clock, failing_since: datetime | None = None) -> None:
        self._clock = clock
        self._interval = config.daemon.interval
        self._silence = silence_allowed(config.http)
        self._started = self.next_at = clock()
        self._idle = threading.Event()
        self._idle.set()
        self._alive_at = time.monotonic()
        self._last_pass: datetime | None = None
        self.failing_since = failing_since
        self._failed: Exception | None = None
        self._overdue_looks = 0
        self._offset = self._clock_offset()

    def begin(self) -> None:
        """Note that a pass begins."""
        self.alive()
        self._idle.clear()

    def alive(self) -> None:
        """Note that the pass under way got somewhere."""
        self._alive_at = time.monotonic()

    def end(self, failed: Exception | None = None, *, well: bool = False) -> None:
        """Note that a pass has ended; `failed` is the error of ours that ended it.

        `well`: disk and ledger let it do its work.
        """
        self._last_pass = self._clock()
        self.failing_since = None if well else self.failing_since or self._last_pass
        self._failed = self._failed or failed
        self._idle.set()

    def await_idle(self, seconds: float) -> bool:
        """Wait until no pass is under way, `seconds` at most; say whether that is so."""
        return self._idle.wait(seconds)

    def what_is_wrong(self) -> str | None:
        """Say why this daemon cannot go on, None while all is well."""
        if self._failed is not None:
            told = exhausted(self._failed)
            why = told.message if told else f"{type(self._failed).__name__}: {self._failed}"
            return f"a pass failed: {why}"
        if not scheduler_is_alive():
            return "the scheduler's thread is dead"
        silent = time.monotonic() - self._alive_at
        if not self._idle.is_set() and silent > self._silence:
            return f"a pass has been silent for {silent:.0f} s"
        if self._is_overdue():
            return f"no pass has begun although one was due at {instant_text(self.next_at)}"
        return None

    def clock_jumped(self) -> bool:
        """Say whether clock and running time have parted since this was last asked: a jump or a suspend."""
        offset = self._clock_offset()
        jumped = abs(offset - self._offset) > _JUMP_SECONDS
        if jumped:
            self._offset = offset
        return jumped

    def liveness(self) -> Liveness:
        """Return what the status page judges by."""
        silent = timedelta(seconds=time.monotonic() - self._alive_at)
        return Liveness(
            scheduler_alive=scheduler_is_alive(),
            started=self._started,
            last_pass=self._last_pass,
            failing_since=self.failing_since,
            interval=self._interval,
            progress=None if self._idle.is_set() else self._clock() - silent,
            silence=timedelta(seconds=self._silence),
        )

    def _is_overdue(self) -> bool:
        """Say whether a pass has failed to begin for a minute of looking.

        Looks are counted and not time: a process that was stopped or suspended comes back late, and is
        given the time to begin.
        """
        late = self._idle.is_set() and self._clock() > self.next_at + AT_MOST_EVERY
        self._overdue_looks = self._overdue_looks + 1 if late else 0
        return self._overdue_looks * LOOK_SECONDS > _OVERDUE_SECONDS

    def _clock_offset(self) -> float:
        return self._clock().timestamp() - time.monotonic()


def scheduler_is_alive() -> bool:
    """Say whether APScheduler's thread runs; its `running` stays true after an error has ended it."""
    return any(thread.name == "APScheduler" for thread in threading.enumerate())

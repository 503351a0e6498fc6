"""Tell of passes and incidents: review what was seen, note it, hand it to log and channels; never raise."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from reportsync.announce.healthchecks import Ping, Sign
from reportsync.announce.post import Post
from reportsync.errors import LedgerError, ReportsyncError, StorageError
from reportsync.incidents import (
    REMIND_EVERY,
    Incident,
    Notice,
    Phase,
    Said,
    Seen,
    bundle,
    notice,
    open_lines,
)
from reportsync.ledger import Ledger, incidents
from reportsync.model import Clock, system_clock
from reportsync.service.passes import Summary
from reportsync.service.review import News, reaches, review_now
from reportsync.service.world import open_ledger
from reportsync.settings import Config

WAIT_SECONDS = 10.0
"""How long a command waits at its end for its notices to arrive."""

_TO_NOTE_SECONDS = 1.0

_storage_told: dict[str, datetime] = {}
"""When this process told of a ledger that cannot remember it; by its URL, over every reopening."""


class Announcer:
    """Tells log, Healthchecks and Apprise; what goes wrong here is a warning.

    `tell` logs a notice, `warn` a warning. With `pings` passes are told to `notify.healthchecks`. As a
    context it ends its threads, without waiting for them. The passes and the verification of a daemon may
    tell at the same time.
    """

    def __init__(
        self,
        config: Config,
        tell: Callable[[Notice], None],
        warn: Callable[[str], None],
        *,
        pings: bool = True,
        clock: Clock = system_clock,
    ) -> None:
        self._config = config
        self._tell = tell
        self._warn = warn
        self._clock = clock
        self._post = Post(config, pings=pings)
        self._run_id = str(uuid.uuid4())
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, ReportsyncError):
            self.failed(error)
        self.close()

    def close(self) -> None:
        """End the threads; what is on its way is left to itself."""
        self._post.close()

    def begin(self) -> None:
        """Tell that a pass begins."""
        self._run_id = str(uuid.uuid4())
        self._ping("start")

    def conclude(self, ledger: Ledger, summary: Summary, seen: Seen, wait: float = 0.0) -> None:
        """Tell how a pass ended and what follows from it; wait up to `wait` seconds for the channels.

        Of a pass that was stopped nothing is told: what it did not come to is nobody's fault.
        """
        if summary.stopped:
            return
        open_now = self._review(ledger, seen)
        if open_now is not None:
            bad = bool(open_now) or summary.trouble is not None
            self._ping("fail" if bad else "success", [_line(summary), *open_lines(open_now)])
        self.settle(ledger, wait)

    def found(self, ledger: Ledger, seen: Seen, wait: float = 0.0) -> None:
        """Tell what was seen outside of a pass, by a verification."""
        self._review(ledger, seen)
        self.settle(ledger, wait)

    def could_not_begin(
        self, error: StorageError, wait: float = 0.0, *, restarted: bool = False
    ) -> None:
        """Tell that a pass could not begin, noting it in the ledger if that can be opened.

        A process that is `restarted` whenever it ends sends no notice of a ledger that cannot remember
        it: there would be one with each start. Healthchecks is told each time, and tells a person once.
        """
        summary = Summary(exit=error.exit_code, trouble=error)
        seen = Seen(storage=Said(error.message, error.hint))
        try:
            if isinstance(error, LedgerError):
                raise error
            with open_ledger(self._config) as ledger:
                self.conclude(ledger, summary, seen, wait)
        except StorageError:
            self._tell_without_ledger(error, send=not restarted)
            self.settle(None, wait)

    def failed(self, error: Exception, wait: float = WAIT_SECONDS) -> None:
        """Tell Healthchecks that a pass ended in an error of our own."""
        self._ping("fail", [f"a pass failed: {type(error).__name__}; the log has more"])
        self._post.wait(wait)

    def settle(self, ledger: Ledger | None, wait: float = 0.0) -> None:
        """Note what became of notices; what takes longer than `wait` seconds, if not 0, is given up."""
        if wait > 0:
            self._post.wait(wait)
        with self._lock:
            found = self._post.settle(give_up=wait > 0)
        for warning in found.warnings:
            self._warn(warning)
        if ledger is None or not (found.arrived or found.failed):
            return
        try:
            ledger.write(incidents.note_delivery, found.arrived, found.failed, self._clock())
        except LedgerError as error:
            self._warn(f"what was told could not be noted: {error.message}")

    def end(self, ledger: Ledger, wait: float) -> None:
        """Let what is on its way arrive for `wait` seconds and note it, then end the threads.

        Takes no longer also when the ledger is locked by another process.
        """
        wait = max(wait, 0.01)
        noting = threading.Thread(target=self.settle, args=(ledger, wait), daemon=True)
        noting.start()
        noting.join(wait + _TO_NOTE_SECONDS)
        self.close()

    def _review(self, ledger: Ledger, seen: Seen) -> tuple[Incident, ...] | None:
        """Bring the ledger's incidents up to date with `seen` and hand out what is new.

        Returns what is open now, None if that could not be found out.
        """
        self.settle(ledger)
        with self._lock:
            return self._reviewed(ledger, seen)

    def _reviewed(self, ledger: Ledger, seen: Seen) -> tuple[Incident, ...] | None:
        try:
            news: News = ledger.write(review_now, self._config, seen, self._clock())
        except LedgerError as error:
            self._tell_without_ledger(error)
            return None
        except Exception as error:
            # Our own bug: the pass is done and recorded, and its result must not suffer.
            self._warn(f"incidents could not be reviewed: {type(error).__name__}")
            self._ping("fail", ["incidents could not be reviewed; the log has more"])
            return None
        _storage_told.pop(self._config.storage.ledger, None)
        self._hand_out(news.logged, news.sent)
        return news.open_now

    def _hand_out(self, logged: Sequence[Notice], sent: Sequence[Notice]) -> None:
        for one in logged:
            self._tell(one)
        for one in bundle(sent):
            self._post.send(one)

    def _tell_without_ledger(self, error: StorageError, *, send: bool = True) -> None:
        """Tell of storage that fails so badly that the ledger cannot remember what was told."""
        now = self._clock()
        incident = Incident("storage", now, (), error.message, error.hint)
        self._ping("fail", open_lines([incident]))
        told = _storage_told.get(self._config.storage.ledger)
        if told is not None and told <= now < told + REMIND_EVERY:
            return
        _storage_told[self._config.storage.ledger] = now
        one = notice(incident, Phase.OPENED)
        wanted = send and reaches(self._config.notify, one.kind, one.phase)
        self._hand_out([one], [one] if wanted else [])

    def _ping(self, sign: Sign, lines: Sequence[str] = ()) -> None:
        self._post.ping(Ping(sign, self._run_id, "\n".join(lines)))


def _line(summary: Summary) -> str:
    """Return a pass in one line."""
    missing = "" if summary.missing is None else f", {summary.missing} missing"
    counts = f"{summary.asked} asked for, {summary.stored + summary.adopted} stored{missing}"
    return f"{counts}, exit {summary.exit}, {summary.seconds:.1f} s"

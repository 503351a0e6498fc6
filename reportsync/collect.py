"""Collect one report: the unit of work that every door drives."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from http import HTTPStatus
from itertools import count

from reportsync import retry
from reportsync.archive import examine
from reportsync.calendar import due
from reportsync.errors import (
    AttemptFailed,
    KeyRefused,
    NotThereYet,
    ReportsyncError,
    Stopped,
    TransientFault,
)
from reportsync.ledger import Ledger, claims, queries, records
from reportsync.ledger.claims import Claim, ClaimLost, Settled, Taken
from reportsync.model import Archive, Attempt, Clock, Outcome, Report
from reportsync.present import inspect, is_there
from reportsync.settings import App, Http
from reportsync.sources import Received, Source
from reportsync.stop import Stop
from reportsync.store import NameTaken, Scratch, Store, storage_trouble

LEASE_MARGIN = timedelta(seconds=60)
"""What a lease is longer than the deadline of a download: time to verify, keep and record."""

RENEWED_AFTER = timedelta(seconds=5)
"""A claim that has waited so long for a place and its turn at the host gets its whole lease again."""


def lease_of(http: Http) -> timedelta:
    """Return how long a claim holds unless renewed."""
    return http.deadline + LEASE_MARGIN


@dataclass(frozen=True, slots=True)
class Tools:
    """What collecting needs; `roll` returns a random number from 0 to 1."""

    ledger: Ledger
    store: Store
    source: Source
    http: Http
    clock: Clock
    stop: Stop
    roll: Callable[[], float]
    pass_id: str

    @property
    def lease(self) -> timedelta:
        """How long a claim holds unless renewed."""
        return lease_of(self.http)


@dataclass(frozen=True, slots=True)
class Wish:
    """Why a report is collected: the instant since when, and whether a stored one is asked for again."""

    since: datetime
    again: bool = False


@dataclass(frozen=True, slots=True)
class Collected:
    """How it ended.

    `attempt` counts the attempts at this report, this one included.
    `bars_app`: another day of the same app would end the same way now, so it is not worth asking.
    `settled`: a busy report is finished with; else its claim is still another's.
    """

    report: Report
    outcome: Outcome
    seconds: float = 0.0
    size: int | None = None
    sha256: str | None = None
    status: int | None = None
    reason: str | None = None
    hint: str | None = None
    next_attempt: datetime | None = None
    version: int | None = None
    arrival: int | None = None
    flags: tuple[str, ...] = ()
    bars_app: bool = False
    key_refused: bool = False
    settled: bool = True
    stored: bool = False
    error: AttemptFailed | None = None
    attempt: int | None = None
    pass_id: str | None = None


def collect(
    app: App, day: date, wish: Wish, tools: Tools, accepted: Callable[[], None] = lambda: None
) -> Collected:
    """Claim, adopt or fetch, verify, keep and record the report of `app` about `day`.

    `accepted` is called as soon as the server has accepted the key. Returns however the attempt ended;
    raises `StorageError` when disk or ledger fail, `Stopped` when asked to stop, and whatever else the
    source raises while its turn is awaited, with the claim freed and nothing half done.
    """
    tools.stop.check()
    report = Report(app.name, day)
    asks = wish.again or not tools.store.versions(report)
    if asks and (held_back := _held_back(app, report, tools.source.prepare_turn)) is not None:
        return held_back
    now = tools.clock()
    claim = tools.ledger.write(
        claims.take, report, now=now, lease=tools.lease, wanted_at=wish.since, again=wish.again
    )
    match claim:
        case Taken(until):
            reason = "another process is working on it"
            return Collected(report, Outcome.BUSY, reason=reason, next_attempt=until, settled=False)
        case Settled():
            return _settled(report, claim)
        case Claim():
            with freed_on_error(claim, tools.ledger):
                return _Work(app, claim, wish, tools, now, accepted).run()


def _held_back(app: App, report: Report, wait: Callable[[App], None]) -> Collected | None:
    """Have `wait` see to it that the app's host may be asked; return how it ended if it may not for long."""
    try:
        wait(app)
    except TransientFault as error:
        why, hint = error.message, error.hint
        return Collected(report, Outcome.FAILED, reason=why, hint=hint, bars_app=True, error=error)
    return None


def _settled(report: Report, found: Settled) -> Collected:
    by_another = "stored" if found.stored else found.outcome or "asked for"
    reason = f"{by_another} by another process" + (f": {found.reason}" if found.reason else "")
    refused = found.outcome is Outcome.REJECTED
    return Collected(
        report,
        Outcome.BUSY,
        reason=reason,
        bars_app=refused,
        key_refused=refused,
        stored=found.stored,
    )


@contextlib.contextmanager
def freed_on_error(claim: Claim, ledger: Ledger) -> Iterator[None]:
    """Free `claim` when the body ends in an error."""
    try:
        yield
    except BaseException:
        # The ledger itself may be what failed; then the lease ends by itself.
        with contextlib.suppress(ReportsyncError):
            ledger.write(claims.release, claim)
        raise


@dataclass(slots=True)
class _Work:
    """One claimed report on its way from the server to the ledger."""

    _app: App
    _claim: Claim
    _wish: Wish
    _tools: Tools
    _started: datetime  # when it was claimed, and then when the host's turn had come
    _accepted: Callable[[], None]
    _requests: int = 0
    _size: int | None = None  # of a body that came and was not taken

    @property
    def _report(self) -> Report:
        return self._claim.report

    def run(self) -> Collected:
        try:
            if not self._wish.again:
                adopted = self._adopt()
                if adopted is not None:
                    return adopted
            return self._await_turn() or self._fetch()
        except AttemptFailed as error:
            return self._failed(error)
        except ClaimLost:
            reason = "the lease ran out and another process took over"
            return Collected(self._report, Outcome.BUSY, reason=reason, settled=False)

    def _adopt(self) -> Collected | None:
        """Record whole files that lie under the report's final names; move damaged ones aside.

        None if there are none, or if a newer version is known and lost: then the server is asked for it.
        """
        whole = [
            archive
            for version in self._tools.store.versions(self._report)
            if (archive := inspect(self._tools.store, self._report, version, self._tools.stop))
            is not None
        ]
        if not whole:
            return None
        *earlier, latest = whole
        known = self._tools.ledger.read(queries.versions_of, self._report)
        outdated = any(row.archive.version > latest.version for row in known)
        held = {row.archive for row in known if row.held}
        for archive in whole if outdated else earlier:
            if archive not in held:
                path = self._tools.store.path(self._report, archive.version)
                now = self._tools.clock()
                self._tools.ledger.write_after([path], records.adopt_row, archive, now)
        return None if outdated else self._record(latest, Outcome.ADOPTED, None)

    def _await_turn(self) -> Collected | None:
        """Wait until the app's host may be asked; free the claim and say so if that is too far away."""
        held_back = _held_back(self._app, self._report, self._tools.source.await_turn)
        if held_back is not None:
            self._tools.ledger.write(claims.release, self._claim)
            return held_back
        claimed, self._started = self._started, self._tools.clock()
        if self._started - claimed > RENEWED_AFTER:
            self._renew()
        return None

    def _fetch(self) -> Collected:
        for made in count(1):
            self._requests = made
            try:
                return self._once()
            except AttemptFailed as error:
                pause = retry.repetition(error, made, self._tools.http, self._tools.roll())
                if pause is None:
                    raise
            self._pause(pause)
        raise AssertionError("count() does not end")

    def _pause(self, pause: timedelta) -> None:
        if self._tools.stop.wait(pause.total_seconds()):
            raise Stopped("stopped on request")
        self._tools.source.await_turn(self._app)
        self._renew()

    def _renew(self) -> None:
        self._tools.ledger.write(
            claims.renew, self._claim, now=self._tools.clock(), lease=self._tools.lease
        )

    def _once(self) -> Collected:
        """Make one request and follow its archive into the store."""
        with contextlib.ExitStack() as scratches:
            opened: list[Scratch] = []

            def open_sink(size: int | None) -> Scratch:
                self._tools.store.require_space(size)
                opened.append(scratches.enter_context(self._tools.store.scratch(self._report)))
                return opened[-1]

            self._size = None
            try:
                received = self._tools.source.fetch(
                    self._app, self._report.day, open_sink, self._accepted
                )
                scratch = opened[-1]
                members = self._examined(scratch)
            except AttemptFailed as error:
                if opened:  # which an answer with this status alone leads to
                    error.status, self._size = HTTPStatus.OK.value, opened[-1].size
                raise
            return self._keep(scratch, members, received)

    def _examined(self, scratch: Scratch) -> int:
        path = self._tools.store.path(self._report)
        try:
            with scratch.reader() as file, storage_trouble("read what came for", path):
                check = self._tools.stop.check_cut
                return examine(file, scratch.size, check_stop=check).members
        except AttemptFailed as error:
            if error.evidence:
                self._tools.store.quarantine(self._report, scratch, error.message)
            raise

    def _keep(self, scratch: Scratch, members: int, received: Received) -> Collected:
        versions = (
            [] if self._claim.fresh else self._tools.ledger.read(queries.versions_of, self._report)
        )
        held = [row.archive for row in versions if row.held]
        lost = [
            row.archive.version
            for row in versions
            if not row.held and row.archive.sha256 == scratch.sha256
        ]
        if held and held[-1].sha256 == scratch.sha256:
            if is_there(self._tools.store, held[-1], self._tools.stop):
                return self._unchanged(held[-1], received)
            # Lost or damaged, and nobody knew: here it is again.
            self._set_other_aside(held[-1])
            lost = [held[-1].version]
        # Not counting names without a row: what was killed before it could record may have left this very
        # archive under the next one.
        recorded = (row.archive.version for row in versions)
        first = lost[-1] if lost else max(recorded, default=0) + 1
        version = self._named(scratch, first)
        archive = Archive(self._report, version, scratch.size, scratch.sha256, members)
        # What had been lost and is there again is nothing new.
        outcome = Outcome.VERSION if held and not lost else Outcome.STORED
        return self._record(archive, outcome, received)

    def _set_other_aside(self, stored: Archive) -> None:
        """Move to quarantine what lies under the name of `stored` and is another file."""
        lying = inspect(self._tools.store, self._report, stored.version, self._tools.stop)
        if lying is not None and lying.sha256 != stored.sha256:
            path = self._tools.store.path(self._report, stored.version)
            self._tools.store.quarantine(self._report, path, "not what was stored", lying.sha256)

    def _named(self, scratch: Scratch, version: int) -> int:
        """Give the archive its final name from `version` on, and return the version that it became."""
        while True:
            try:
                self._tools.store.keep(scratch, self._report, version)
            except NameTaken:
                # Somebody put a file there meanwhile: the very same, another one, or a damaged one.
                lying = inspect(self._tools.store, self._report, version, self._tools.stop)
                if lying is None:
                    continue
                if lying.sha256 != scratch.sha256:
                    version += 1
                    continue
            return version

    def _record(self, archive: Archive, outcome: Outcome, received: Received | None) -> Collected:
        attempt = self._attempt(outcome, received.status if received else None, archive.size)
        path = self._tools.store.path(self._report, archive.version)
        recorded = self._tools.ledger.write_after(
            [path], records.record_archive, self._claim, attempt, archive
        )
        return replace(
            self._ended(attempt, recorded.attempts),
            sha256=archive.sha256,
            version=archive.version,
            arrival=recorded.arrival,
            flags=recorded.flags,
            stored=True,
        )

    def _unchanged(self, archive: Archive, received: Received) -> Collected:
        attempt = self._attempt(Outcome.UNCHANGED, received.status, archive.size)
        recorded = self._tools.ledger.write(records.record_unchanged, self._claim, attempt)
        ended = self._ended(attempt, recorded.attempts)
        return replace(ended, sha256=archive.sha256, version=archive.version, stored=True)

    def _failed(self, error: AttemptFailed) -> Collected:
        outcome = outcome_of(error)
        attempt = self._attempt(outcome, error.status, self._size, error.message)
        row = self._tools.ledger.read(queries.report_row, self._report)
        counted = retry.tells_of_day(error)
        tries = (row.tries if row else 0) + counted
        again = retry.next_attempt(
            error, tries, attempt.ended, due(self._report.day, self._app), self._app
        )
        recorded = self._tools.ledger.write(
            records.record_failure, self._claim, attempt, again, counted
        )
        return replace(
            self._ended(attempt, recorded.attempts),
            hint=error.hint,
            next_attempt=again,
            bars_app=isinstance(error, KeyRefused),
            key_refused=isinstance(error, KeyRefused),
            stored=row is not None and row.state == "stored",
            error=error,
        )

    def _attempt(
        self, outcome: Outcome, status: int | None, size: int | None, reason: str | None = None
    ) -> Attempt:
        return Attempt(
            self._report,
            self._started,
            # A clock set back in the meantime must not make an attempt end before it began.
            max(self._started, self._tools.clock()),
            outcome,
            self._requests,
            status,
            size,
            reason,
            self._tools.pass_id,
        )

    def _ended(self, attempt: Attempt, number: int) -> Collected:
        return Collected(
            self._report,
            attempt.outcome,
            attempt=number,
            pass_id=attempt.pass_id,
            seconds=(attempt.ended - attempt.started).total_seconds(),
            size=attempt.size,
            status=attempt.status,
            reason=attempt.reason,
        )


def outcome_of(error: AttemptFailed) -> Outcome:
    """Return the outcome of an attempt that ended in `error`."""
    match error:
        case KeyRefused():
            return Outcome.REJECTED
        case NotThereYet():
            return Outcome.WAITING
        case _:
            return Outcome.FAILED

"""Run the hook for each arrival, from the ledger's deliveries, until it exits 0."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from reportsync.announce import hook
from reportsync.ledger import Ledger, claims, deliveries, queries
from reportsync.ledger.deliveries import LONGEST_PAUSE, Delivery
from reportsync.ledger.queries import HeldArchive
from reportsync.model import Clock, Report, instant_text
from reportsync.settings import Config
from reportsync.stop import Stop
from reportsync.store import Obstructed, Store

FIRST_PAUSE = timedelta(minutes=1)
LEASE_MARGIN = timedelta(seconds=60)
"""What a lease is longer than the time limit of a run: time to end the command and to record."""

LOOK_SECONDS = 1.0
_PAUSE_AFTER_TROUBLE = 60.0


@dataclass(frozen=True, slots=True)
class Ran:
    """How one run of the hook ended; `error` and `next_attempt` are None unless it failed."""

    arrival: int
    report: Report
    seconds: float
    stopped: bool = False
    error: str | None = None
    tries: int = 0
    next_attempt: datetime | None = None


Tell = Callable[[Ran], None]


def pause_after(tries: int) -> timedelta:
    """Return the pause after the `tries`-th failure in a row: doubling from 1 minute to 6 hours. Pure."""
    return min(FIRST_PAUSE * float(2 ** min(tries - 1, 16)), LONGEST_PAUSE)


def arrival_event(row: HeldArchive, path: Path) -> dict[str, Any]:
    """Return an arrival as the contract's JSON object; `path` is its file. Pure."""
    return {
        "version": 1,
        "id": row.number,
        "app": row.archive.report.app,
        "day": row.archive.report.day.isoformat(),
        "file_version": row.archive.version,
        "path": str(path),
        "bytes": row.archive.size,
        "sha256": row.archive.sha256,
        "members": row.archive.members,
        "flags": list(row.flags),
        "stored": instant_text(row.stored),
    }


def variables(event: dict[str, Any]) -> dict[str, str]:
    """Return the environment variables that tell a hook what its event tells. Pure.

    REPORTSYNC_VERSION is the archive's version, `file_version` in the event; several flags stand on lines.
    """
    named = {key: value for key, value in event.items() if key not in ("version", "file_version")}
    named |= {"version": event["file_version"], "flags": "\n".join(event["flags"])}
    return {f"REPORTSYNC_{key.upper()}": str(value) for key, value in named.items()}


def expect_arrivals(config: Config, ledger: Ledger) -> None:
    """See to it that the hook, if there is one, is run for whatever arrives from now on."""
    if config.hooks.arrival is not None:
        ledger.write(deliveries.begin)


class Outbox:
    """Runs the configured hook, one delivery at a time.

    Of one app in the order of numbers: the next waits until the hook has exited 0 for the one before, so
    that an older version never comes after a newer one. Apps do not wait for each other.
    """

    def __init__(self, config: Config, ledger: Ledger, stop: Stop, clock: Clock) -> None:
        self._config = config
        self._hooks = config.hooks
        self._ledger = ledger
        self._stop = stop
        self._clock = clock
        self._store = Store(config.storage.archive, 0)
        self._turns: dict[str, int] = {}

    def run_next(self, without: Collection[str] = ()) -> Ran | None:
        """Run the hook for the delivery that is next, if any is; leave the apps `without` aside.

        Raises `LedgerError` when the ledger fails; the delivery then stays claimed until its lease ends.
        """
        now = self._clock()
        lease = self._hooks.timeout + LEASE_MARGIN
        if not self._ledger.read(deliveries.is_work_there, now, lease, without):
            return None
        delivery = self._ledger.write(_queue_and_take, now, lease, dict(self._turns), without)
        if delivery is None:
            return None
        self._turns[delivery.app] = 1 + max(self._turns.values(), default=0)
        if delivery.orphan is not None:
            _end_orphan(delivery.orphan)
        return self._run(delivery)

    def _run(self, delivery: Delivery) -> Ran:
        (row,) = self._ledger.read(queries.arrivals_after, delivery.arrival - 1, 1)
        began = time.monotonic()
        ended = self._command(delivery, row)
        ran = Ran(delivery.arrival, row.archive.report, time.monotonic() - began, ended.stopped)
        if ended.stopped:
            self._ledger.write(deliveries.give_back, delivery)
            return ran
        if ended.error is None:
            self._ledger.write(deliveries.delivered, delivery)
            return ran
        now, tries = self._clock(), delivery.tries + 1
        again = now + pause_after(tries)
        self._ledger.write(deliveries.failed, delivery, ended.error, now, again)
        return Ran(
            ran.arrival, ran.report, ran.seconds, error=ended.error, tries=tries, next_attempt=again
        )

    def _command(self, delivery: Delivery, row: HeldArchive) -> hook.Ended:
        assert self._hooks.arrival is not None
        try:
            path = self._store.path(row.archive.report, row.archive.version).absolute()
        except Obstructed as error:
            return hook.Ended(error.message)
        event = arrival_event(row, path)

        def started(pid: int) -> None:
            self._ledger.write(deliveries.started, delivery, claims.name_process(pid))

        return hook.run_command(
            self._hooks.arrival,
            hook.passed_on(os.environ) | variables(event),
            (json.dumps(event) + "\n").encode(),
            self._hooks.timeout,
            self._stop,
            started,
        )


def _queue_and_take(
    connection: Any,
    now: datetime,
    lease: timedelta,
    turns: dict[str, int],
    without: Collection[str],
) -> Delivery | None:
    deliveries.queue(connection, now)
    return deliveries.take(connection, now=now, lease=lease, turns=turns, without=without)


def _end_orphan(process: str) -> None:
    """Kill the group of a hook that outlived the process that had started it: never two for one event."""
    # The ledger may have come from another machine or an earlier boot, or been tampered with.
    leader = claims.living(process)
    if leader is not None and leader != os.getpgrp():
        hook.signal_group(leader, signal.SIGKILL)


def run_pending(config: Config, ledger: Ledger, stop: Stop, clock: Clock, tell: Tell) -> None:
    """Run the hook for what is due, each app until its first failure, and call `tell` after each run.

    Begins no run once `hooks.timeout` has passed; what is left is for the daemon or the next command.
    """
    outbox = Outbox(config, ledger, stop, clock)
    limit = time.monotonic() + config.hooks.timeout.total_seconds()
    failed: set[str] = set()
    while not stop.requested and time.monotonic() < limit:
        ran = outbox.run_next(failed)
        if ran is None:
            return
        tell(ran)
        if ran.error is not None:
            failed.add(ran.report.app)


class Runner:
    """The daemon's thread that runs the hook; what goes wrong in it never reaches a pass."""

    def __init__(
        self, outbox: Outbox, stop: Stop, tell: Tell, trouble: Callable[[Exception], None]
    ) -> None:
        self._outbox = outbox
        self._stop = stop
        self._tell = tell
        self._trouble = trouble
        self._thread = threading.Thread(target=self._work, name="hooks", daemon=True)

    def start(self) -> None:
        """Begin; the end comes with the `Stop`."""
        self._thread.start()

    def join(self, seconds: float) -> bool:
        """Wait up to `seconds` for the end; say if it came. Call it after the stop was requested."""
        self._thread.join(max(seconds, 0))
        return not self._thread.is_alive()

    def _work(self) -> None:
        while not self._stop.requested:
            try:
                ran = self._outbox.run_next()
                if ran is None:
                    self._stop.wait(LOOK_SECONDS)
                else:
                    self._tell(ran)
            except Exception as error:
                # A ledger that fails, or a bug: neither may end the daemon, whose work is to fetch.
                self._trouble(error)
                self._stop.wait(_PAUSE_AFTER_TROUBLE)

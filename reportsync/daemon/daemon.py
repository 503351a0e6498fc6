"""A scheduler with one job, the pass, and a main thread that waits for signals and watches over it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger

from reportsync.announce import systemd
from reportsync.announce.log import Logger
from reportsync.announce.metrics import Metrics
from reportsync.collect import Collected
from reportsync.daemon.diary import log_checked, log_hook, log_notice, log_pass, log_report
from reportsync.daemon.vitals import LOOK_SECONDS, Vitals
from reportsync.daemon.wake import next_wake
from reportsync.errors import ExitCode, LedgerError, ReportsyncError
from reportsync.model import Outcome, instant_text
from reportsync.plan import Ask
from reportsync.service import hooks
from reportsync.service.announcing import Announcer
from reportsync.service.background import Events, Verifier
from reportsync.service.health import KIND
from reportsync.service.judge import Checked
from reportsync.service.mending import Mended
from reportsync.service.passes import Listener, Order, Summary, run_pass
from reportsync.service.seen import Watch, seen_in
from reportsync.service.world import World
from reportsync.settings import Config
from reportsync.store import Obstructed
from reportsync.web import StatusServer

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LAST_WORDS_SECONDS = 2.0
"""What notices under way are given to arrive when the daemon ends."""


@dataclass(frozen=True, slots=True)
class Again:
    """The daemon ended in order to begin anew, with another config or a reopened ledger."""

    config: Config
    why: str
    failing_since: datetime | None


class _Diarist(Listener):
    """Logs and counts what happens in a pass, and notes that something did."""

    def __init__(self, logger: Logger, metrics: Metrics, vitals: Vitals) -> None:
        self._logger = logger
        self._metrics = metrics
        self._vitals = vitals

    def begun(self, planned: int, rate: float) -> None:
        self._vitals.alive()

    def width(self, host: str, width: int) -> None:
        self._logger.debug("width", host=host, width=width)
        self._metrics.width(host, width)

    def ended(self, ended: Collected) -> None:
        self._vitals.alive()
        log_report(self._logger, ended)
        if ended.outcome is not Outcome.BUSY:
            self._metrics.attempt(ended.report.app, ended.outcome.value, ended.seconds)


def announcer_of(config: Config, logger: Logger) -> Announcer:
    """Return who tells of incidents; here the log is the daemon's."""
    return Announcer(config, lambda one: log_notice(logger, one), logger.warning)


class Daemon:
    """One life of the daemon with one config; `load` reads the config anew for the next.

    `failing_since`: since when each pass of the lives before has failed for disk or ledger, None if the last
    did not.
    """

    def __init__(
        self,
        world: World,
        load: Callable[[], Config],
        logger: Logger,
        metrics: Metrics,
        failing_since: datetime | None = None,
    ) -> None:
        self._world = world
        self._config = world.config
        self._load = load
        self._logger = logger
        self._metrics = metrics
        self._vitals = Vitals(world.config, world.clock, failing_since)
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            # One worker thread, so there are never two passes at once; a second alarm waits its turn.
            executors={"default": ThreadPoolExecutor(1)},
            # The default grace of one second silently drops a late run; here late is as good as in time.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 2},
        )
        self._opened_at = time.monotonic()
        self._reopen_at = float("inf")
        self._hooks = self._hook_runner()
        self._reopened = threading.Event()
        self._verifier = self._background_verifier()
        self._announcer = announcer_of(world.config, logger)
        self._page = self._status_page()

    def run(self) -> int | Again:
        """Serve until a signal ends it or it cannot go on; return the exit code or how to begin anew."""
        self._start()
        ended = self._watch()
        if not isinstance(ended, Again):
            systemd.notify("STOPPING=1", "STATUS=stopping")
        if not self._shut_down():
            # The scheduler's thread would be waited for at the interpreter's exit; every step of a pass
            # may be cut off without harm.
            self._logger.error("pass or hook did not end within the grace period; leaving them")
            os._exit(ExitCode.BUG if isinstance(ended, Again) else ended)
        if not isinstance(ended, Again):
            self._logger.info("stopped", exit=ended)
        return ended

    def _start(self) -> None:
        self._scheduler.start()
        self._logger.info(
            "started",
            apps=len(self._config.apps),
            archive=str(self._config.storage.archive),
        )
        self._alarm(self._world.clock())
        if self._hooks is not None:
            self._hooks.start()
        if self._verifier is not None:
            self._verifier.start()
        if self._page is not None:
            self._page.start()
        systemd.notify("READY=1", "STATUS=the first pass is under way")

    def _watch(self) -> int | Again:
        """Wait for signals; once a second look whether all is well."""
        while True:
            caught = signal.sigtimedwait(WATCHED, LOOK_SECONDS)
            # Interrupted by a stop or a suspend it may come back, its time being over, with signal 0.
            if caught is not None and caught.si_signo in WATCHED:
                ended = self._on_signal(signal.Signals(caught.si_signo))
                if ended is not None:
                    return ended
            if self._vitals.clock_jumped():
                # The scheduler sleeps on the old delay and has to look again.
                self._logger.warning("the clock has jumped; looking again")
                self._alarm(self._world.clock())
            self._fetch_reopened()
            wrong = self._vitals.what_is_wrong()
            if wrong is not None:
                self._logger.error("giving up, for the supervisor to start anew", reason=wrong)
                return ExitCode.BUG
            # Only here, after all was found well: a supervisor's watchdog sees what this one sees.
            systemd.notify("WATCHDOG=1")
            if time.monotonic() >= self._reopen_at:
                return self._again(self._config, "ledger reopened")

    def _fetch_reopened(self) -> None:
        """Have a pass begin at once for what the verification has reopened, once none is under way."""
        if self._reopened.is_set() and self._vitals.await_idle(0):
            self._reopened.clear()
            self._alarm(self._world.clock())

    def _on_signal(self, number: signal.Signals) -> int | Again | None:
        if number is not signal.SIGHUP:
            self._logger.info("stopping", signal=number.name)
            return 128 + number
        systemd.reloading()
        try:
            return self._again(self._load(), "config reloaded")
        except ReportsyncError as error:
            systemd.notify("READY=1")
            self._logger.error("config not reloaded, the old one stays", reason=error.message)
            return None

    def _again(self, config: Config, why: str) -> Again:
        """Say how to begin anew; for how long passes have failed outlives that."""
        return Again(config, why, self._vitals.failing_since)

    def _alarm(self, at: datetime) -> None:
        """Have the next pass begin at `at`."""
        self._vitals.next_at = at
        self._scheduler.add_job(self._pass, DateTrigger(at), id="pass", replace_existing=True)
        self._logger.debug("alarm", next_pass=instant_text(at))

    def _pass(self) -> None:
        """Run one pass and set the alarm for the next; what it raises would vanish in the scheduler."""
        if self._world.stop.requested:
            return
        self._vitals.begin()
        try:
            summary = self._told_pass()
        except Exception as error:
            try:
                self._announcer.failed(error)
                self._metrics.pass_ended(self._world.clock(), ok=False)
            finally:
                # Also when there is no memory left to tell it: the main thread has to see it.
                self._vitals.end(error)
            return
        self._metrics.pass_ended(self._world.clock(), ok=summary.trouble is None)
        # What lies in the way of one app holds up no other.
        self._vitals.end(well=summary.trouble is None or isinstance(summary.trouble, Obstructed))

    def _told_pass(self) -> Summary:
        watch = Watch(_Diarist(self._logger, self._metrics, self._vitals))
        self._announcer.begin()
        summary = run_pass(self._world, self._order(), watch)
        log_pass(self._logger, summary)
        systemd.notify(_state(summary, self._world.clock()))
        # An archive that the disk does not give is trouble with the disk for as long as that is so.
        unread = self._verifier.trouble if self._verifier is not None else None
        self._announcer.conclude(self._world.ledger, summary, watch.seen(summary.trouble or unread))
        if isinstance(summary.trouble, LedgerError):
            self._plan_reopening()
        interval = self._config.daemon.interval
        self._alarm(next_wake(summary.coverages, summary.planned, self._world.clock(), interval))
        return summary

    def _order(self) -> Order:
        return Order(
            KIND,
            self._config.apps,
            Ask(),
            self._config.http.workers,
            wait_for_busy=False,
            reserved=1,
            refill=True,
        )

    def _plan_reopening(self) -> None:
        """Begin anew with a fresh look at the ledger: the open one may be deleted, replaced or mended.

        At once if this was not tried within the last interval, so that a lasting fault makes no storm.
        """
        interval = self._config.daemon.interval.total_seconds()
        self._reopen_at = max(time.monotonic(), self._opened_at + interval)

    def _hook_runner(self) -> hooks.Runner | None:
        """Return the thread that runs the hook, None without one; from here on arrivals are kept for it."""
        if self._config.hooks.arrival is None:
            return None
        hooks.expect_arrivals(self._config, self._world.ledger)

        def trouble(error: Exception) -> None:
            self._logger.error("hooks", reason=f"{type(error).__name__}: {error}")

        world = self._world
        outbox = hooks.Outbox(self._config, world.ledger, world.stop, world.clock)
        return hooks.Runner(outbox, world.stop, lambda ran: log_hook(self._logger, ran), trouble)

    def _background_verifier(self) -> Verifier | None:
        """Return the thread that verifies and mends, None if the config does without."""
        if not self._config.verify.every:
            return None

        def checked(found: Checked) -> None:
            self._metrics.verified(found.archive.report.app, found.found.value)
            log_checked(self._logger, found)

        def amiss(found: Sequence[Checked]) -> None:
            self._announcer.found(self._world.ledger, seen_in(found))

        def trouble(error: Exception) -> None:
            self._logger.error("verify", reason=f"{type(error).__name__}: {error}")

        def mended(one: Mended) -> None:
            self._logger.warning("mended", action=one.action, what=one.what, why=one.why)

        return Verifier(self._world, Events(checked, amiss, mended, self._reopened.set, trouble))

    def _status_page(self) -> StatusServer | None:
        address = self._config.daemon.listen
        if address is None:
            return None
        world = self._world
        return StatusServer(
            address, self._config, self._metrics, self._vitals.liveness, world.clock
        )

    def _shut_down(self) -> bool:
        """End pass and hook under way: nothing new, then downloads are cut; say if they ended in time."""
        grace = self._config.daemon.grace.total_seconds()
        limit = time.monotonic() + grace
        self._world.stop.request(grace=grace / 2)
        if self._page is not None:
            self._page.stop()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        ended = self._vitals.await_idle(max(limit - time.monotonic(), 0.0))
        self._announcer.end(self._world.ledger, min(LAST_WORDS_SECONDS, limit - time.monotonic()))
        threads = [one for one in (self._hooks, self._verifier) if one is not None]
        return _all_end(threads, limit) and ended


def _all_end(threads: Sequence[hooks.Runner | Verifier], limit: float) -> bool:
    """Wait for each until `limit`, in monotonic seconds; say whether all have ended."""
    ended = [one.join(limit - time.monotonic()) for one in threads]
    return all(ended)


def _state(summary: Summary, now: datetime) -> str:
    """Return the line that the service manager shows."""
    if summary.missing is None:
        found = "ended by a storage fault"
    else:
        found = f"{summary.missing or 'no'} day{'s are' if summary.missing > 1 else ' is'} missing"
    return f"STATUS=last pass {instant_text(now)}: {found}"

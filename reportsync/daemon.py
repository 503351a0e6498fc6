"""The daemon: APScheduler wakes a pass; the ledger and the calendar decide what it does."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger

from reportsync.announce import systemd
from reportsync.calendar import next_due
from reportsync.collect import Collected
from reportsync.errors import LedgerError, ReportsyncError, StorageError
from reportsync.incidents import Notice, Phase
from reportsync.known import Coverage
from reportsync.model import HAVE, Outcome, instant_text
from reportsync.plan import Ask
from reportsync.service import hooks
from reportsync.service.announcing import Announcer
from reportsync.service.passes import Listener, Order, Summary, run_pass
from reportsync.service.seen import Watch
from reportsync.service.world import World, open_world
from reportsync.settings import Config, Http
from reportsync.stop import Stop
from reportsync.verdict import BUG

KIND = "run"
"""The kind of the daemon's passes in the ledger, by which `health` finds them."""

AT_MOST_EVERY = timedelta(seconds=1)
_LOOK_SECONDS = 1.0
_JUMP_SECONDS = 5.0
_OVERDUE_SECONDS = 60.0
_LAST_WORDS_SECONDS = 2.0
WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Logger = structlog.stdlib.BoundLogger


def next_wake(covered: Sequence[Coverage], now: datetime, interval: timedelta) -> datetime:
    """Return the instant of the next pass: a day becomes due, a next attempt is reached, the interval ends.

    Pure. At least a second after `now`.
    """
    instants = [now + interval]
    instants += [found[1] for one in covered if (found := next_due(one.app, now))]
    instants += [
        row.next_attempt
        for one in covered
        for row in one.missing
        if row.next_attempt is not None and row.next_attempt > now
    ]
    return max(min(instants), now + AT_MOST_EVERY)


def silence_allowed(http: Http) -> float:
    """Return for how many seconds a healthy pass may have nothing to tell.

    Pure. That is one report asked for as often as allowed, each time up to the deadline and with the
    longest pause, and some minutes for a slow disk.
    """
    return http.attempts * (http.deadline.total_seconds() + 120) + 300


@dataclass(frozen=True, slots=True)
class Reload:
    """The daemon ended in order to begin anew, with another config or a reopened ledger."""

    config: Config
    why: str


class _Told(Listener):
    """Logs what happens in a pass and notes that something did."""

    def __init__(self, logger: Logger, alive: Callable[[], None]) -> None:
        self._logger = logger
        self._alive = alive

    def begun(self, planned: int) -> None:
        self._alive()

    def ended(self, ended: Collected) -> None:
        self._alive()
        _log_report(self._logger, ended)


_LEVELS = {Outcome.WAITING: "info", Outcome.BUSY: "info", Outcome.REJECTED: "error"}


def _log_report(logger: Logger, ended: Collected) -> None:
    """Log how the work on one report ended."""
    fine = ended.outcome in HAVE and not ended.flags
    level = "info" if fine else _LEVELS.get(ended.outcome, "warning")
    fields: dict[str, Any] = {
        "app": ended.report.app,
        "day": ended.report.day.isoformat(),
        "outcome": ended.outcome.value,
        "bytes": ended.size,
        "status": ended.status,
        "reason": ended.reason,
        "next_attempt": instant_text(ended.next_attempt) if ended.next_attempt else None,
        "flags": list(ended.flags) or None,
    }
    told = {key: value for key, value in fields.items() if value is not None}
    getattr(logger, level)("report", **told)


def _log_hook(logger: Logger, ran: hooks.Ran) -> None:
    """Log how one run of the hook ended."""
    told = {"arrival": ran.arrival, "app": ran.report.app, "day": ran.report.day.isoformat()}
    if ran.error is not None and ran.next_attempt is not None:
        again = instant_text(ran.next_attempt)
        logger.warning("hook failed", **told, reason=ran.error, tries=ran.tries, next_attempt=again)
    elif ran.stopped:
        logger.info("hook stopped, to be run again", **told)
    else:
        logger.info("hook", **told, seconds=round(ran.seconds, 3))


def _hooks_of(world: World, logger: Logger) -> hooks.Runner | None:
    """Return the thread that runs the hook, None without one; from here on its arrivals are kept for it."""
    if world.config.hooks.arrival is None:
        return None
    hooks.expect_arrivals(world.config, world.ledger)

    def trouble(error: Exception) -> None:
        logger.error("hooks", reason=f"{type(error).__name__}: {error}")

    outbox = hooks.Outbox(world.config, world.ledger, world.stop, world.clock)
    return hooks.Runner(outbox, world.stop, lambda ran: _log_hook(logger, ran), trouble)


def _announcer(config: Config, logger: Logger) -> Announcer:
    """Return who tells of incidents; here the log is the daemon's."""

    def tell(one: Notice) -> None:
        level = "info" if one.phase is Phase.CLOSED else "warning"
        getattr(logger, level)("incident", phase=str(one.phase), title=one.title, text=one.body)

    return Announcer(config, tell, logger.warning)


def serve(config: Config, load: Callable[[], Config], logger: Logger) -> int:
    """Run the daemon until SIGINT or SIGTERM and return the exit code.

    `load` reads the config anew on SIGHUP; while it raises, the old one stays in force. The caller has
    blocked `WATCHED` in all threads. Raises `StorageError` if disk or ledger cannot be used at the start.
    """
    while True:
        stop = Stop()
        try:
            with open_world(config, stop) as world:
                ended = Daemon(world, load, logger).run()
        except StorageError as error:
            with _announcer(config, logger) as announcer:
                announcer.could_not_begin(error, _LAST_WORDS_SECONDS, restarted=True)
            raise
        if not isinstance(ended, Reload):
            return ended
        config = ended.config
        logger.info(ended.why, apps=len(config.apps))


class Daemon:
    """A scheduler with one job, the pass, and a main thread that waits for signals and watches over it."""

    def __init__(self, world: World, load: Callable[[], Config], logger: Logger) -> None:
        self._world = world
        self._load = load
        self._logger = logger
        self._settings = world.config.daemon
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            # One worker thread, so there are never two passes at once; a second alarm waits its turn.
            executors={"default": ThreadPoolExecutor(1)},
            # The default grace of one second silently drops a late run; here late is as good as in time.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 2},
        )
        self._idle = threading.Event()
        self._idle.set()
        self._alive_at = time.monotonic()
        self._next_at: datetime = world.clock()
        self._failed: BaseException | None = None
        self._opened_at = time.monotonic()
        self._reopen_at = float("inf")
        self._overdue_looks = 0
        self._hooks = _hooks_of(world, logger)
        self._announcer = _announcer(world.config, logger)

    def run(self) -> int | Reload:
        """Serve until a signal ends it or it cannot go on; return the exit code or the new config."""
        self._scheduler.start()
        self._logger.info(
            "started",
            apps=len(self._world.config.apps),
            archive=str(self._world.config.storage.archive),
        )
        self._alarm(self._world.clock())
        if self._hooks is not None:
            self._hooks.start()
        systemd.notify("READY=1", "STATUS=the first pass is under way")
        ended = self._watch()
        if not isinstance(ended, Reload):
            systemd.notify("STOPPING=1", "STATUS=stopping")
        if not self._shut_down():
            # The scheduler's thread would be waited for at the interpreter's exit; every step of a pass
            # may be cut off without harm.
            self._logger.error("pass or hook did not end within the grace period; leaving them")
            os._exit(BUG if isinstance(ended, Reload) else ended)
        if not isinstance(ended, Reload):
            self._logger.info("stopped", exit=ended)
        return ended

    def _watch(self) -> int | Reload:
        """Wait for signals; once a second look whether all is well."""
        offset = self._clock_offset()
        while True:
            caught = signal.sigtimedwait(WATCHED, _LOOK_SECONDS)
            if caught is not None:
                ended = self._on_signal(signal.Signals(caught.si_signo))
                if ended is not None:
                    return ended
            if abs(self._clock_offset() - offset) > _JUMP_SECONDS:
                # The scheduler sleeps on the old delay; after a jump or a suspend it has to look again.
                offset = self._clock_offset()
                self._logger.warning("the clock has jumped; looking again")
                self._alarm(self._world.clock())
            wrong = self._what_is_wrong()
            if wrong is not None:
                self._logger.error("giving up, for the supervisor to start anew", reason=wrong)
                return BUG
            # Only here, after all was found well: a supervisor's watchdog sees what this one sees.
            systemd.notify("WATCHDOG=1")
            if time.monotonic() >= self._reopen_at:
                return Reload(self._world.config, "ledger reopened")

    def _on_signal(self, number: signal.Signals) -> int | Reload | None:
        if number is not signal.SIGHUP:
            self._logger.info("stopping", signal=number.name)
            return 128 + number
        systemd.reloading()
        try:
            return Reload(self._load(), "config reloaded")
        except ReportsyncError as error:
            systemd.notify("READY=1")
            self._logger.error("config not reloaded, the old one stays", reason=error.message)
            return None

    def _what_is_wrong(self) -> str | None:
        """Say why this daemon cannot go on, None while all is well."""
        if self._failed is not None:
            return f"a pass failed: {type(self._failed).__name__}: {self._failed}"
        if not any(thread.name == "APScheduler" for thread in threading.enumerate()):
            return "the scheduler's thread is dead"
        silent = time.monotonic() - self._alive_at
        if not self._idle.is_set() and silent > silence_allowed(self._world.config.http):
            return f"a pass has been silent for {silent:.0f} s"
        if self._is_overdue():
            return f"no pass has begun although one was due at {instant_text(self._next_at)}"
        return None

    def _is_overdue(self) -> bool:
        """Say whether a pass has failed to begin for a minute of looking.

        Looks are counted and not time: a process that was stopped or suspended comes back late, and is
        given the time to begin.
        """
        late = self._idle.is_set() and self._world.clock() > self._next_at + AT_MOST_EVERY
        self._overdue_looks = self._overdue_looks + 1 if late else 0
        return self._overdue_looks * _LOOK_SECONDS > _OVERDUE_SECONDS

    def _clock_offset(self) -> float:
        return self._world.clock().timestamp() - time.monotonic()

    def _alarm(self, at: datetime) -> None:
        """Have the next pass begin at `at`."""
        self._next_at = at
        self._scheduler.add_job(self._pass, DateTrigger(at), id="pass", replace_existing=True)

    def _pass(self) -> None:
        """Run one pass and set the alarm for the next; what it raises would vanish in the scheduler."""
        if self._world.stop.requested:
            return
        self._alive()
        self._idle.clear()
        try:
            watch = Watch(_Told(self._logger, self._alive))
            self._announcer.begin()
            summary = run_pass(self._world, self._order(), watch)
            self._tell(summary)
            self._announcer.conclude(self._world.ledger, summary, watch.seen(summary.trouble))
            if isinstance(summary.trouble, LedgerError):
                self._plan_reopening()
            now = self._world.clock()
            self._alarm(next_wake(summary.coverages, now, self._settings.interval))
        except BaseException as error:
            self._failed = error
            if isinstance(error, Exception):
                self._announcer.failed(error)
        finally:
            self._idle.set()

    def _plan_reopening(self) -> None:
        """Begin anew with a fresh look at the ledger: the open one may be deleted, replaced or mended.

        At once if this was not tried within the last interval, so that a lasting fault makes no storm.
        """
        interval = self._settings.interval.total_seconds()
        self._reopen_at = max(time.monotonic(), self._opened_at + interval)

    def _order(self) -> Order:
        config = self._world.config
        return Order(
            KIND,
            config.apps,
            Ask(),
            config.http.workers,
            wait_for_busy=False,
            reserved=1,
            refill=True,
        )

    def _alive(self) -> None:
        self._alive_at = time.monotonic()

    def _tell(self, summary: Summary) -> None:
        if summary.missing is None:
            missing = "ended by a storage fault"
        else:
            missing = (
                f"{summary.missing or 'no'} day{'s are' if summary.missing > 1 else ' is'} missing"
            )
        systemd.notify(f"STATUS=last pass {instant_text(self._world.clock())}: {missing}")
        if summary.trouble is not None:
            self._logger.error(
                "storage", reason=summary.trouble.message, remedy=summary.trouble.hint
            )
        if summary.asked or summary.exit:
            self._logger.info(
                "pass",
                asked=summary.asked,
                stored=summary.stored,
                adopted=summary.adopted,
                missing=summary.missing,
                rejected=summary.rejected,
                seconds=round(summary.seconds, 3),
                exit=summary.exit,
            )

    def _shut_down(self) -> bool:
        """End pass and hook under way: nothing new, then downloads are cut; say if they ended in time."""
        grace = self._settings.grace.total_seconds()
        limit = time.monotonic() + grace
        self._world.stop.request(grace=grace / 2)
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        ended = self._idle.wait(grace)
        self._announcer.end(self._world.ledger, min(_LAST_WORDS_SECONDS, limit - time.monotonic()))
        return (self._hooks is None or self._hooks.join(limit - time.monotonic())) and ended

"""A pass: everything expected and not stored is worked on once, by several workers."""

from __future__ import annotations

import contextlib
import queue
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, auto

from reportsync.address import host_of
from reportsync.calendar import next_due
from reportsync.collect import Collected, Tools, Wish, collect
from reportsync.errors import Stopped, StorageError, TooLarge
from reportsync.known import Coverage
from reportsync.ledger import records, upkeep
from reportsync.model import Outcome, Report
from reportsync.plan import Ask, Planned, plan
from reportsync.service.gauged import Gauged
from reportsync.service.lanes import Lanes, NoPlace
from reportsync.service.sums import back_up, write_sums
from reportsync.service.world import World, coverages
from reportsync.settings import App
from reportsync.store import Obstructed, Unreadable
from reportsync.verdict import Findings, exit_code
from reportsync.width import first_width

MORE_HANDS = 16
"""How many more than download at once verify and record at a time, and wait for the disk."""

AHEAD = 8
"""How many gaps are claimed, at most, while others have the places at their hosts; none at a limited rate."""

BEAT_SECONDS = 15.0
_TICK_SECONDS = 1.0
_BUSY_POLL_SECONDS = 0.5


class _Word(Enum):
    """What a worker says beside how reports ended."""

    LEFT = auto()
    WIDTH_CHANGED = auto()


@dataclass(frozen=True, slots=True)
class Order:
    """What a pass is to do.

    `kind` names the door it came from; at most `workers` reports are worked on at once. `wait_for_busy`:
    stay until reports claimed by others are done. `reserved`: workers kept for days that become due
    meanwhile, which `refill` looks for.
    """

    kind: str
    apps: tuple[App, ...]
    ask: Ask
    workers: int
    wait_for_busy: bool = True
    reserved: int = 0
    refill: bool = False
    only: frozenset[Report] | None = None

    @property
    def covers_all(self) -> bool:
        """Whether every due day of the apps is looked at, and not only those that a person named."""
        return self.only is None and self.ask.since is None and self.ask.until is None


@dataclass(frozen=True, slots=True)
class Summary:
    """How a pass ended.

    `planned` is when it last looked for what is to be fetched (None: it never did). `missing` counts
    what is still missing of the days asked for; None if the ledger could not tell.
    `stored` includes the `versions`. `only`: the reports that the pass was for if not for all.
    """

    asked: int = 0
    stored: int = 0
    adopted: int = 0
    missing: int | None = None
    rejected: int = 0
    seconds: float = 0.0
    exit: int = 0
    coverages: tuple[Coverage, ...] = ()
    planned: datetime | None = None
    versions: int = 0
    unchanged: int = 0
    flagged: int = 0
    stopped: bool = False
    trouble: StorageError | None = None
    pass_id: str = ""
    only: frozenset[Report] | None = None


@dataclass(slots=True)
class _Tally:
    """What came of the pass so far."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    flagged: int = 0
    too_large: bool = False
    key_refused: bool = False
    bug: BaseException | None = None
    trouble: StorageError | None = None
    busy: list[Report] = field(default_factory=list)

    def add(self, ended: Collected) -> None:
        self.outcomes[ended.outcome] += 1
        self.flagged += bool(ended.flags)
        self.too_large = self.too_large or isinstance(ended.error, TooLarge)
        self.key_refused = self.key_refused or ended.key_refused

    def note(self, trouble: StorageError) -> None:
        """Keep the first trouble; what lies in the way of one app gives way to what all others meet."""
        gives_way = isinstance(self.trouble, Obstructed) and not isinstance(trouble, Obstructed)
        if self.trouble is None or gives_way:
            self.trouble = trouble


class Listener:
    """Is told what happens in a pass, from the pass's own thread; every method may be overridden."""

    def begun(self, planned: int, rate: float) -> None:
        """Say that `planned` reports will be worked on; called again when days become due meanwhile.

        `rate`: the hosts together may be asked so often per second; 0 is no limit.
        """

    def ended(self, ended: Collected) -> None:
        """Say how the work on one report ended."""

    def width(self, host: str, width: int) -> None:
        """Say that `host` is asked for `width` reports at once from now on."""

    def waiting_for_others(self, count: int) -> None:
        """Say that `count` reports are claimed by other processes, and that their end is awaited."""


def run_pass(world: World, order: Order, listener: Listener | None = None) -> Summary:
    """Work on every report that `order` asks for and return how it went.

    Raises nothing for what a vendor, network or disk can do: a storage fault ends the pass early and is
    in the summary. An unexpected error of our own is raised after everything else was done.
    """
    return _Pass(world, order, listener or Listener()).run()


class _Pass:
    def __init__(self, world: World, order: Order, listener: Listener) -> None:
        self._world = world
        self._order = order
        self._listener = listener
        self._id = secrets.token_hex(8)
        self._tally = _Tally()
        self._hosts = {app.name: host_of(app.base_url) for app in order.apps}
        limited = world.config.http.rate > 0
        first = first_width(order.workers, limited=limited)
        ahead = 0 if limited else AHEAD  # it is the rate that is waited for, and in order
        hands = order.workers + sum(min(order.workers - 1, more) for more in (MORE_HANDS, ahead))
        self._lanes = Lanes(order.workers, order.reserved, self._hosts, first, hands, ahead)
        self._widths: dict[str, int] = {}
        self._threads: list[threading.Thread] = []
        self._ended: queue.SimpleQueue[Collected | BaseException | _Word] = queue.SimpleQueue()
        self._apps = {app.name: app for app in order.apps}
        self._started = world.clock()
        self._planned = 0
        self._wanted: set[Report] = set()
        self._beaten = time.monotonic()
        self._looked: float | None = None  # None: look at once
        self._planned_at = self._started
        self._refill_at: datetime | None = None
        self._source = Gauged(world.source, self._lanes, time.monotonic, self._width_changed)
        self._tools = Tools(
            ledger=world.ledger,
            store=world.store,
            source=self._source,
            http=world.config.http,
            clock=world.clock,
            stop=world.stop,
            roll=world.roll,
            pass_id=self._id,
        )

    def run(self) -> Summary:
        began = time.monotonic()
        try:
            self._world.refuse_unmounted()  # also when nothing is due
            self._world.refuse_other_ledger()
            self._world.store.sweep()
            self._world.ledger.write(upkeep.begin_pass, self._id, self._order.kind, self._started)
            self._queue_due(self._started)
            self._work()
            if self._order.wait_for_busy:
                self._wait_for_busy()
        except StorageError as error:
            self._tally.trouble = error
        except Stopped:
            self._lanes.close()
        summary = self._wind_up(began)
        if self._tally.bug is not None:
            raise self._tally.bug
        return summary

    def _queue_due(self, now: datetime) -> None:
        """Give due days their rows, and queue what is to be fetched."""
        self._planned_at = now
        self._world.ledger.write(records.cover_due, self._order.apps, now)
        covered = coverages(self._world.ledger, self._order.apps, now)
        fetch = [row for row in plan(covered, self._order.ask, now) if row.action == "fetch"]
        if self._order.only is not None:
            fetch = [row for row in fetch if row.report in self._order.only]
        self._wanted.update(row.report for row in fetch)
        added = self._lanes.add((row.report for row in fetch), newest=self._newest(covered, fetch))
        self._planned += added
        if added:
            rate = self._world.config.http.rate * len(set(self._hosts.values()))
            self._listener.begun(self._planned, rate)
        upcoming = [found[1] for app in self._order.apps if (found := next_due(app, now))]
        self._refill_at = min(upcoming, default=None) if self._order.refill else None

    def _newest(self, covered: Sequence[Coverage], fetch: Sequence[Planned]) -> list[Report]:
        if self._order.ask.order == "oldest":
            return []
        newest = {Report(one.app.name, one.due_through) for one in covered if one.due_through}
        return [row.report for row in fetch if row.report in newest]

    def _work(self) -> None:
        if not self._planned:
            return
        self._world.store.require_space(None)
        self._tell_widths()
        try:
            self._hire()
            self._listen()
        finally:
            self._lanes.close()
            for thread in self._threads:
                thread.join()

    def _hire(self) -> None:
        """Start the workers that are wanted by now, as many as the machine gives; raise if it gives none."""
        for number in range(len(self._threads), self._lanes.hands()):
            thread = threading.Thread(target=self._worker, name=f"collect-{number}", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                if not self._threads:
                    raise
                return
            self._threads.append(thread)

    def _worker(self) -> None:
        try:
            self._work_on()
        except Exception as error:
            # Not even a turn could be taken or given back, for want of memory: nobody may wait for it.
            self._lanes.close()
            self._ended.put(error)
        finally:
            self._ended.put(_Word.LEFT)

    def _work_on(self) -> None:
        while not self._world.stop.requested and (turn := self._lanes.take()) is not None:
            ended = None
            try:
                self._source.begin(turn.report)
                ended = self._collect(turn.report, self._tools)
                self._ended.put(ended)
            except NoPlace:
                pass  # it was not asked for, and is as missing as before
            except Exception as error:
                self._bar(turn.report.app, error)
                self._ended.put(error)
            finally:
                self._lanes.done(turn, ended)

    def _bar(self, app: str, error: Exception) -> None:
        """Have nothing new begin that would meet the same; what `error` means the pass's thread decides."""
        if isinstance(error, StorageError) and not isinstance(error, Obstructed):
            self._lanes.close()
        elif isinstance(error, Obstructed) and not isinstance(error, Unreadable):
            self._lanes.bar(app)

    def _collect(self, report: Report, tools: Tools) -> Collected:
        app = self._apps[report.app]
        wish = Wish(since=self._started, again=self._order.ask.again)
        return collect(app, report.day, wish, tools, lambda: self._lanes.accepted(app.name))

    def _listen(self) -> None:
        """Take in what the workers report, until all have left."""
        left = 0
        while left < len(self._threads):
            item: object = None
            with contextlib.suppress(queue.Empty):
                item = self._ended.get(timeout=_TICK_SECONDS)
            if isinstance(item, Collected):
                self._take_in(item)
            elif isinstance(item, BaseException):
                self._failed(item)
            else:
                left += item is _Word.LEFT
                self._looked = None
            self._look()
            self._beat()
            self._refill()

    def _look(self) -> None:
        """Look after the widths and the workers: at once if it is said to be worth it, else now and then."""
        now = time.monotonic()
        if self._looked is None or now - self._looked >= _TICK_SECONDS:
            self._looked = now
            if self._world.stop.requested:
                self._lanes.close()  # who waits for a place gives its claim back
            self._lanes.look(now)
            self._hire()
            self._tell_widths()

    def _width_changed(self) -> None:
        self._ended.put(_Word.WIDTH_CHANGED)

    def _tell_widths(self) -> None:
        widths = self._lanes.widths()
        for host, width in widths.items():
            if width != self._widths.get(host):
                self._listener.width(host, width)
        self._widths = widths

    def _beat(self) -> None:
        """Show others now and then that the pass goes on."""
        if time.monotonic() - self._beaten > BEAT_SECONDS:
            self._beaten = time.monotonic()
            self._world.ledger.write(upkeep.beat, self._id, self._world.clock())

    def _take_in(self, ended: Collected) -> None:
        if ended.outcome is Outcome.BUSY and not ended.settled and self._order.wait_for_busy:
            self._tally.busy.append(ended.report)
            return
        self._tally.add(ended)
        self._listener.ended(ended)

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, StorageError):
            self._tally.note(error)  # what would meet the same the worker has barred
        elif isinstance(error, Stopped):
            self._lanes.close()
        else:
            self._tally.bug = self._tally.bug or error

    def _refill(self) -> None:
        now = self._world.clock()
        falls_due = self._refill_at is not None and now >= self._refill_at
        if falls_due and not self._world.stop.requested:
            self._queue_due(now)
            self._hire()

    def _wait_for_busy(self) -> None:
        """Look at reports that others have claimed until each is stored, settled or ours."""
        busy = self._tally.busy
        if busy and not self._world.stop.requested:
            self._listener.waiting_for_others(len(busy))
        # One after the other: no width is learnt from that, nor does anybody wait for a place.
        alone = replace(self._tools, source=self._world.source)
        pause = 0.0
        while busy and not self._world.stop.wait(pause) and self._tally.trouble is None:
            left = []
            for report in busy:
                ended = self._collect(report, alone)
                if ended.outcome is Outcome.BUSY and not ended.settled:
                    left.append(report)
                    continue
                self._tally.add(ended)
                self._listener.ended(ended)
            busy[:] = left
            pause = _BUSY_POLL_SECONDS

    def _wind_up(self, began: float) -> Summary:
        """Bring derived files up to date and say how it ended; the ledger may be what has failed."""
        for bring_up_to_date in (write_sums, back_up):
            with self._noting_trouble():
                bring_up_to_date(self._world)
        covered: list[Coverage] | None = None
        with self._noting_trouble():
            covered = coverages(self._world.ledger, self._order.apps, self._world.clock())
        summary = self._summary(covered, time.monotonic() - began)
        try:
            self._world.ledger.write(
                upkeep.end_pass,
                self._id,
                self._world.clock(),
                asked=summary.asked,
                stored=summary.stored + summary.adopted,
                missing=summary.missing or 0,
                exit=summary.exit,
            )
        except StorageError as error:
            self._tally.note(error)
            summary = self._summary(covered, time.monotonic() - began)
        return summary

    @contextlib.contextmanager
    def _noting_trouble(self) -> Iterator[None]:
        try:
            yield
        except StorageError as error:
            self._tally.note(error)
        except Stopped:
            pass  # what is left is found to be behind by the next pass

    def _missing(self, covered: Sequence[Coverage]) -> int:
        wants, now = self._order.ask.wants, self._world.clock()
        return sum(wants(one.app, row.day, now) for one in covered for row in one.missing)

    def _summary(self, covered: Sequence[Coverage] | None, seconds: float) -> Summary:
        outcomes = self._tally.outcomes
        missing = None if covered is None else self._missing(covered)
        found = Findings(
            missing=bool(missing),
            rejected=self._tally.key_refused,
            storage=self._tally.trouble is not None or self._tally.too_large,
            bug=self._tally.bug is not None,
        )
        return Summary(
            asked=sum(outcomes.values()) - outcomes[Outcome.BUSY],
            stored=outcomes[Outcome.STORED] + outcomes[Outcome.VERSION],
            adopted=outcomes[Outcome.ADOPTED],
            missing=missing,
            rejected=outcomes[Outcome.REJECTED],
            seconds=seconds,
            exit=self._world.stop.code or exit_code(found),
            coverages=tuple(covered or ()),
            planned=self._planned_at,
            versions=outcomes[Outcome.VERSION],
            unchanged=outcomes[Outcome.UNCHANGED],
            flagged=self._tally.flagged,
            stopped=self._world.stop.requested,
            trouble=self._tally.trouble,
            pass_id=self._id,
            only=None if self._order.covers_all else frozenset(self._wanted),
        )

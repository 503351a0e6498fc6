"""What processes do: the daemon, and the commands that people and cron run, with the real service."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from reportsync.calendar import DayWord
from reportsync.collect import Collected
from reportsync.daemon.wake import next_wake
from reportsync.errors import LedgerError, Stopped, StorageError
from reportsync.ledger import waivers
from reportsync.model import HAVE, Waiver
from reportsync.plan import Ask
from reportsync.service.background import Events, Verifier
from reportsync.service.judge import Found
from reportsync.service.mending import Mended
from reportsync.service.passes import Listener, Order, Summary, run_pass
from reportsync.service.rebuild import Wanted, make_whole
from reportsync.service.repair import mend
from reportsync.service.sums import back_up_now
from reportsync.service.verify import verify
from reportsync.service.world import World
from reportsync.store import Store

from .process import Process
from .watch import Violation, Waived

Work = Callable[[Process], None]


class _Ear(Listener):
    """Hears how each report ended, and notes it in the trace."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def ended(self, ended: Collected) -> None:
        self._process.world.trace(
            self._process.name, ended.report, ended.outcome, ended.version, ended.reason
        )
        if ended.outcome in HAVE and not ended.stored:
            raise Violation(f"I11: {ended.report} ended {ended.outcome} and is not stored")


def passing(process: Process, world: World, order: Order) -> Summary:
    """Run one pass."""
    sim = process.world
    sim.machine.busy.add(process)
    sim.fate_of_pass(process)
    try:
        summary = run_pass(world, order, _Ear(process))
    finally:
        sim.machine.busy.discard(process)
    sim.watch.counts["passes"] += 1
    sim.trace(process.name, "asked", summary.asked, summary.stored, summary.exit)
    if summary.exit == 0 and (summary.missing or summary.trouble is not None):
        raise Violation(f"I11: exit 0 though {summary.missing} are missing, {summary.trouble}")
    process.step()
    return summary


def daemon(process: Process) -> None:
    """Serve until told to stop; a storage fault is met by the supervisor, with a new start."""
    while not process.stop.requested:
        try:
            _serve(process)
        except StorageError as error:
            process.world.trace(process.name, "cannot use the storage", type(error).__name__)
            process.idle(300.0)
        except Stopped:
            return


def _serve(process: Process) -> None:
    config = process.world.config
    with process.opened(config) as world:
        verifier = Verifier(world, _heard_of_verifying(process))
        while not process.stop.requested:
            order = Order(
                "run", config.apps, Ask(), config.http.workers,
                wait_for_busy=False, reserved=1, refill=True,
            )  # fmt: skip
            summary = passing(process, world, order)
            now = process.machine.clock()
            if isinstance(summary.trouble, LedgerError):
                process.idle(60.0)
                return
            wake = next_wake(summary.coverages, summary.planned, now, config.daemon.interval)
            verifier.look()
            process.idle((wake - now).total_seconds())
            if process.hung_up:
                process.hung_up = False
                return


def _heard_of_verifying(process: Process) -> Events:
    def mended(one: Mended) -> None:
        process.world.trace(process.name, "mended", one.action)

    def reopened() -> None:
        process.hang_up()

    def trouble(error: Exception) -> None:
        raise error

    return Events(lambda one: None, lambda found: None, mended, reopened, trouble)


def command(act: Callable[[Process, World], Any]) -> Work:
    """Return the work of a process that opens the world, acts once and exits."""

    def work(process: Process) -> None:
        try:
            with process.opened(process.world.config) as world:
                act(process, world)
        except StorageError as error:
            process.world.trace(process.name, "failed", type(error).__name__)
        except Stopped:
            process.world.trace(process.name, "stopped")

    return work


def sync(process: Process, world: World) -> None:
    """Do what `reportsync sync` does."""
    config = process.world.config
    passing(process, world, Order("sync", config.apps, Ask(), config.http.workers))


def backfill(apps: tuple[str, ...], since: date, force: bool) -> Work:
    """Return what `reportsync backfill` does for `apps` from the day `since` on."""

    def act(process: Process, world: World) -> None:
        ask = Ask(DayWord(since), patient=False, again=force)
        chosen = tuple(app for app in world.config.apps if app.name in apps)
        passing(process, world, Order("backfill", chosen, ask, world.config.http.workers))

    return command(act)


def repair(process: Process) -> None:
    """Do what `reportsync repair` does."""
    sim = process.world

    def act(process: Process, world: World) -> None:
        apps = world.config.apps
        found = mend(world, apps, lambda one: sim.trace("repair", one.action))
        order = Order("repair", apps, Ask(patient=False), 2, only=frozenset(found.reopened))
        passing(process, world, order)

    process.step()
    damaged = sim.ledger_is_damaged
    try:
        store = Store(sim.archive, 0)
        make_whole(sim.config, store, sim.machine.clock, Wanted(), lambda one: None)
    except StorageError as error:
        sim.trace("repair failed", type(error).__name__)
        return
    if damaged:
        sim.rebuilt_ledger()
    command(act)(process)


def look_over(count: int) -> Work:
    """Return what `reportsync verify --oldest COUNT` does."""

    def act(process: Process, world: World) -> None:
        found: list[Found] = []
        verify(world, None, None, count, lambda one: found.append(one.found))
        process.world.trace("verify", len(found), sum(one != "ok" for one in found))

    return command(act)


def waive(waiver: Waiver) -> Work:
    """Return what `reportsync waive` does."""

    def act(process: Process, world: World) -> None:
        process.world.real(world).write(waivers.add, waiver)
        known = Waived(waiver.app, waiver.first, waiver.last, waiver.until)
        process.world.watch.waive(known)
        process.step()
        back_up_now(process.world.config, process.machine.clock().date())

    return command(act)


def unwaive(app: str, first: date, last: date) -> Work:
    """Return what `reportsync unwaive` does."""

    def act(process: Process, world: World) -> None:
        now = process.machine.clock()
        process.world.real(world).write(waivers.take_back, app, first, last, now)
        process.world.watch.unwaive(app, first, last)
        process.step()
        back_up_now(process.world.config, process.machine.clock().date())

    return command(act)

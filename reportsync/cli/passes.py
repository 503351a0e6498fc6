"""Run a pass for a command: progress while it goes on, a last word however it ends, the exit code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reportsync.cli.context import Context
from reportsync.cli.failure import show, telling_restored
from reportsync.cli.listeners import listener_for
from reportsync.cli.output import say
from reportsync.errors import Stopped, StorageError
from reportsync.incidents import Notice, Phase
from reportsync.model import instant_text, system_clock
from reportsync.redact import mask
from reportsync.service.announcing import WAIT_SECONDS, Announcer
from reportsync.service.hooks import Ran, expect_arrivals, run_pending
from reportsync.service.passes import Listener, Summary
from reportsync.service.seen import Watch
from reportsync.service.world import World, open_ledger, open_world
from reportsync.settings import Config
from reportsync.stop import Stop


def tell_pass(
    context: Context,
    config: Config,
    stop: Stop,
    as_json: bool,
    run: Callable[[World, Listener], Summary],
    *,
    pings: bool = False,
    adopted: Callable[[], int] = lambda: 0,
) -> int:
    """Open the world, `run` a pass in it and return the exit code that its summary tells; then run hooks.

    With `pings` a dead man's switch is told of it: that is for passes that come again by themselves.
    `adopted` says at the end how many archives `run` adopted outside of the pass, however it ended.

    There is a summary also when ledger or archive cannot be opened, so that a reader of `--json` need
    not look at the exit code.
    """
    with (
        listener_for(context, as_json) as listener,
        announcer_for(context, config, pings=pings) as announcer,
    ):
        watch = Watch(listener)
        announcer.begin()
        try:
            with (
                telling_restored(context) as restored,
                open_world(config, stop, restored=restored) as world,
            ):
                expect_arrivals(config, world.ledger)
                summary = run(world, watch)
                seen = watch.seen(summary.trouble, summary.only)
                announcer.conclude(world.ledger, summary, seen, WAIT_SECONDS)
        except StorageError as error:
            summary = Summary(exit=error.exit_code, trouble=error)
            announcer.could_not_begin(error, WAIT_SECONDS)
        except Stopped:
            summary = Summary(exit=stop.code, stopped=True)
        listener.summary(replace(summary, adopted=summary.adopted + adopted()))
    if summary.trouble is not None:
        show(summary.trouble)
    elif not summary.stopped and config.hooks.arrival is not None:
        _run_hooks(context, config, stop)
    return summary.exit


def announcer_for(context: Context, config: Config, *, pings: bool = False) -> Announcer:
    """Return who tells of incidents for a command: its log is stderr."""

    def tell(one: Notice) -> None:
        if context.verbosity >= 0 or one.phase is Phase.OPENED:
            say(f"incident: {one.title}")
        for line in one.body.splitlines():
            context.note(f"  {line}")

    return Announcer(config, tell, lambda warning: say(f"reportsync: {mask(warning)}"), pings=pings)


def _run_hooks(context: Context, config: Config, stop: Stop) -> None:
    """Run the hook for what arrived; the exit code is about the reports, whatever the hook does."""

    def tell(ran: Ran) -> None:
        where = f"arrival {ran.arrival} ({ran.report})"
        if ran.error is not None and ran.next_attempt is not None:
            again = instant_text(ran.next_attempt)
            say(f"reportsync: the hook failed for {where}: {mask(ran.error)}; again from {again}")
        elif context.verbosity > 0:
            say(f"hook {'stopped' if ran.stopped else 'done'} for {where} in {ran.seconds:.1f} s")

    try:
        with open_ledger(config) as ledger:
            run_pending(config, ledger, stop, system_clock, tell)
    except StorageError as error:
        show(error)

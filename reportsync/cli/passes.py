"""Run a pass for a command: progress while it goes on, a last word however it ends, the exit code."""

from __future__ import annotations

from collections.abc import Callable

from reportsync.cli.context import Context
from reportsync.cli.failure import show
from reportsync.cli.listeners import Shown, listener_for
from reportsync.errors import Stopped, StorageError
from reportsync.service.passes import Summary
from reportsync.service.world import World, open_world
from reportsync.settings import Config
from reportsync.stop import Stop


def tell_pass(
    context: Context,
    config: Config,
    stop: Stop,
    as_json: bool,
    run: Callable[[World, Shown], Summary],
) -> int:
    """Open the world, `run` a pass in it and return the exit code that its summary tells.

    There is a summary also when ledger or archive cannot be opened, so that a reader of `--json` need
    not look at the exit code.
    """
    with listener_for(context, as_json) as listener:
        try:
            with open_world(config, stop) as world:
                summary = run(world, listener)
        except StorageError as error:
            summary = Summary(exit=error.exit_code, trouble=error)
        except Stopped:
            summary = Summary(exit=stop.code, stopped=True)
        listener.summary(summary)
    if summary.trouble is not None:
        show(summary.trouble)
    return summary.exit

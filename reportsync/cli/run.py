"""`run` and `health`: the daemon, and whether it makes progress."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import click

from reportsync.address import parse_listen
from reportsync.cli.context import Context
from reportsync.cli.options import JSON
from reportsync.cli.output import put, put_json, say
from reportsync.errors import ExitCode, UsageProblem
from reportsync.model import system_clock

if TYPE_CHECKING:
    from reportsync.settings import Config

_LEVELS = {-1: "warning", 1: "info", 2: "debug"}


@click.command()
@click.option("--listen", metavar="ADDR", help="Address of the status page, HOST:PORT or off.")
@click.pass_obj
def run(context: Context, listen: str | None) -> int:
    """Run the daemon: a pass at start, at each due instant and every interval, until SIGTERM.

    SIGHUP reads the config anew. Logs go to stderr.
    """
    from reportsync.announce.log import configure
    from reportsync.daemon import WATCHED, serve

    # Before any thread exists, so that all of them leave these signals to the main thread.
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    address = _address(listen)

    def load() -> Config:
        config = context.load().config
        level = _LEVELS.get(min(context.verbosity, 2), config.log.level)
        found = config.model_copy(update={"log": config.log.model_copy(update={"level": level})})
        if listen is None:
            return found
        daemon = config.daemon.model_copy(update={"listen": address})
        return found.model_copy(update={"daemon": daemon})

    config = load()
    return serve(config, load, configure(config.log))


def _address(listen: str | None) -> object:
    """Read --listen; raise `UsageProblem` saying how it is written."""
    try:
        return parse_listen(listen)
    except ValueError as error:
        raise UsageProblem(f"--listen {error}", hint="as in --listen 127.0.0.1:8321") from None


@click.command()
@JSON
@click.pass_obj
def health(context: Context, as_json: bool) -> int:
    """Exit 0 while the daemon makes progress, 3 when it does not."""
    from reportsync.service.health import health as judge
    from reportsync.service.world import look

    config = context.load().config
    with look(config) as ledger:
        found = judge(ledger, config.daemon, system_clock())
    if as_json:
        put_json({"version": 1, "healthy": found.healthy, "reason": found.text})
    elif found.healthy:
        put(f"healthy: {found.text}")
    else:
        say(f"not healthy: {found.text}")
    return ExitCode.OK if found.healthy else ExitCode.MISSING

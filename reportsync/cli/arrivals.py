"""`arrivals`: the numbered feed of what was stored, and its replay to the hook."""

from __future__ import annotations

from contextlib import closing

import click

from reportsync.cli.context import Context
from reportsync.cli.options import APP, JSON, LARGEST
from reportsync.cli.output import plural, put, put_json, reader_left
from reportsync.cli.signals import supervised
from reportsync.errors import UsageProblem
from reportsync.model import system_clock
from reportsync.stop import Stop

_LOOK_SECONDS = 1.0
NUMBER = click.IntRange(1, LARGEST)


@click.group(invoke_without_command=True)
@click.option(
    "--since",
    type=click.IntRange(0, LARGEST),
    default=0,
    metavar="N",
    help="Only numbers over N: the last one that you have dealt with.",
)
@APP
@click.option("--follow", "-f", is_flag=True, help="Go on with what arrives, until SIGINT.")
@JSON
@click.pass_context
def arrivals(
    ctx: click.Context, since: int, names: tuple[str, ...], follow: bool, as_json: bool
) -> int:
    """List what arrived, in the order of arrival: one line each, with --json one object each.

    Every archive that is recorded gets the next number, once and for all; a new version of a report is an
    arrival of its own. Whoever keeps the last number and asks for what came --since then misses nothing.
    Writes nothing; works before the first pass and while a daemon runs.
    """
    if ctx.invoked_subcommand is not None:
        if since or names or follow or as_json:
            raise UsageProblem(
                "an option before 'replay' has no meaning",
                hint="as in: reportsync arrivals replay FROM TO --json",
            )
        return 0
    from reportsync.cli.feed import Feed
    from reportsync.ledger.reader import Reader
    from reportsync.service.world import chosen

    context: Context = ctx.obj
    config = context.load().config
    wanted = frozenset(app.name for app in chosen(config, names)) if names else None
    feed = Feed(context, config, since, wanted, as_json)

    def work(stop: Stop) -> int:
        with closing(Reader(config.storage.ledger)) as reader:
            feed.put_new(reader, stop)
            feed.warn_beyond(reader)
            while follow and not reader_left() and not stop.wait(_LOOK_SECONDS):
                feed.put_new(reader, stop)
        return stop.code

    return supervised(work, words_matter=True)


@arrivals.command()
@click.argument("first", type=NUMBER, metavar="FROM")
@click.argument("last", type=NUMBER, metavar="[TO]", required=False)
@JSON
@click.pass_obj
def replay(context: Context, first: int, last: int | None, as_json: bool) -> int:
    """Have the hook run again for arrivals FROM to TO.

    They keep their numbers. The daemon runs it within seconds, else the next 'sync' or 'backfill' does.
    Of each app these runs come before those for later arrivals.
    """
    from reportsync.ledger import deliveries, queries
    from reportsync.service.world import look, open_ledger

    config = context.load().config
    end = first if last is None else last
    if end < first:
        raise UsageProblem(f"the range runs backwards: {first} is after {end}", hint="swap the two")
    if config.hooks.arrival is None:
        raise UsageProblem(
            "there is no hook to run again", hint="set hooks.arrival, or read 'reportsync arrivals'"
        )
    with look(config) as ledger:
        rows = ledger.read(queries.arrivals_after, first - 1, 1)
    if not rows or rows[0].number > end:
        raise UsageProblem(
            f"no arrival has a number from {first} to {end}", hint="see 'reportsync arrivals'"
        )
    with open_ledger(config) as ledger:
        count = ledger.write(deliveries.replay, first, end, system_clock())
    if as_json:
        put_json({"version": 1, "from": first, "to": end, "arrivals": count})
    else:
        put(f"the hook will be run again for {plural(count, 'arrival')}")
    return 0

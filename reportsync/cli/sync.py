"""`sync` and `backfill`: one pass over what is due, or over a range that a person asks for now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from reportsync.calendar import DayWord
from reportsync.cli.context import Context
from reportsync.cli.days import DAY, check_range
from reportsync.cli.options import APP, JSON
from reportsync.cli.signals import supervised
from reportsync.model import system_clock

if TYPE_CHECKING:
    from reportsync.service.passes import Listener, Order, Summary
    from reportsync.service.world import World
    from reportsync.settings import Config


@click.command()
@APP
@JSON
@click.pass_obj
def sync(context: Context, names: tuple[str, ...], as_json: bool) -> int:
    """Fetch everything that is due and missing, once, then exit.

    For cron and Kubernetes. Reports whose next attempt is later are left for then. Exits 0 when every due
    report is stored or waived, 3 while any is missing, 77 when a key was refused, 5 when disk or ledger
    fail.
    """
    from reportsync.plan import Ask
    from reportsync.service.passes import Order
    from reportsync.service.world import chosen

    config = context.load().config
    order = Order("sync", chosen(config, names), Ask(), config.http.workers)
    return _pass(context, config, order, as_json)


@click.command()
@click.option("--since", type=DAY, required=True, metavar="D", help="First day.")
@click.option("--until", type=DAY, metavar="D", help="Last day; else the last one that is due.")
@APP
@click.option(
    "--order",
    type=click.Choice(["newest", "oldest"]),
    default="newest",
    show_default=True,
    help="Which end to begin with.",
)
@click.option("--workers", type=click.IntRange(1, 256), metavar="N", help="Downloads at once.")
@click.option(
    "--force", is_flag=True, help="Ask for stored days too; other content becomes a version."
)
@click.option("-n", "--dry-run", is_flag=True, help="Only print what would be fetched.")
@JSON
@click.pass_obj
def backfill(
    context: Context,
    since: DayWord,
    until: DayWord | None,
    names: tuple[str, ...],
    order: Literal["newest", "oldest"],
    workers: int | None,
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Fetch what is missing from day D on, now, whatever the time of its next attempt.

    Safe beside the daemon and beside other backfills: each report is fetched once. Nothing stored is ever
    overwritten. Days: YYYY-MM-DD, YYYYMMDD, yesterday, -7d.
    """
    from reportsync.plan import Ask
    from reportsync.service.passes import Order
    from reportsync.service.world import chosen

    check_range(since, until, system_clock())
    config = context.load().config
    ask = Ask(since, until, order, patient=False, again=force)
    apps = chosen(config, names)
    if dry_run:
        from reportsync.cli.plan import print_plan

        print_plan(config, apps, ask, as_json, waiting=False)
        return 0
    return _pass(
        context, config, Order("backfill", apps, ask, workers or config.http.workers), as_json
    )


def _pass(context: Context, config: Config, order: Order, as_json: bool) -> int:
    from reportsync.cli.passes import tell_pass
    from reportsync.service.passes import run_pass

    if order.workers != config.http.workers:
        config = config.model_copy(
            update={"http": config.http.model_copy(update={"workers": order.workers})}
        )

    def run(world: World, listener: Listener) -> Summary:
        return run_pass(world, order, listener)

    # A backfill is a person's: its success must not pass for that of what should run by itself.
    pings = order.kind == "sync"
    return supervised(lambda stop: tell_pass(context, config, stop, as_json, run, pings=pings))

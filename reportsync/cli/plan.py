"""`plan`: what would be fetched now and why, and what waits until when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from reportsync.calendar import DayWord
from reportsync.cli.context import Context
from reportsync.cli.days import DAY, MOMENT, check_order
from reportsync.cli.options import APP, JSON
from reportsync.cli.output import put, put_json, put_wrapped
from reportsync.model import instant_text, system_clock

if TYPE_CHECKING:
    from reportsync.plan import Ask, Planned
    from reportsync.settings import App, Config


@click.command()
@APP
@click.option("--since", type=DAY, metavar="D", help="First day.")
@click.option("--until", type=DAY, metavar="D", help="Last day.")
@click.option(
    "--at",
    type=MOMENT,
    metavar="INSTANT",
    help="As if it were this instant; UTC unless it says so.",
)
@JSON
@click.pass_obj
def plan(
    context: Context,
    names: tuple[str, ...],
    since: DayWord | None,
    until: DayWord | None,
    at: datetime | None,
    as_json: bool,
) -> int:
    """Show what the next pass would fetch and why, and what waits until when.

    The very planner of the daemon, asked with this instant or another. Writes nothing.
    """
    from reportsync.plan import Ask
    from reportsync.service.world import chosen

    check_order(since, until, at or system_clock())
    config = context.load().config
    print_plan(config, chosen(config, names), Ask(since, until), as_json, now=at)
    return 0


def print_plan(
    config: Config,
    apps: Sequence[App],
    ask: Ask,
    as_json: bool,
    *,
    now: datetime | None = None,
    waiting: bool = True,
) -> None:
    """Print the plan for `ask`; with `waiting` also what is not fetched now."""
    from reportsync.plan import plan as decide
    from reportsync.service.world import coverages, look

    now = now or system_clock()
    with look(config) as ledger:
        rows = decide(coverages(ledger, apps, now), ask, now)
    rows = tuple(row for row in rows if waiting or row.action == "fetch")
    if as_json:
        put_json({"version": 1, "now": instant_text(now), "reports": [_value(row) for row in rows]})
        return
    for row in rows:
        put_wrapped(f"{row.action:5}  {row.report.app}  {row.report.day}  {row.reason}", hang=7)
    fetch = sum(row.action == "fetch" for row in rows)
    put(f"{fetch} to fetch now, {len(rows) - fetch} waiting" if waiting else f"{fetch} to fetch")


def _value(row: Planned) -> dict[str, Any]:
    return {
        "app": row.report.app,
        "day": row.report.day.isoformat(),
        "action": row.action,
        "reason": row.reason,
        "at": instant_text(row.at),
    }

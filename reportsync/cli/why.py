"""`why`: one day of an app, explained."""

from __future__ import annotations

from typing import Any

import click

from reportsync.calendar import DayWord
from reportsync.cli.context import Context
from reportsync.cli.days import DAY
from reportsync.cli.output import put, put_json
from reportsync.model import system_clock
from reportsync.service.why import why as explain
from reportsync.service.world import chosen, look


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("app")
@click.argument("day", type=DAY)
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
@click.pass_obj
def why(context: Context, app: str, day: DayWord, as_json: bool) -> int:
    """Explain DAY of APP: the state, the rule that decided it, every attempt, and the command to act."""
    config = context.load().config
    (one,) = chosen(config, [app])
    now = system_clock()
    with look(config) as ledger:
        found = explain(ledger, one, day.resolve(one, now), now)
    if as_json:
        put_json(found)
    else:
        _print(found)
    return 0


def _print(found: dict[str, Any]) -> None:
    put(f"{found['app']} {found['day']}: {found['state']}")
    put(f"  rule          {found['rule']}")
    if found["reason"]:
        put(f"  reason        {found['reason']}")
    put(f"  due           {found['due']}")
    if found["next_attempt"]:
        put(f"  next attempt  {found['next_attempt']}")
    if found["claimed_until"]:
        put(f"  claimed       until {found['claimed_until']} at the latest")
    for one in found["versions"]:
        held = "" if one["held"] else " (lost)"
        size = f"{one['bytes']:,} bytes, {one['members']} members"
        put(f"  version {one['version']}     {size}, {one['sha256']}{held}")
        for flag in one["flags"]:
            put(f"                [{flag}]")
    for one in found["attempts"]:
        status = f" HTTP {one['status']}" if one["status"] else ""
        reason = f": {one['reason']}" if one["reason"] else ""
        put(
            f"  attempt       {one['started']} {one['outcome']}{status} in {one['seconds']} s{reason}"
        )
    if found["command"]:
        put(f"  to act        {found['command']}")

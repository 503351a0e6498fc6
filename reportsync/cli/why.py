"""`why`: one day of an app, explained."""

from __future__ import annotations

from typing import Any

import click

from reportsync.calendar import DayWord
from reportsync.cli.context import Context
from reportsync.cli.days import DAY
from reportsync.cli.options import JSON
from reportsync.cli.output import plural, put, put_json, put_wrapped
from reportsync.model import system_clock


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("app")
@click.argument("day", type=DAY)
@JSON
@click.pass_obj
def why(context: Context, app: str, day: DayWord, as_json: bool) -> int:
    """Explain DAY of APP: the state, the rule that decided it, every attempt, and the command to act."""
    from reportsync.service.why import why as explain
    from reportsync.service.world import chosen, look

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
    _line("rule", found["rule"])
    _line("reason", found["reason"])
    _line("due", found["due"])
    _line("next attempt", found["next_attempt"])
    if found["claimed_until"]:
        _line("claimed", f"until {found['claimed_until']} at the latest")
    for one in found["versions"]:
        size = f"{plural(one['bytes'], 'byte')}, {plural(one['members'], 'member')}"
        held = "" if one["held"] else " (lost)"
        _line(f"version {one['version']}", f"{size}, {one['sha256']}{held}")
        for flag in one["flags"]:
            _line("", f"[{flag}]")
    for one in found["attempts"]:
        status = f" HTTP {one['status']}" if one["status"] else ""
        reason = f": {one['reason']}" if one["reason"] else ""
        _line("attempt", f"{one['started']} {one['outcome']}{status} in {one['seconds']} s{reason}")
    _line("to act", found["command"])


def _line(label: str, text: str | None) -> None:
    """Print one line under a day, unless there is nothing to say."""
    if text:
        put_wrapped(f"  {label:<12}  {text}", hang=16)

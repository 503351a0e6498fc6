"""`status`: do we have every day?"""

from __future__ import annotations

from typing import Any

import click

from reportsync.cli.context import Context
from reportsync.cli.failure import show
from reportsync.cli.options import APP, JSON
from reportsync.cli.output import plural, put, put_json, put_wrapped
from reportsync.cli.tables import Cell, Column, print_table, styled
from reportsync.model import system_clock
from reportsync.notation import readable_size
from reportsync.verdict import Findings, exit_code

MARKS = {
    "stored": ("█", "green"),
    "damaged": ("!", "red"),
    "missing": ("·", "red"),
    "waiting": ("?", "yellow"),
    "waived": ("-", "blue"),
}
_COLUMNS = (
    Column("app"),
    Column("since"),
    Column("due through"),
    Column("expected", number=True),
    Column("stored", number=True),
    Column("missing", number=True),
    Column("waived", number=True),
    Column("size", number=True),
    Column("last 30 days"),
)


@click.command()
@APP
@click.option(
    "--check",
    is_flag=True,
    help="Exit 3 if a due report is missing, 4 if one is damaged, 5 if the archive is not there.",
)
@JSON
@click.pass_obj
def status(context: Context, names: tuple[str, ...], check: bool, as_json: bool) -> int:
    """Show which days are there and which are not.

    Coverage per app, gaps with their reasons and next attempts, and a strip of the last 30 days. Writes
    nothing; works before the first pass and while a daemon runs.
    """
    from reportsync.service.status import status as coverage_status
    from reportsync.service.world import absent_archive, chosen, look

    config = context.load().config
    apps = chosen(config, names)
    with look(config) as ledger:
        found = coverage_status(ledger, apps, system_clock())
        absent = absent_archive(config, ledger)
    if as_json:
        put_json(found)
    else:
        print_status(context, found)
    if absent is not None:
        show(absent)
    missing = any(app["missing"] for app in found["apps"])
    findings = Findings(missing=missing, damaged=_is_damaged(found), storage=absent is not None)
    return exit_code(findings) if check else 0


def print_status(context: Context, found: dict[str, Any]) -> None:
    """Print the status object for a person."""
    put(_sentence(context, found))
    for one in found["incidents"]:
        put_wrapped(styled(context, _incident_line(one), "yellow"), hang=4)
    put("")
    print_table(context, _COLUMNS, [_row(app) for app in found["apps"]])
    if any(app["gaps"] or app["damage"] for app in found["apps"]):
        put("")
    for app in found["apps"]:
        for gap in app["gaps"]:
            put_wrapped(_gap_line(app["name"], gap, found["now"]), hang=4)
        for run in app["damage"]:
            put_wrapped(f"  {app['name']} {_days(run)}: damaged or lost", hang=4)
    if found["hook"]["waiting"]:
        put("")
        put_wrapped(_hook_line(context, found["hook"]), hang=2)
    put("")
    rare = () if any(app["damaged"] for app in found["apps"]) else ("damaged",)
    put("  ".join(f"{mark} {state}" for state, (mark, _) in MARKS.items() if state not in rare))
    verified = [app["verified_since"] for app in found["apps"] if app["verified_since"]]
    if verified:
        which = "Every other archive" if _is_damaged(found) else "Each archive"
        put_wrapped(f"{which} was last read, and found whole, at {min(verified)} or later.")


def _is_damaged(found: dict[str, Any]) -> bool:
    return any(app["damage"] for app in found["apps"])


def _is_due(app: dict[str, Any], run: dict[str, Any]) -> bool:
    """Say whether one of a run's days is expected and due; days are texts that sort as they do."""
    due_through: str = app["due_through"] or ""
    return bool(run["from"] <= due_through and run["to"] >= app["since"])


def _sentence(context: Context, found: dict[str, Any]) -> str:
    apps = found["apps"]
    expected, missing = (sum(app[key] for app in apps) for key in ("expected", "missing"))
    if not expected:
        return "Nothing is due yet."
    if not missing:
        waived = sum(app["waived"] for app in apps)
        text = f"{expected - waived} stored" + (f", {waived} waived." if waived else ".")
        if any(_is_due(app, run) for app in apps for run in app["damage"]):
            return styled(
                context, f"Every due day was stored, not all are whole: {text}", "bold red"
            )
        return styled(context, f"Every due day is there: {text}", "bold green")
    short = [app["name"] for app in apps if app["missing"]]
    verb = "is" if missing == 1 else "are"
    return styled(
        context,
        f"{missing} of {expected} due days {verb} missing ({', '.join(short)}).",
        "bold red",
    )


def _row(app: dict[str, Any]) -> list[Cell | str]:
    missing = Cell(str(app["missing"]), "bold red" if app["missing"] else "green")
    return [
        app["name"],
        app["since"],
        app["due_through"] or "-",
        str(app["expected"]),
        str(app["stored"]),
        missing,
        str(app["waived"]),
        readable_size(app["bytes"]),
        "".join(MARKS[one["state"]][0] for one in app["strip"]),
    ]


def _gap_line(name: str, gap: dict[str, Any], now: str) -> str:
    later = gap["next_attempt"] > now  # texts of one form, which sort as the instants do
    again = f"next attempt {gap['next_attempt']}" if later else "to be asked for by the next pass"
    return f"  {name} {_days(gap)}: {gap['reason']}; {again}"


def _days(run: dict[str, Any]) -> str:
    """Return a run of days in words."""
    several = f"{run['from']} to {run['to']} ({run['days']} days)"
    return run["from"] if run["days"] == 1 else several


def _incident_line(one: dict[str, Any]) -> str:
    act = f"{one['hint']}; {one['command']}" if one["hint"] else one["command"]
    return f"  {one['title']}, since {one['since']}: {one['reason']}; what to do: {act}"


def _hook_line(context: Context, hook: dict[str, Any]) -> str:
    text = f"The hook has yet to be run for {plural(hook['waiting'], 'arrival')}"
    if not hook["failing"]:
        return f"{text}."
    failing = (
        f"{text}; it fails for arrival {hook['arrival']} ({hook['app']} {hook['day']}) since "
        f"{hook['since']}: {hook['error']}; next run from {hook['next_attempt']}"
    )
    return styled(context, failing, "yellow")

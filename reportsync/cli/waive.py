"""`waive` and `unwaive`: a person closes days without a report, and reopens them."""

from __future__ import annotations

import getpass
from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from reportsync.calendar import DayWord
from reportsync.cli.context import Context
from reportsync.cli.days import DAY, check_range, refuse_backwards
from reportsync.cli.failure import telling_restored
from reportsync.cli.options import JSON
from reportsync.cli.output import plural, put, put_json, say
from reportsync.errors import StorageError, UsageProblem
from reportsync.model import Waiver, system_clock
from reportsync.redact import clean

if TYPE_CHECKING:
    from reportsync.settings import App, Config

_DASHES = {"ignore_unknown_options": True}


@click.command(context_settings=_DASHES)
@click.argument("app")
@click.argument("first", type=DAY, metavar="FROM")
@click.argument("last", type=DAY, metavar="[TO]", required=False)
@click.option("--reason", required=True, metavar="TEXT", help="Why there will be no report; kept.")
@click.option(
    "--until", type=DAY, metavar="D", help="The waiver ends after this day; else it stays."
)
@JSON
@click.pass_obj
def waive(
    context: Context,
    app: str,
    first: DayWord,
    last: DayWord | None,
    reason: str,
    until: DayWord | None,
    as_json: bool,
) -> int:
    """Close the days FROM to TO of APP: they will never have a report, and REASON says why.

    Waived days are not asked for and do not count as missing. Stored days stay stored. A waiver ends by
    itself after --until, or if the report is stored all the same; 'unwaive' takes it back.
    """
    from reportsync.ledger import queries, waivers
    from reportsync.service.world import chosen, open_ledger

    now = system_clock()
    check_range(first, last or first, now)
    if not clean(reason).strip():
        raise UsageProblem(
            "the reason is empty", hint='say why, as in --reason "setting was off that day"'
        )
    config = context.load().config
    (one,) = chosen(config, [app])
    start, end = _range(one, first, last, now)
    expiry = until.resolve(one, now) if until else None
    if expiry is not None and expiry < now.date():
        raise UsageProblem(
            f"the waiver would be over already: it ends after {expiry}",
            hint=f"today is {now.date()} (UTC); without --until it stays",
        )
    waiver = Waiver(one.name, start, end, clean(reason), _author(), now, expiry)
    with (
        telling_restored(context) as restored,
        open_ledger(config, restored=restored) as ledger,
    ):
        ledger.write(waivers.add, waiver)
        stored = ledger.read(queries.stored_within, one.name, start, end)
    _back_up(config, now)
    if as_json:
        put_json(
            {
                "version": 1,
                "app": one.name,
                "from": str(start),
                "to": str(end),
                "reason": waiver.reason,
                "stored": stored,
            }
        )
    else:
        put(f"waived {one.name} {_text(start, end)}: {waiver.reason}")
        if stored:
            put(f"already stored, and left alone: {plural(stored, 'day')}")
    return 0


@click.command(context_settings=_DASHES)
@click.argument("app")
@click.argument("first", type=DAY, metavar="FROM")
@click.argument("last", type=DAY, metavar="[TO]", required=False)
@JSON
@click.pass_obj
def unwaive(context: Context, app: str, first: DayWord, last: DayWord | None, as_json: bool) -> int:
    """Reopen the days FROM to TO of APP: they are expected, and asked for, again."""
    from reportsync.ledger import waivers
    from reportsync.service.world import chosen, open_ledger

    now = system_clock()
    check_range(first, last or first, now)
    config = context.load().config
    (one,) = chosen(config, [app])
    start, end = _range(one, first, last, now)
    with (
        telling_restored(context) as restored,
        open_ledger(config, restored=restored) as ledger,
    ):
        touched = ledger.write(waivers.take_back, one.name, start, end, now)
    _back_up(config, now)
    if as_json:
        put_json(
            {"version": 1, "app": one.name, "from": str(start), "to": str(end), "ended": touched}
        )
    elif touched:
        put(f"reopened {one.name} {_text(start, end)}")
    else:
        put(f"nothing was waived: {one.name} {_text(start, end)}")
    return 0


def _back_up(config: Config, now: datetime) -> None:
    """Put a person's word into today's backup: it is what a rebuilt ledger could not find out again."""
    from reportsync.service.sums import back_up_now

    try:
        back_up_now(config, now.date())
    except StorageError as error:
        say(f"reportsync: it is noted, but not in a backup: {error.message}")


def _range(app: App, first: DayWord, last: DayWord | None, now: datetime) -> tuple[date, date]:
    start = first.resolve(app, now)
    end = (last or first).resolve(app, now)
    refuse_backwards(start, end)
    if start < app.since:
        raise UsageProblem(
            f"{start} lies before the first day of {app.name} ({app.since}) and is not expected anyway",
            hint=f"begin with {app.since}, or set 'since' in the config",
        )
    if app.until is not None and start > app.until:
        raise UsageProblem(
            f"{start} lies after the last day of {app.name} ({app.until}) and is not expected anyway",
            hint=f"end with {app.until}, or set 'until' in the config",
        )
    return start, end


def _text(start: date, end: date) -> str:
    return str(start) if start == end else f"{start} to {end}"


def _author() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's numeric user has no name.
        return "unknown"

"""`verify` and `repair`: is what we have whole, and make it so."""

from __future__ import annotations

import click

from reportsync.calendar import DayWord
from reportsync.cli.context import Context
from reportsync.cli.days import DAY, check_range
from reportsync.cli.failure import show
from reportsync.cli.listeners import listener_for
from reportsync.cli.output import put, put_json, say
from reportsync.cli.signals import supervised
from reportsync.model import system_clock
from reportsync.plan import Ask
from reportsync.service.passes import Order, run_pass
from reportsync.service.repair import Mended, mend, set_aside_damaged_ledger
from reportsync.service.verify import Checked, Found
from reportsync.service.verify import verify as re_hash_all
from reportsync.service.world import chosen, open_world
from reportsync.stop import Stop
from reportsync.verdict import Findings, exit_code

APP = click.option("--app", "names", multiple=True, metavar="A", help="Only this app (repeatable).")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")


@click.command()
@APP
@click.option("--since", type=DAY, metavar="D", help="Only days from this one on.")
@click.option(
    "--oldest", type=click.IntRange(1), metavar="N", help="Only the N verified longest ago."
)
@JSON
@click.pass_obj
def verify(
    context: Context,
    names: tuple[str, ...],
    since: DayWord | None,
    oldest: int | None,
    as_json: bool,
) -> int:
    """Re-hash the archives and compare them with the ledger.

    Exits 4 if one is damaged or lost; 'reportsync repair' mends that. With --oldest, repeated calls go
    round all archives.
    """
    now = system_clock()
    check_range(since, None, now)
    config = context.load().config
    apps = chosen(config, names)
    first = since.resolve(apps[0], now) if since else None

    def tell(total: int, checked: Checked) -> None:
        archive = checked.archive
        if as_json:
            put_json(
                {
                    "event": "archive",
                    "app": archive.report.app,
                    "day": archive.report.day.isoformat(),
                    "file_version": archive.version,
                    "result": checked.found.value,
                }
            )
        elif checked.found is not Found.OK:
            put(f"{archive.report} version {archive.version}: {checked.found}")

    def work(stop: Stop) -> int:
        with open_world(config, stop) as world:
            checked = re_hash_all(world, list(names) or None, first, oldest, tell)
        counts = {found: sum(one.found is found for one in checked) for found in Found}
        code = exit_code(Findings(damaged=counts[Found.OK] < len(checked)))
        if as_json:
            put_json(
                {
                    "event": "summary",
                    "checked": len(checked),
                    "ok": counts[Found.OK],
                    "damaged": counts[Found.DAMAGED],
                    "lost": counts[Found.LOST],
                    "exit": code,
                }
            )
        else:
            put(
                f"{len(checked)} archives checked: {counts[Found.OK]} right, "
                f"{counts[Found.DAMAGED]} damaged, {counts[Found.LOST]} lost"
            )
            if code:
                say(
                    "  what to do: run 'reportsync repair'; it sets damaged files aside and fetches anew"
                )
        return code

    return supervised(work)


@click.command()
@APP
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be done.")
@JSON
@click.pass_obj
def repair(context: Context, names: tuple[str, ...], dry_run: bool, as_json: bool) -> int:
    """Bring tree and ledger together again.

    Whole files without a row are adopted, damaged ones moved to quarantine, reports whose file is lost or
    damaged reopened and fetched. A damaged ledger is moved aside; a lost one is restored from the newest
    backup in the archive and rebuilt from the files.
    """
    config = context.load().config
    apps = chosen(config, names)

    def tell(mended: Mended) -> None:
        if as_json:
            put_json(
                {"event": "repair", "action": mended.action, "what": mended.what, "why": mended.why}
            )
        else:
            say(f"{'would ' if dry_run else ''}{mended.action}: {mended.what} ({mended.why})")

    def work(stop: Stop) -> int:
        set_aside_damaged_ledger(config, system_clock, dry_run=dry_run, tell=tell)
        with open_world(config, stop) as world, listener_for(context, as_json) as listener:
            reopened = frozenset(mend(world, apps, dry_run=dry_run, tell=tell))
            if dry_run:
                return exit_code(Findings(damaged=bool(reopened)))
            ask = Ask(patient=False)
            order = Order("repair", apps, ask, config.http.workers, only=reopened)
            summary = run_pass(world, order, listener)
            listener.summary(summary)
        if summary.trouble is not None:
            show(summary.trouble)
        return summary.exit

    return supervised(work)

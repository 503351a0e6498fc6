"""`verify` and `repair`: is what we have whole, and make it so."""

from __future__ import annotations

from collections import Counter

import click

from reportsync.calendar import DayWord
from reportsync.cli.context import Context
from reportsync.cli.days import DAY, check_range
from reportsync.cli.options import APP, JSON
from reportsync.cli.output import plural, put, put_json, say
from reportsync.cli.passes import announcer_for, tell_pass
from reportsync.cli.signals import supervised
from reportsync.errors import Stopped
from reportsync.incidents import Seen
from reportsync.model import Report, system_clock
from reportsync.plan import Ask
from reportsync.service.announcing import WAIT_SECONDS
from reportsync.service.passes import Listener, Order, Summary, run_pass
from reportsync.service.repair import Mended, foresee, mend, set_aside_damaged_ledger
from reportsync.service.verify import Checked, Found, nothing_kept
from reportsync.service.verify import verify as re_hash_all
from reportsync.service.world import World, chosen, open_world
from reportsync.stop import Stop
from reportsync.verdict import Findings, exit_code


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
    counts: Counter[Found] = Counter()
    damaged: set[Report] = set()

    def tell(total: int, checked: Checked) -> None:
        counts[checked.found] += 1
        if checked.found is not Found.OK:
            damaged.add(checked.archive.report)
        if as_json:
            put_json(_event(checked))
        elif checked.found is not Found.OK:
            put(f"{checked.archive.report} version {checked.archive.version}: {checked.found}")

    def work(stop: Stop) -> int:
        try:
            if not nothing_kept(config):
                with open_world(config, stop) as world, announcer_for(context, config) as announcer:
                    try:
                        re_hash_all(world, list(names) or None, first, oldest, tell)
                    finally:
                        seen = Seen(damaged=frozenset(damaged), judged=frozenset())
                        announcer.found(world.ledger, seen, WAIT_SECONDS)
        except Stopped:
            pass  # what was verified until then is noted, and told with the code of the signal
        code = stop.code or exit_code(Findings(damaged=counts.total() > counts[Found.OK]))
        _tell_counts(counts, code, as_json)
        return code

    return supervised(work)


def _event(checked: Checked) -> dict[str, object]:
    archive = checked.archive
    return {
        "event": "archive",
        "app": archive.report.app,
        "day": archive.report.day.isoformat(),
        "file_version": archive.version,
        "result": checked.found.value,
    }


def _tell_counts(counts: Counter[Found], code: int, as_json: bool) -> None:
    right, damaged, lost = counts[Found.OK], counts[Found.DAMAGED], counts[Found.LOST]
    if as_json:
        found = {"checked": counts.total(), "ok": right, "damaged": damaged, "lost": lost}
        put_json({"event": "summary", **found, "exit": code})
        return
    checked = plural(counts.total(), "archive")
    put(f"{checked} checked: {right:,} right, {damaged:,} damaged, {lost:,} lost")
    if damaged or lost:
        say("  what to do: run 'reportsync repair'; it sets damaged files aside and fetches anew")


@click.command()
@APP
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be done.")
@JSON
@click.pass_obj
def repair(context: Context, names: tuple[str, ...], dry_run: bool, as_json: bool) -> int:
    """Bring tree and ledger together again.

    Whole files without a row are adopted, damaged ones moved to quarantine, reports whose file is lost or
    damaged reopened and fetched. A damaged ledger is moved aside; a lost one is restored from the newest
    backup in the archive and rebuilt from the files. With -n nothing is written, and the exit code is 4
    if an archive is damaged or lost.
    """
    config = context.load().config
    apps = chosen(config, names)
    told: list[Mended] = []

    def tell(mended: Mended) -> None:
        told.append(mended)
        if as_json:
            put_json(
                {"event": "repair", "action": mended.action, "what": mended.what, "why": mended.why}
            )
        else:
            say(f"{'would ' if dry_run else ''}{mended.action}: {mended.what} ({mended.why})")

    def run(world: World, listener: Listener) -> Summary:
        reopened = frozenset(mend(world, apps, tell))
        order = Order("repair", apps, Ask(patient=False), config.http.workers, only=reopened)
        return run_pass(world, order, listener)

    def work(stop: Stop) -> int:
        if not dry_run:
            set_aside_damaged_ledger(config, system_clock, tell)
            return tell_pass(context, config, stop, as_json, run)
        reopened = foresee(config, apps, stop, tell)
        code = exit_code(Findings(damaged=bool(reopened)))
        if as_json:
            put_json(
                {"event": "summary", "found": len(told), "reopen": len(reopened), "exit": code}
            )
        elif not told:
            put("nothing to repair: tree and ledger agree")
        return code

    return supervised(work)

"""`verify` and `repair`: is what we have whole, and make it so."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from reportsync.calendar import DayWord
from reportsync.cli.context import Context
from reportsync.cli.days import DAY, check_range
from reportsync.cli.failure import show, telling_restored
from reportsync.cli.options import APP, JSON, LARGEST
from reportsync.cli.output import plural, put, put_json, say
from reportsync.cli.signals import supervised
from reportsync.errors import Stopped, StorageError
from reportsync.model import system_clock
from reportsync.stop import Stop
from reportsync.verdict import Findings, exit_code

if TYPE_CHECKING:
    from reportsync.service.judge import Checked, Found
    from reportsync.service.mending import Mended
    from reportsync.service.passes import Listener, Summary
    from reportsync.service.world import World


@click.command()
@APP
@click.option("--since", type=DAY, metavar="D", help="Only days from this one on.")
@click.option(
    "--oldest",
    type=click.IntRange(1, LARGEST),
    metavar="N",
    help="Only the N verified longest ago.",
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

    Exits 4 if one is damaged or lost, or if the ledger's row is what is wrong; 'reportsync repair' mends
    that. Exits 5 if one cannot be read, which says nothing about it. With --oldest, repeated calls go round
    all archives, also several at once; the daemon does so by itself.
    """
    from reportsync.cli.passes import announcer_for
    from reportsync.service.announcing import WAIT_SECONDS
    from reportsync.service.judge import Found
    from reportsync.service.seen import seen_in
    from reportsync.service.verify import first_unreadable, nothing_kept
    from reportsync.service.verify import verify as re_hash_all
    from reportsync.service.world import chosen, open_world

    now = system_clock()
    check_range(since, None, now)
    config = context.load().config
    apps = chosen(config, names)
    first = min(since.resolve(app, now) for app in apps) if since else None
    counts: Counter[Found] = Counter()
    amiss: list[Checked] = []

    def tell(checked: Checked) -> None:
        counts[checked.found] += 1
        if checked.found is not Found.OK:
            amiss.append(checked)
        if as_json:
            put_json(_event(checked))
        elif checked.found is not Found.OK:
            why = f" ({checked.error.message})" if checked.error else ""
            archive = checked.archive
            put(f"{archive.report} version {archive.version}: {checked.found}{why}")

    def work(stop: Stop) -> int:
        trouble: StorageError | None = None
        try:
            if not nothing_kept(config):
                with (
                    telling_restored(context) as restored,
                    open_world(config, stop, restored=restored) as world,
                    announcer_for(context, config) as announcer,
                ):
                    try:
                        re_hash_all(world, list(names) or None, first, oldest, tell)
                    finally:
                        announcer.found(world.ledger, seen_in(amiss), WAIT_SECONDS)
        except Stopped:
            pass  # what was verified until then is noted, and told with the code of the signal
        except StorageError as error:
            trouble = error
        trouble = trouble or first_unreadable(amiss)
        damaged = counts.total() - counts[Found.OK] - counts[Found.UNREADABLE]
        found = Findings(damaged=bool(damaged), storage=trouble is not None)
        code = stop.code or exit_code(found)
        if as_json or counts or trouble is None:
            _tell_counts(counts, code, as_json)
        if trouble is not None:
            show(trouble)
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
    from reportsync.service.judge import Found

    rare = [kind for kind in (Found.MISRECORDED, Found.UNREADABLE) if counts[kind]]
    right, damaged, lost = counts[Found.OK], counts[Found.DAMAGED], counts[Found.LOST]
    if as_json:
        found = {"checked": counts.total(), "ok": right, "damaged": damaged, "lost": lost}
        found |= {kind.value: counts[kind] for kind in rare}
        put_json({"event": "summary", **found, "exit": code})
        return
    checked = plural(counts.total(), "archive")
    more = "".join(f", {counts[kind]:,} {kind}" for kind in rare)
    put(f"{checked} checked: {right:,} right, {damaged:,} damaged, {lost:,} lost{more}")
    if damaged or lost or counts[Found.MISRECORDED]:
        say("  what to do: run 'reportsync repair'; it sets damaged files aside and fetches anew")


@click.command()
@APP
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be done.")
@click.option(
    "--restore",
    metavar="[DAY|FILE]",
    is_flag=False,
    flag_value="newest",
    help="Put this backup, else the newest one, in the ledger's place, whatever that is like.",
)
@JSON
@click.pass_obj
def repair(
    context: Context, names: tuple[str, ...], dry_run: bool, restore: str | None, as_json: bool
) -> int:
    """Bring tree and ledger together again.

    Whole files without a row are adopted, damaged ones moved to quarantine, reports whose file is lost or
    damaged reopened and fetched. A damaged ledger is moved aside; it or a lost one is restored from the
    newest backup in the archive, from what can still be read of it, and from the files. With -n nothing is
    written, and the exit code is 4 if an archive is damaged or lost.
    """
    from reportsync.cli.listeners import summary_event
    from reportsync.cli.passes import tell_pass
    from reportsync.plan import Ask
    from reportsync.service.passes import Order, Summary, run_pass
    from reportsync.service.rebuild import Wanted, find_backup, make_whole
    from reportsync.service.repair import foresee, mend
    from reportsync.service.world import chosen
    from reportsync.store import Store

    config = context.load().config
    apps = chosen(config, names)
    store = Store(config.storage.archive, config.storage.min_free)
    wanted = Wanted(find_backup(config, store, restore) if restore is not None else None)
    told: list[Mended] = []

    def tell(mended: Mended) -> None:
        told.append(mended)
        if as_json:
            put_json(
                {"event": "repair", "action": mended.action, "what": mended.what, "why": mended.why}
            )
        else:
            say(f"{'would ' if dry_run else ''}{mended.action}: {mended.what} ({mended.why})")

    def adopted() -> int:
        return sum(one.action == "adopt" for one in told)

    def run(world: World, listener: Listener) -> Summary:
        found = mend(world, apps, tell)
        only = frozenset(found.reopened)
        order = Order("repair", apps, Ask(patient=False), config.http.workers, only=only)
        summary = run_pass(world, order, listener)
        if found.unreadable is None:
            return summary
        trouble = summary.trouble or found.unreadable
        code = summary.exit if summary.stopped else trouble.exit_code
        return replace(summary, trouble=trouble, exit=code)

    def foreseen(reopen: int, code: int) -> dict[str, object]:
        counts = {"found": len(told), "adopt": adopted(), "reopen": reopen}
        return {"event": "summary", **counts, "exit": code}

    def work(stop: Stop) -> int:
        try:
            if not dry_run:
                make_whole(config, store, system_clock, wanted, tell)
                return tell_pass(context, config, stop, as_json, run, adopted=adopted)
            found = foresee(config, apps, stop, system_clock, wanted, tell)
        except (StorageError, Stopped) as error:
            code = stop.code or error.exit_code
            if as_json:
                put_json(foreseen(0, code) if dry_run else summary_event(Summary(exit=code)))
            raise
        trouble = found.unreadable is not None
        code = exit_code(Findings(damaged=bool(found.reopened), storage=trouble))
        if as_json:
            put_json(foreseen(len(found.reopened), code))
        elif not told:
            put("nothing to repair: tree and ledger agree")
        return code

    return supervised(work)

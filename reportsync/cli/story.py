"""The demo's story: a pass against a stand-in that misbehaves, and the proof that nothing was lost."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from reportsync.calendar import DayWord
from reportsync.cli.context import Context
from reportsync.cli.listeners import listener_for
from reportsync.cli.output import put
from reportsync.cli.status import print_status
from reportsync.cli.tables import styled
from reportsync.demo import Stage
from reportsync.ledger import waivers
from reportsync.model import Waiver
from reportsync.notation import readable_size
from reportsync.plan import Ask
from reportsync.service.judge import Checked, Found
from reportsync.service.passes import Order, Summary, run_pass
from reportsync.service.status import status
from reportsync.service.verify import verify
from reportsync.service.world import World
from reportsync.settings import Config
from reportsync.verdict import Findings, exit_code


def tell_story(context: Context, stage: Stage, config: Config, world: World) -> int:
    """Tell the five acts and return the exit code: 0 only if the end was proved."""
    count = len(stage.apps)
    _act(
        context,
        1,
        f"A stand-in for the vendor's API listens on {stage.sandbox.url}, and misbehaves",
    )
    for trouble in stage.troubles:
        put(f"   - {trouble}")
    _act(context, 2, f"reportsync sync: everything due, for {count} apps")
    _pass(context, world, Order("sync", config.apps, Ask(), config.http.workers))
    if world.stop.requested:
        return exit_code(Findings(missing=True))
    _act(context, 3, "reportsync backfill --since -400d: a person asks again, now")
    ask = Ask(since=DayWord(days_ago=400), patient=False)
    _pass(context, world, Order("backfill", config.apps, ask, config.http.workers))
    name, reason = config.apps[0].name, "the report was never generated"
    _act(context, 4, f'reportsync waive {name} {stage.hole} --reason "{reason}"')
    waiver = Waiver(name, stage.hole, stage.hole, reason, "demo", world.clock())
    world.ledger.write(waivers.add, waiver)
    found = status(world.ledger, config.apps, world.clock())
    put("")
    print_status(context, found)
    _act(context, 5, "The proof")
    whole = _prove(world, config)
    missing = any(app["missing"] for app in found["apps"])
    return exit_code(Findings(missing=missing, damaged=not whole))


def _act(context: Context, number: int, text: str) -> None:
    put("")
    put(styled(context, f"{number}. {text}", "bold cyan"))


def _pass(context: Context, world: World, order: Order) -> Summary:
    with listener_for(context, as_json=False) as listener:
        summary = run_pass(world, order, listener)
        listener.summary(summary)
    return summary


def _prove(world: World, config: Config) -> bool:
    """Re-hash everything, and let a program that is not ours do it again."""
    checked: list[Checked] = []
    verify(world, None, None, None, checked.append)
    right = sum(one.found is Found.OK for one in checked)
    size = readable_size(sum(one.archive.size for one in checked))
    put(f"   reportsync verify: {right} of {len(checked)} archives right ({size}, by SHA-256)")
    sums = sorted(config.storage.archive.glob("*/*/SHA256SUMS"))
    return all([right == len(checked), *(_sha256sum(path) for path in sums)])


def _sha256sum(path: Path) -> bool:
    """Check one folder with coreutils where they are at hand, and show it."""
    program = shutil.which("sha256sum")
    shown = f"   cd {path.parent} && sha256sum -c --quiet SHA256SUMS"
    if program is None:
        put(shown)
        return True
    command = [program, "-c", "--quiet", path.name]
    done = subprocess.run(command, cwd=path.parent, capture_output=True)  # noqa: S603 our own words
    put(f"{shown}  -> {'OK' if done.returncode == 0 else 'FAILED'}")
    return done.returncode == 0


def farewell(context: Context, path: Path, serve: bool) -> None:
    put("")
    put(f"   The files are in {path.parent}; 'rm -r {path.parent}' removes them.")
    put(f"   Look around:  reportsync --config {path} status")
    if serve:
        put("   The sandbox goes on until Ctrl-C.")

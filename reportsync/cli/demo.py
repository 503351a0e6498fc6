"""`demo`: the main job end to end in seconds, told as a story that ends in proof."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from reportsync.cli.context import Context
from reportsync.cli.signals import supervised
from reportsync.model import system_clock
from reportsync.stop import Stop


@click.command()
@click.option(
    "--days",
    type=click.IntRange(4, 400),
    default=30,
    show_default=True,
    help="Days of history per app.",
)
@click.option(
    "--serve", is_flag=True, help="Keep the sandbox running afterwards, to try commands on it."
)
@click.pass_obj
def demo(context: Context, days: int, serve: bool) -> int:
    """See the main job end to end in seconds; needs no account and no config.

    Starts a stand-in for the vendor's API that misbehaves, lets the real main job loose on it, and proves
    the result. Everything is written to a new temporary folder, which stays for you to look at.
    """
    from reportsync.cli.story import farewell, tell_story
    from reportsync.config import load
    from reportsync.demo import set_stage, write_config
    from reportsync.service.world import open_world

    folder = Path(tempfile.mkdtemp(prefix="reportsync-demo-"))
    stage = set_stage(days, system_clock())

    def work(stop: Stop) -> int:
        with stage.sandbox:
            path = write_config(stage, folder)
            config = load(path).config
            with open_world(config, stop) as world:
                code = tell_story(context, stage, config, world)
            if stop.requested:
                return stop.code
            farewell(context, path, serve)
            while serve and not stop.wait(3600):
                pass
            return stop.code or code

    return supervised(work)

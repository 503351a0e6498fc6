"""The entry point: global options, commands loaded when used, every error shown as a person can use it."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reportsync import __version__
from reportsync.cli.context import Context

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "demo": (
        "demo:demo",
        "See the main job end to end in seconds; needs no account and no config.",
    ),
    "init": ("init:init", "Write a commented config."),
    "config": ("config:config", "Check and show the configuration."),
    "check": ("check:check", "Check config, clock, folder, ledger and one request per app."),
    "run": ("run:run", "Run the daemon: fetch each report when it is due."),
    "sync": ("sync:sync", "Fetch everything that is due and missing, once."),
    "backfill": ("sync:backfill", "Fetch what is missing in a range of days, now."),
    "plan": ("plan:plan", "Show what would be fetched now and why; what waits until when."),
    "status": ("status:status", "Show which days are there and which are not."),
    "why": ("why:why", "Explain one day of an app: state, rule, attempts, what to do."),
    "arrivals": (
        "arrivals:arrivals",
        "List or follow what arrived; 'replay' has the hook run again.",
    ),
    "waive": ("waive:waive", "Close days that will never have a report, with a reason."),
    "unwaive": ("waive:unwaive", "Reopen days that were waived."),
    "verify": ("verify:verify", "Re-hash the archives against the ledger."),
    "repair": ("verify:repair", "Adopt, reopen and fetch until tree and ledger agree."),
    "sandbox": ("sandbox:sandbox", "Run a stand-in for the vendor's API."),
    "health": ("run:health", "Exit 0 while the daemon makes progress."),
    "completion": ("completion:completion", "Print the completion script for a shell."),
}
"""Each command's module and object, and its one-line help; `--help` needs no more than this."""


class Commands(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(import_module(f"reportsync.cli.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the options, and the commands from the table, without importing them."""
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=text)
            for name, (_, text) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for an unknown one suggest the nearest."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(name, COMMANDS, 1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"There is no command '{name}'.{hint}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The config file; else $REPORTSYNC_CONFIG, ./config.yaml, "
    "$XDG_CONFIG_HOME/reportsync/config.yaml, /etc/reportsync/config.yaml.",
)
@click.option("-v", "--verbose", count=True, help="Say more (twice: debug).")
@click.option("-q", "--quiet", is_flag=True, help="Say only what is wrong.")
@click.option("--no-color", is_flag=True, help="No colours; as does NO_COLOR in the environment.")
@click.version_option(__version__, message="reportsync %(version)s")
@click.pass_context
def cli(
    ctx: click.Context, config_path: Path | None, verbose: int, quiet: bool, no_color: bool
) -> None:
    """Never lose a day of daily reports.

    Fetches one campaign report per app and day from MoEngage, verifies and keeps it, and always knows
    which days are missing.
    """
    ctx.obj = Context(config_path, verbosity=-1 if quiet else verbose, no_color=no_color)


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit with its code.

    Exit codes: 0 all there, 1 a bug, 2 usage, 3 missing, 4 damaged, 5 storage, 77 key refused, 78
    config, 130/143 signals.
    """
    from reportsync.cli.failure import guarded
    from reportsync.cli.output import prepare_streams

    prepare_streams()
    sys.exit(guarded(lambda: cli.main(args=args, prog_name="reportsync", standalone_mode=False)))

"""`completion`: the script that lets a shell complete commands, options and values."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from reportsync.cli.output import put


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the completion script for SHELL.

    For bash: eval "$(reportsync completion bash)"; put that line into ~/.bashrc to keep it.
    """
    from reportsync.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None
    put(kind(cli, {}, "reportsync", "_REPORTSYNC_COMPLETE").source())
    return 0

"""The commands: names and one-line helps here, each command in the module that is loaded when it runs."""

from reportsync.cli.main import main

__all__ = ["main"]

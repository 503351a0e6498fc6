"""`config`: is the file right, what does it come to, what may stand in it."""

from __future__ import annotations

import json

import click

from reportsync.cli.context import Context
from reportsync.cli.options import JSON
from reportsync.cli.output import plural, put, put_json


@click.group()
def config() -> None:
    """Check and show the configuration."""


@config.command()
@JSON
@click.pass_obj
def validate(context: Context, as_json: bool) -> int:
    """Check the config; show every problem at once.

    Each with its line and column. Exits 0 when the config can be used, 78 when not.
    """
    from reportsync.config import format_problems
    from reportsync.errors import ConfigError

    try:
        loaded = context.load()
    except ConfigError as error:
        if as_json:
            problems = format_problems(error) if error.problems else [error.message]
            put_json({"version": 1, "valid": False, "problems": problems})
            return error.exit_code
        raise
    if as_json:
        told = {"file": str(loaded.path), "problems": [], "warnings": list(loaded.warnings)}
        put_json({"version": 1, "valid": True, **told})
    else:
        put(f"{loaded.path} is valid: {plural(len(loaded.config.apps), 'app')}")
    return 0


@config.command()
@JSON
@click.pass_obj
def show(context: Context, as_json: bool) -> int:
    """Show the effective values, secrets masked, and which file won."""
    from reportsync.config import show as render
    from reportsync.config import show_data

    loaded = context.load()
    if as_json:
        put_json({"version": 1, "file": str(loaded.path), "config": show_data(loaded)})
    else:
        put(render(loaded).rstrip("\n"))
    return 0


@config.command()
@JSON
def schema(as_json: bool) -> int:
    """Print the JSON Schema of the config file, for editors."""
    from reportsync.config import schema as build

    if as_json:
        put_json({"version": 1, "schema": build()})
    else:
        put(json.dumps(build(), indent=2))
    return 0

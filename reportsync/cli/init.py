"""`init`: write a commented config to begin with."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import click

from reportsync.cli.output import put
from reportsync.errors import StorageError, UsageProblem


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path("config.yaml"))
@click.option("--no-input", is_flag=True, help="Ask nothing.")
def init(path: Path, no_input: bool) -> int:
    """Write a commented config to PATH (default: config.yaml), readable by you alone.

    On a terminal it asks for the values of the first app. Never overwrites a file.
    """
    from reportsync.config import template

    if path.is_dir():
        path = path / "config.yaml"
    text = template()
    if not no_input and sys.stdin.isatty():
        text = _asked(text)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise UsageProblem(
            f"{path} exists and is left as it is", hint="name another PATH"
        ) from None
    except OSError as error:
        raise UsageProblem(
            f"cannot write {path}: {error.strerror}", hint="name another PATH"
        ) from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o600)  # a umask may have taken it from its owner too
            file.write(text)
    except OSError as error:
        path.unlink(
            missing_ok=True
        )  # else what is half written would be in the way of the next try
        raise StorageError(
            f"cannot write {path}: {error.strerror}",
            hint=f"free some space: df -h {path.absolute().parent}",
        ) from None
    put(f"wrote {path}")
    put("next: edit it, then 'reportsync config validate' and 'reportsync check'")
    return 0


_QUESTIONS = (
    ("name", "a short name for the app"),
    ("app_id", "APP ID (Workspace ID)"),
    ("secret_key", "the API key, best as a reference"),
    ("data_center", "data center (the number in api-0X.moengage.com)"),
    ("since", "first day that has a report (YYYY-MM-DD)"),
)


def _asked(text: str) -> str:
    """Ask for the first app's values and put them into the template in place of its examples."""
    click.echo("Values of the first app; Enter keeps what stands in brackets.", err=True)
    for key, question in _QUESTIONS:
        line = re.compile(rf"^(  (?:- |  ){key}: )(\S+)", re.MULTILINE)
        match = line.search(text)
        assert match is not None
        answer = click.prompt(f"  {question}", default=match[2], err=True)
        quoted = json.dumps(answer) if answer != match[2] else answer
        text = f"{text[: match.start(2)]}{quoted}{text[match.end(2) :]}"
    return text

"""The commented config file that `init` writes, made from the settings. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from reportsync.config.problems import BLOCKS, TOP
from reportsync.settings import App, Schedule

_COLUMN = 44  # where comments begin, if the value leaves room

_HEAD = """\
# The configuration of reportsync. Only `apps` is needed; all else shows its default.
#
# Every value is read as text: 12:30, 01, off and 00123 mean what they say, with quotes or without.
# Any value may hold references, and secrets should:
#   ${env:NAME}            an environment variable; ${env:NAME:-default} if it may be unset or empty
#   ${file:/path}          the content of a file, without the line break at its end
#   ${credential:name}     a file in $CREDENTIALS_DIRECTORY (systemd), else in /run/secrets
# A literal ${ is written $${. With a literal secret in it the file must be closed: chmod 600.
# Relative paths start from the folder of this file, ~ is the home folder.
#
# To see what is wrong and what is in force: reportsync config validate, reportsync config show.
# For help in an editor: reportsync config schema > reportsync.schema.json, and as the first line
# of this file `# yaml-language-server: $schema=reportsync.schema.json`.

"""


def template() -> str:
    """Return a complete config file: every key with its default and its sentence."""
    return _HEAD + "\n".join(line for name in TOP for line in (*_block(name), "")).rstrip() + "\n"


def _block(name: str) -> Iterator[str]:
    model = BLOCKS[name]
    summary = (model.__doc__ or "").partition("\n")[0].rstrip(".")
    yield _line(f"{name}:", "at least one" if name == "apps" else summary[:1].lower() + summary[1:])
    if name == "apps":
        yield from _app()
        return
    values = model().model_dump(mode="json")
    for key, field in model.model_fields.items():
        yield _line(f"  {key}: {_scalar(values[key])}", field.description)


def _app() -> Iterator[str]:
    begin = "  - "
    for key, field in App.model_fields.items():
        if key in Schedule.model_fields:
            continue
        needed = field.is_required() or key == "data_center"
        examples = field.examples or [""]
        yield _line(f"{begin if needed else '    # '}{key}: {examples[0]}", field.description)
        begin = "    "
    yield _line("    # timezone: Asia/Kolkata", "every key of defaults may stand in an app")


def _line(text: str, comment: str | None) -> str:
    return f"{text:<{_COLUMN}}# {comment}" if len(text) < _COLUMN else f"{text}  # {comment}"


def _scalar(value: Any) -> str:
    """Write a value in one line of YAML."""
    if isinstance(value, str) and value.isdecimal():
        return value
    text = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return text.removesuffix("\n").removesuffix("\n...")

"""Finds the command lines of reportsync in units, YAML, crontabs and Markdown, wherever they stand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

# What stands before the program: on another user's behalf, in a container, in a pod, in a variable.
_PREFIX = re.compile(
    r"^\s*(?:out=|then |sudo -u \S+ |docker compose exec \S+ |kubectl (?:-n \S+ )?exec \S+ -- )?"
)
_BREAKS = re.compile(r"\|\||&&|[;|]|\$\(|\)|\s#\s|\s[12]?>|: (?=sudo|kubectl|docker)")
_PLACEHOLDERS = {
    "COMMAND": "status",
    "APP": "shop-de",
    "DAY": "2026-11-01",
    "%i": "2026-11-01",
}


def command_lines(path: Path) -> Iterator[list[str]]:
    """Yield the arguments of each `reportsync` command line in the file at `path`."""
    text = path.read_text()
    for piece in _shell(path, text):
        yield from _in_shell(piece)
    if path.suffix == ".yaml":
        for document in yaml.safe_load_all(text):
            yield from _in_value(document)


def _shell(path: Path, text: str) -> Iterator[str]:
    """Yield what a person or a program would hand to a shell."""
    for line in text.splitlines():
        comment = re.match(r"\s*#\s(.*)", line)
        if path.suffix == ".md" and line.startswith("$ "):
            yield line[2:]
        elif path.suffix == ".md":
            yield from re.findall(r"`([^`]+)`", line)
        elif comment:
            yield comment[1]
            yield from re.findall(r"`([^`]+)`", comment[1])
        elif match := re.match(r"(?:ExecStart|ExecReload)=(.*)|\s+runbook: (.*)", line):
            yield match[1] or match[2]
        elif match := re.match(r"[0-9*]+(?: [0-9*]+){4}  (.*)", line):
            yield match[1]


def _in_shell(text: str) -> Iterator[list[str]]:
    text = re.sub(r"\{\{[^}]*\}\}", "APP", text)
    for part in _BREAKS.split(text):
        command = part[_PREFIX.match(part).end() :]  # type: ignore[union-attr]
        if not re.match(r"(?:/\S+/)?reportsync ", command):
            continue
        words = [_filled(word) for word in shlex.split(command)]
        yield words[1:]


def _filled(word: str) -> str:
    for name, value in _PLACEHOLDERS.items():
        word = re.sub(rf"(?<![A-Z]){name}(?![A-Z])", value, word)
    return word


def _in_value(value: Any) -> Iterator[list[str]]:
    """Yield the arguments of containers: `args` and `command` of the image, which is the program."""
    if isinstance(value, list):
        for item in value:
            yield from _in_value(item)
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        words = [str(word) for word in inner] if isinstance(inner, list) else []
        words = words[1:] if words[:1] == ["CMD"] else words
        if key in ("args", "command", "test") and words:
            yield words[1:] if PurePosixPath(words[0]).name == "reportsync" else words
        else:
            yield from _in_value(inner)

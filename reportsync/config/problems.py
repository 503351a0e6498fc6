"""Findings as problems that a person can read: key paths, suggestions, positions. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from pydantic.fields import FieldInfo

from reportsync.config.document import Finding, Mapping, Node, Place, Scalar, Sequence
from reportsync.errors import ConfigError, Problem
from reportsync.notation import suggest
from reportsync.settings import App, Config, Schedule, Settings

BLOCKS: dict[str, type[Settings]] = {
    "apps": App,
    "defaults": Schedule,
    **{
        name: field.annotation
        for name, field in Config.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings)
    },
}
"""The blocks of a config file by their keys; `apps` is a list of them."""

TOP = ("apps", "defaults", *(name for name in BLOCKS if name not in ("apps", "defaults")))
"""The keys of the file itself."""

Details = Any  # pydantic's ErrorDetails

_WORDS: dict[str, Callable[[Details], str]] = {
    "missing": lambda error: "is missing" + _example(error["loc"]),
    "too_short": lambda error: "must not be empty",
    "string_too_short": lambda error: "must not be empty",
    "too_long": lambda error: f"takes {error['ctx']['max_length']} entries at most",
    "tuple_type": lambda error: "must be a list",
    "model_type": lambda error: "must be a block of keys",
    "model_attributes_type": lambda error: "must be a block of keys",
    "string_pattern_mismatch": lambda error: "must be 1 to 64 letters A-Z a-z, digits, _ or -",
    "greater_than_equal": lambda error: f"must be {error['ctx']['ge']} at least",
    "less_than_equal": lambda error: f"must be {error['ctx']['le']} at most",
    "value_error": lambda error: str(error["ctx"]["error"]),
    "literal_error": lambda error: _one_of(error["ctx"]["expected"], error["input"]),
    "extra_forbidden": lambda error: _unknown(error["loc"]),
}


def explain(error: Details) -> str:
    """Return what is wrong in the words of a config file, without the value."""
    known = error["type"] in _WORDS
    if error["input"] is None and error["type"] != "missing":
        return "must not be empty" + _way_to_default(error["loc"])
    if isinstance(error["input"], dict | list) and (not known or error["type"] == "literal_error"):
        return "must be a single value"
    return _WORDS[error["type"]](error) if known else str(error["msg"])


def _field(place: Place) -> FieldInfo | None:
    model = BLOCKS.get(str(place[0])) if len(place) > 1 else None
    return model.model_fields.get(str(place[-1])) if model else None


def _way_to_default(place: Place) -> str:
    field = _field(place)
    optional = field is not None and not field.is_required()
    return "; leave the key out for its default" if optional else ""


def _one_of(expected: str, given: str) -> str:
    words = re.findall(r"'([^']*)'", expected)
    return f"must be {', '.join(words[:-1])} or {words[-1]}{suggest(given, words)}"


def _example(place: Place) -> str:
    field = _field(place)
    return f"; for example {place[-1]}: {field.examples[0]}" if field and field.examples else ""


def _unknown(place: Place) -> str:
    """Say that the last key of `place` is unknown, and which was meant or where it belongs."""
    key = str(place[-1])
    keys = [*BLOCKS[str(place[0])].model_fields] if len(place) > 1 else [*TOP]
    near = suggest(key, keys)
    if near:
        return f"is unknown here{near}"
    homes = [name for name, model in BLOCKS.items() if key in model.model_fields]
    if homes:
        return f"is unknown here; it belongs to {' or '.join(homes)}"
    return f"is unknown here; known are {', '.join(keys)}"


def is_word(key: str) -> bool:
    """Say whether a key can be shown: a word that can hardly be a piece of a secret."""
    return re.fullmatch(r"[A-Za-z_-]{1,20}", key) is not None


def key_text(place: Place, tree: Node | None) -> str:
    """Return `place` as `apps.shop-de.since`, or with `apps[1]` for an app without usable name."""
    text = ""
    for depth, step in enumerate(place):
        if isinstance(step, int):
            name = _app_name(tree, step) if place[:depth] == ("apps",) else None
            text += f".{name}" if name else f"[{step}]"
        elif step:
            text += ("." if text else "") + (step if is_word(step) else "(not a key)")
    return text


def _app_name(tree: Node | None, index: int) -> str | None:
    apps = tree.entries.get("apps") if isinstance(tree, Mapping) else None
    items = apps.value.items if apps and isinstance(apps.value, Sequence) else ()
    app = items[index] if index < len(items) else None
    name = app.entries.get("name") if isinstance(app, Mapping) else None
    if name is None or not isinstance(name.value, Scalar) or name.value.text is None:
        return None
    shown = name.value.text == name.value.literal
    shown = shown and re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name.value.text) is not None
    return name.value.text if shown else None


def in_order(findings: Iterable[Finding], tree: Node | None) -> tuple[Problem, ...]:
    """Return the findings as problems, each once, in the order of the file."""
    ordered = sorted(dict.fromkeys(findings), key=lambda finding: (finding.line, finding.column))
    return tuple(
        Problem(key_text(finding.place, tree), finding.text, finding.line, finding.column)
        for finding in ordered
    )


def format_problems(error: ConfigError) -> list[str]:
    """Return the problems of `error` as `FILE:LINE:COL: key: problem` lines."""
    return [problem_line(problem, str(error.path or "config")) for problem in error.problems]


def problem_line(problem: Problem, file: str) -> str:
    """Return one problem of `file` as a line; what is not known of it is left out."""
    parts = (file, problem.line, problem.column)
    where = ":".join(str(part) for part in parts if part is not None)
    return f"{where}: {problem.key}: {problem.text}" if problem.key else f"{where}: {problem.text}"

"""A Config from the tree of a file: defaults under each app, types, rules across apps. Pure but for
looking whether `http.ca_file` and the driver of PostgreSQL are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reportsync import address
from reportsync.config.document import Entry, Finding, Mapping, Node, Place, Scalar, Sequence
from reportsync.config.problems import TOP, explain
from reportsync.settings import Config, Schedule

_EMPTY = Mapping({}, 1, 1)


def build(tree: Node, folder: Path) -> tuple[Config | None, list[Finding]]:
    """Return the Config that `tree` (references replaced) says, or None, and all that is wrong.

    Relative paths start from `folder`.
    """
    if not isinstance(tree, Mapping):
        return None, [Finding((), "the file must be a block of keys", tree.line, tree.column)]
    defaults = _block(tree, "defaults") or _EMPTY
    merged = _merged(tree, defaults)
    context = {"folder": folder}
    config, errors = _validate(Config, _plain(merged), context)
    findings = [found for error in errors for found in _found(error, merged, defaults)]
    _, errors = _validate(Schedule, _plain(defaults), context) if defaults.entries else (None, [])
    whole = Mapping({"defaults": Entry(defaults, 1, 1)}, 1, 1)
    for error in errors:
        findings += _found({**error, "loc": ("defaults", *error["loc"])}, whole, _EMPTY)
    findings += [*_not_blocks(tree), *_same_names(merged), *_absent(merged, folder)]
    return (None if findings else config), findings


def same_reports(config: Config, tree: Node) -> list[Finding]:
    """Warn of apps that fetch the same reports under two names."""
    seen: dict[tuple[str, str], str] = {}
    findings = []
    for index, app in enumerate(config.apps):
        first = seen.setdefault((app.app_id, app.base_url), app.name)
        if first != app.name:
            place: Place = ("apps", index, "app_id")
            line, column = _position(tree, place)
            text = f"has the same reports as {first}: same app_id, same address"
            findings.append(Finding(place, text, line, column))
    return findings


def _validate(model: type[Any], data: Any, context: dict[str, Path]) -> tuple[Any, list[Any]]:
    try:
        return model.model_validate(data, context=context), []
    except ValidationError as error:
        return None, error.errors(include_url=False)


def _block(tree: Mapping, key: str) -> Mapping | None:
    entry = tree.entries.get(key)
    return entry.value if entry and isinstance(entry.value, Mapping) else None


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.text is None and not node.broken


def _merged(tree: Mapping, defaults: Mapping) -> Mapping:
    """Return `tree` with the defaults in each app and without blocks that hold nothing."""
    entries = {
        key: entry
        for key, entry in tree.entries.items()
        if key != "defaults" and not (key in TOP and key != "apps" and _is_empty(entry.value))
    }
    apps = entries.get("apps")
    if apps and isinstance(apps.value, Sequence):
        shared = {k: entry for k, entry in defaults.entries.items() if k in Schedule.model_fields}
        items = tuple(
            app._replace(entries={**shared, **app.entries}) if isinstance(app, Mapping) else app
            for app in apps.value.items
        )
        entries["apps"] = apps._replace(value=apps.value._replace(items=items))
    return tree._replace(entries=entries)


def _plain(node: Node) -> Any:
    if isinstance(node, Scalar):
        return node.text
    if isinstance(node, Sequence):
        return [_plain(item) for item in node.items]
    return {key: _plain(entry.value) for key, entry in node.entries.items()}


def _found(error: Any, tree: Mapping, defaults: Mapping) -> Iterator[Finding]:
    """Yield the finding for pydantic's `error`, at the value that it is about.

    A rule about two keys names the other one in its context as `at`: where this key is not written
    at all, or comes from the defaults and the other does not, the other is to blame.
    """
    if error["type"] == "too_short" and error["input"]:
        return  # entries are there; what is wrong with them is told of by other errors
    place = error["loc"]
    other = error.get("ctx", {}).get("at")
    if other:
        own, others = (_weight(tree, (*place[:-1], key), defaults) for key in (place[-1], other))
        place = (*place[:-1], other) if others > own or not own else place
    node: Node = tree
    line, column, shown = node.line, node.column, list(place)
    for depth, step in enumerate(place):
        entry = node.entries.get(str(step)) if isinstance(node, Mapping) else None
        if entry is not None:
            if defaults.entries.get(str(step)) is entry:
                shown = ["defaults", *place[depth:]]
            node = entry.value
        elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
        else:
            if isinstance(node, Scalar):  # one secret_key stands for a list of one
                del shown[depth:]
            break
        line, column = node.line, node.column
        if error["type"] == "extra_forbidden" and entry is not None:
            line, column = entry.line, entry.column
    if not (isinstance(node, Scalar) and node.broken):
        yield Finding(tuple(shown), explain(error), line, column)


def _weight(tree: Mapping, place: Place, defaults: Mapping) -> int:
    """Say where the key of `place` is written: 2 for right there, 1 in the defaults, 0 nowhere."""
    parent = _at(tree, place[:-1])
    entry = parent.entries.get(str(place[-1])) if isinstance(parent, Mapping) else None
    if entry is None:
        return 0
    return 1 if defaults.entries.get(str(place[-1])) is entry else 2


def _at(tree: Node, place: Place) -> Node | None:
    node: Node | None = tree
    for step in place:
        if isinstance(node, Mapping):
            entry = node.entries.get(str(step))
            node = entry.value if entry else None
        elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
        else:
            return None
    return node


def _position(tree: Node, place: Place) -> tuple[int, int]:
    node = _at(tree, place) or tree
    return node.line, node.column


def _not_blocks(tree: Mapping) -> Iterator[Finding]:
    entry = tree.entries.get("defaults")
    if entry and not isinstance(entry.value, Mapping) and not _is_empty(entry.value):
        yield Finding(
            ("defaults",), "must be a block of keys", entry.value.line, entry.value.column
        )


def _same_names(tree: Mapping) -> Iterator[Finding]:
    """Yield apps with the name of another; names that differ in case alone share a folder on some
    file systems."""
    apps = _at(tree, ("apps",))
    seen: dict[str, tuple[int, int]] = {}
    for index in range(len(apps.items) if isinstance(apps, Sequence) else 0):
        name = _at(tree, ("apps", index, "name"))
        if isinstance(name, Scalar) and name.text and not name.broken:
            first, line = seen.setdefault(name.text.casefold(), (index, name.line))
            if first != index:
                text = f"is the name of the app in line {line} too (upper and lower case are one)"
                yield Finding(("apps", index, "name"), text, name.line, name.column)


def _absent(tree: Mapping, folder: Path) -> Iterator[Finding]:
    """Yield what the settings rely on and this machine lacks."""
    ca_file = _at(tree, ("http", "ca_file"))
    if isinstance(ca_file, Scalar) and ca_file.text and not ca_file.broken:
        problem = _unusable_ca_file(ca_file.text, folder)
        if problem:
            yield Finding(("http", "ca_file"), problem, ca_file.line, ca_file.column)
    ledger = _at(tree, ("storage", "ledger"))
    url = ledger.text or "" if isinstance(ledger, Scalar) else ""
    if ledger and url.startswith("postgresql") and find_spec("psycopg") is None:
        text = "needs a driver; run: pip install 'reportsync[postgres]'"
        yield Finding(("storage", "ledger"), text, ledger.line, ledger.column)
    urls = _at(tree, ("notify", "urls"))
    if isinstance(urls, Sequence) and urls.items and find_spec("apprise") is None:
        text = "needs a library; run: pip install 'reportsync[notify]'"
        yield Finding(("notify", "urls"), text, urls.line, urls.column)


def _unusable_ca_file(text: str, folder: Path) -> str | None:
    try:
        if b"-----BEGIN " in address.place(Path(text), folder).read_bytes():
            return None
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except ValueError:
        return None  # told of when the path was typed
    return "holds no certificate in PEM form"

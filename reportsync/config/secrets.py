"""Which values of a config file are secrets, and whether they are kept as such."""

from __future__ import annotations

from collections.abc import Iterator

from reportsync import address
from reportsync.config.document import GAP, Finding, Mapping, Node, Place, Scalar, Sequence
from reportsync.redact import MASK, SHORTEST, remember_secret

READABLE_BY_OTHERS = 0o044


def exposed(tree: Node, mode: int) -> list[Finding]:
    """Return the secrets that stand literally in a file which `mode` lets others read."""
    if not mode & READABLE_BY_OTHERS:
        return []
    text = (
        f"a secret in a file that others may read (mode {mode & 0o777:04o}); "
        "close the file, or write the value as ${env:NAME}, ${file:/path} or ${credential:name}"
    )
    return [
        Finding(place, text, scalar.line, scalar.column)
        for place, scalar in _secrets(tree)
        if _is_literal(place, scalar)
    ]


def unmaskable(tree: Node) -> list[Finding]:
    """Warn of secrets (references replaced) that are too short for `redact` to find in a text."""
    text = f"is too short to be masked in logs (under {SHORTEST} characters)"
    return [
        Finding(place, text, scalar.line, scalar.column)
        for place, scalar in _secrets(tree)
        if any(0 < len(part) < SHORTEST for part in _parts(place, scalar.text or ""))
    ]


def remember(tree: Node) -> None:
    """Have every secret of the tree (references replaced) masked in all texts from now on."""
    for place, scalar in _secrets(tree):
        text = scalar.text or ""
        for part in _parts(place, text):
            if part != MASK:
                remember_secret(part)
    for place, scalar in _scalars(tree, ()):
        if place == ("hooks", "arrival"):
            for value in scalar.fetched:
                remember_secret(value)


def _parts(place: Place, text: str) -> tuple[str, ...]:
    if place[0] == "apps":
        return (text,)
    if place[0] == "notify":
        return address.secret_parts(text)
    return address.passwords(text)


def _is_literal(place: Place, scalar: Scalar) -> bool:
    written = scalar.literal
    if place[0] in ("http", "storage"):
        written = address.password_of(written)
    return bool(written) and GAP not in written and written != MASK


def _secrets(tree: Node) -> Iterator[tuple[Place, Scalar]]:
    for place, scalar in _scalars(tree, ()):
        match place:
            case ("apps", int(), "secret_key", *_):
                yield place, scalar
            case ("notify", "healthchecks") | ("notify", "urls", *_):
                yield place, scalar
            case ("http", "proxy") | ("storage", "ledger"):
                yield place, scalar


def _scalars(node: Node, place: Place) -> Iterator[tuple[Place, Scalar]]:
    if isinstance(node, Scalar):
        yield place, node
    elif isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            yield from _scalars(item, (*place, index))
    elif isinstance(node, Mapping):
        for key, entry in node.entries.items():
            yield from _scalars(entry.value, (*place, key))

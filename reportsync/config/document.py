"""A config file as a tree of texts with their positions: YAML without its traps. Pure.

Read from parser events, so that nothing is typed, nothing is expanded and depth is bounded before
it can hurt. Findings hold no content of the file but keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

DEEPEST = 8  # the contract needs four: the file, apps, an app, its keys
TOO_DEEP = f"is nested more than {DEEPEST} levels deep"
LARGEST = 16 * 2**20  # bytes; some hundred thousand apps

Step = str | int
Place = tuple[Step, ...]


class Finding(NamedTuple):
    """One thing that is wrong at a place of the tree; `line` and `column` count from 1."""

    place: Place
    text: str
    line: int
    column: int


class Scalar(NamedTuple):
    """A value: its text, or None if it is empty, `null` or `~` without quotes.

    `literal` is what of the text was written in the file itself, each reference in it replaced by
    `GAP`. `fetched` holds what came from files and credentials. `broken` values were
    told of; `plain` ones have no quotes.
    """

    text: str | None
    line: int
    column: int
    literal: str = ""
    fetched: tuple[str, ...] = ()
    broken: bool = False
    plain: bool = False


GAP = "\0"  # no text of a file can hold it


class Sequence(NamedTuple):
    """A list of values."""

    items: tuple[Node, ...]
    line: int
    column: int


class Entry(NamedTuple):
    """A value under its key; line and column are the key's."""

    value: Node
    line: int
    column: int


class Mapping(NamedTuple):
    """A block of keys, in the order of the file."""

    entries: dict[str, Entry]
    line: int
    column: int


Node = Scalar | Sequence | Mapping

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
# Words of the parser (without content of the file) and what they come from in a config.
_SYNTAX = {
    "nesting depth": TOO_DEEP,  # libyaml's own limit, a thousand levels
    "mapping values": "a ': ' inside a text without quotes; put the text in quotes",
    "could not find expected ':'": "there is no ': ' behind a key",
    "unexpected end of stream": "a quote or bracket that is never closed",
    "cannot start any token": "a text cannot begin with this character; put it in quotes",
    "escape": "an escape that double quotes do not know; use single quotes",
    "block end": "the indentation or a quote does not fit the lines above",
    "expected key": "the indentation or a quote does not fit the lines above",
    "'-' indicator": "the indentation of a list does not fit the lines above",
    "sequence entries": "a list cannot begin here; put it on lines of its own",
    "',' or": "brackets lack a comma or their end; within them put ${...} in quotes",
    "anchor": "a text cannot begin with & or *; put it in quotes",
    "alias": "a text cannot begin with & or *; put it in quotes",
}


def parse(text: str, loader: Any = _LOADER) -> tuple[Node | None, list[Finding]]:
    """Return the tree of the YAML document in `text`, or None where it is broken, and findings."""
    match = _UNPRINTABLE.search(text)
    if match:
        line, column = _position(text, match.start())
        return None, [Finding((), "a control character; no text may hold one", line, column)]
    reader = _Reader(yaml.parse(text, Loader=loader))
    try:
        return reader.document(), reader.findings
    except _TooDeep as deep:
        reader.find(deep.event, TOO_DEEP)
    except yaml.MarkedYAMLError as error:
        reader.findings.append(_syntax(error, text, tuple(reader.place)))
    return None, reader.findings


def is_null(text: str) -> bool:
    """Say whether `text`, written without quotes, stands for no value."""
    return text in _NULLS


class _TooDeep(Exception):
    def __init__(self, event: Any) -> None:
        super().__init__()
        self.event = event


class _Reader:
    """Builds the tree from events; `place` is where it has come to."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self.place: list[Step] = []
        self.findings: list[Finding] = []

    def find(self, event: Any, text: str) -> None:
        mark = event.start_mark
        self.findings.append(Finding(tuple(self.place), text, mark.line + 1, mark.column + 1))

    def document(self) -> Node:
        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    self.find(event, "a second document begins; a config file is one document")
                    break
                root = self._node(next(self._events))
        return root if root is not None else Mapping({}, 1, 1)

    def _node(self, event: Any) -> Node:
        if len(self.place) > DEEPEST:
            raise _TooDeep(event)
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.AliasEvent):
            self.find(event, "aliases are not taken; if the text begins with *, put it in quotes")
            return Scalar(None, line, column, broken=True)
        if event.anchor is not None:
            self.find(event, "anchors are not taken; if the text begins with &, put it in quotes")
        if event.tag is not None:
            self.find(event, "tags are not taken; if the text begins with !, put it in quotes")
        if isinstance(event, yaml.SequenceStartEvent):
            return Sequence(tuple(self._items()), line, column)
        if isinstance(event, yaml.MappingStartEvent):
            return Mapping(self._entries(), line, column)
        plain = not event.style
        text = None if plain and is_null(event.value) else event.value
        return Scalar(text, line, column, literal=text or "", plain=plain)

    def _items(self) -> Iterator[Node]:
        index = 0
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            self.place.append(index)
            yield self._node(event)
            self.place.pop()
            index += 1

    def _entries(self) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event)
            self.place.append(key)
            entry = Entry(
                self._node(next(self._events)),
                event.start_mark.line + 1,
                event.start_mark.column + 1,
            )
            if key in entries:
                self.find(event, f"stands here twice; the first is in line {entries[key].line}")
            elif key:
                entries[key] = entry
            self.place.pop()
        return entries

    def _key(self, event: Any) -> str:
        """Return the text of a key; nothing, with a finding, for what cannot be one."""
        if isinstance(event, yaml.ScalarEvent) and event.value:
            return str(event.value)
        self.find(event, "a key must be a word; if this is a text with { or ?, put it in quotes")
        if not isinstance(event, yaml.ScalarEvent):
            self.place.append("")
            self._node(event)
            self.place.pop()
        return ""


def _syntax(error: yaml.MarkedYAMLError, text: str, place: Place) -> Finding:
    """Say where the YAML breaks, in our words: the parser's own quote the file."""
    problem = str(error.problem or "")
    mark = error.problem_mark
    if error.context_mark is not None and "end of stream" in problem:
        mark = error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    tab = _tab(text.split("\n"), line)
    if tab:
        return Finding(place, "indented with a tab; use spaces", *tab)
    words = next((ours for theirs, ours in _SYNTAX.items() if theirs in problem), None)
    return Finding(place, words or "is not valid YAML from here on", line, column)


def _tab(lines: list[str], last: int) -> tuple[int, int] | None:
    """Return where in the line `last`, or in the one above it, a tab indents."""
    for number in (last, last - 1):
        if 1 <= number <= len(lines) and (match := re.match(r" *\t", lines[number - 1])):
            return number, match.end()
    return None


def _position(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1

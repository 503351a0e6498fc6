"""References in values, and what they stand for.

They are `${env:NAME}`, `${env:NAME:-default}`, `${file:/path}` and `${credential:name}`.
`$${` is a literal `${`; any other `$` is itself. What a reference brings is not expanded again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Environ
from dataclasses import dataclass
from pathlib import Path

from reportsync.address import place as place_path
from reportsync.config.document import (
    GAP,
    Entry,
    Finding,
    Node,
    Place,
    Scalar,
    Sequence,
    is_null,
)
from reportsync.redact import clean

LARGEST = 64 * 2**10  # bytes of a file that holds one value

_REFERENCE = re.compile(
    r"(?P<literal>\$\$\{)|\$\{(?P<kind>env|file|credential):(?P<what>[^{}]*)\}|\$\{"
)
_FORMS = "${env:NAME}, ${env:NAME:-default}, ${file:/path} or ${credential:name}"
_UNIT_FOLDER = Path("/run/secrets")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where references look: the environment, and the folder that relative paths start from."""

    environ: Environ[str, str]
    folder: Path

    @property
    def credential_folders(self) -> tuple[Path, ...]:
        """Where credentials lie: systemd's folder if there is one, then the containers'."""
        given = self.environ.get("CREDENTIALS_DIRECTORY")
        return (Path(given), _UNIT_FOLDER) if given else (_UNIT_FOLDER,)


class _Unresolved(Exception):
    """A reference that leads nowhere; the text says which and what to do."""


def resolve(tree: Node, around: Surroundings) -> tuple[Node, list[Finding]]:
    """Return `tree` with every reference replaced, and what could not be found."""
    findings: list[Finding] = []

    def walk(node: Node, place: Place) -> Node:
        if isinstance(node, Scalar):
            return _scalar(node, place, around, findings) if "${" in (node.text or "") else node
        if isinstance(node, Sequence):
            items = tuple(walk(item, (*place, index)) for index, item in enumerate(node.items))
            return node._replace(items=items)
        entries = {
            key: Entry(walk(entry.value, (*place, key)), entry.line, entry.column)
            for key, entry in node.entries.items()
        }
        return node._replace(entries=entries)

    return walk(tree, ()), findings


def references_in(node: Node, folder: Path) -> tuple[str, ...]:
    """Return those values of `node`, a text or a list of texts, that are one reference and no more.

    They are as written, but that relative files, which start from `folder`, become absolute. Left out is
    what is anything else, or has a default: it may be a secret.
    """
    values = node.items if isinstance(node, Sequence) else (node,)
    found = (_reference(one.text or "", folder) for one in values if isinstance(one, Scalar))
    return tuple(one for one in found if one)


def _reference(text: str, folder: Path) -> str:
    match = _REFERENCE.fullmatch(text)
    if match is None or match["kind"] is None or ":-" in match["what"]:
        return ""
    if match["kind"] == "file":
        return f"${{file:{place_path(Path(match['what']), folder)}}}"
    return text


def _scalar(node: Scalar, place: Place, around: Surroundings, findings: list[Finding]) -> Scalar:
    text, literal, fetched, broken, end = "", "", [], False, 0
    raw = node.text or ""
    for match in _REFERENCE.finditer(raw):
        between = raw[end : match.start()]
        end = match.end()
        try:
            value, own = _value(match, around)
        except _Unresolved as problem:
            findings.append(Finding(place, str(problem), node.line, node.column))
            value, own, broken = "", GAP, True
        if match["kind"] in ("file", "credential"):
            fetched.append(value)
        text, literal = text + between + value, literal + between + own
    text, literal = text + raw[end:], literal + raw[end:]
    final = None if node.plain and is_null(text) else text
    return Scalar(final, node.line, node.column, literal, tuple(fetched), broken, node.plain)


def _value(match: re.Match[str], around: Surroundings) -> tuple[str, str]:
    """Return what a reference stands for, and what of that was written in the config file."""
    if match["literal"]:
        return "${", "${"
    if match["kind"] == "env":
        return _variable(match["what"], around.environ)
    if match["kind"] == "file":
        return _file(match["what"], around.folder), GAP
    if match["kind"] == "credential":
        return _credential(match["what"], around.credential_folders), GAP
    raise _Unresolved(f"a reference is {_FORMS}; write a literal ${{ as $${{")


def _variable(what: str, environ: Environ[str, str]) -> tuple[str, str]:
    name, default_given, default = what.partition(":-")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise _Unresolved("a variable's name is of letters, digits and _: ${env:NAME}")
    value = environ.get(name, "")
    if default_given:
        # The default is in the file whether or not it is used: a literal secret if it is one.
        return value or default, default
    if name not in environ:
        raise _Unresolved(
            f"the environment variable {name} is not set; set it, or write ${{env:{name}:-default}}"
        )
    return value, GAP


def _credential(name: str, folders: tuple[Path, ...]) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_@-][A-Za-z0-9_.@-]{0,200}", name):
        raise _Unresolved("a credential's name is of letters, digits, _, -, . and @")
    for folder in folders:
        try:
            return _content(folder / name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise _Unresolved(f"cannot read {folder / name}: {error.strerror}") from None
    places = " nor in ".join(str(folder) for folder in folders)
    raise _Unresolved(
        f"the credential {name} is not in {places}; give it to the unit "
        f"(LoadCredential={name}:/path) or to the container as a secret"
    )


def _file(what: str, folder: Path) -> str:
    try:
        return _content(place_path(Path(what), folder))
    except OSError as error:
        raise _Unresolved(
            f"cannot read {clean(what)}: {error.strerror}; write the file, or correct its path"
        ) from None
    except ValueError as error:
        raise _Unresolved(f"the path {error}") from None


def _content(path: Path) -> str:
    """Return the text of the file at `path` without the line breaks at its end."""
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise _Unresolved(f"a file with one value is {LARGEST // 1024} KiB at most")
    text = data.decode("utf-8", errors="replace").rstrip("\r\n")
    if re.search("[\0\ufffd]", text):
        raise _Unresolved("a file with one value is UTF-8 text, without zero bytes")
    return text

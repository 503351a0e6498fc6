"""Load the config: find the file, read it, replace references, type it, tell all that is wrong."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from collections.abc import Mapping as Environ
from dataclasses import dataclass, replace
from pathlib import Path

from reportsync.config.build import build, same_reports
from reportsync.config.document import Finding, Mapping, Node, Sequence, parse
from reportsync.config.find import WRITABLE_BY_ALL, Found, find, read, refuse_strangers
from reportsync.config.problems import in_order, problem_line
from reportsync.config.references import Surroundings, references_in, resolve
from reportsync.config.secrets import exposed, remember, unmaskable
from reportsync.errors import ConfigError
from reportsync.settings import Config


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid configuration and where it comes from.

    `keys` are how each app, in order, refers to its keys: see `references_in`.
    """

    config: Config
    path: Path  # absolute
    source: str  # how it was found: "--config", "$REPORTSYNC_CONFIG", "./config.yaml", ...
    warnings: tuple[str, ...] = ()  # lines as from `format_problems`
    keys: tuple[tuple[str, ...], ...] = ()


def load(path: Path | None = None, environ: Environ[str, str] = os.environ) -> Loaded:
    """Return the configuration of `path`, or of the first config file that there is.

    Looks at `path` (`--config`), `$REPORTSYNC_CONFIG`, `./config.yaml`, the user's and the
    machine's. Raises `ConfigError` with all problems at once, none of which holds a secret or a
    value. Every secret that is read is masked by `redact` from then on.
    """
    found = find(path, environ)
    content = read(found.path)
    refuse_strangers(found, content)
    raw, findings = parse(content.text)
    if raw is None:
        raise _error(found.path, findings, None)
    folder = found.path.absolute().parent
    tree, unresolved = resolve(raw, Surroundings(environ, folder))
    remember(tree)
    open_secrets = exposed(tree, content.mode)
    config, wrong = build(tree, folder)
    findings = [*findings, *unresolved, *open_secrets, *wrong]
    if config is None or findings:
        raise _error(found.path, findings, tree, close=bool(open_secrets))
    loaded = _loaded(config, found, tree, [*_open_to_all(tree, content.mode)])
    return replace(loaded, keys=tuple(_keys(raw, folder)))


def _keys(raw: Node, folder: Path) -> Iterator[tuple[str, ...]]:
    """Yield for each app of a valid config how it refers to its keys."""
    assert isinstance(raw, Mapping) and isinstance(raw.entries["apps"].value, Sequence)
    for app in raw.entries["apps"].value.items:
        assert isinstance(app, Mapping)
        yield references_in(app.entries["secret_key"].value, folder)


def _open_to_all(tree: Node, mode: int) -> Iterator[Finding]:
    if mode & WRITABLE_BY_ALL:
        text = "anybody may write this file, and so have commands run as you: chmod o-w"
        yield Finding((), text, tree.line, tree.column)


def _loaded(config: Config, found: Found, tree: Node, more: list[Finding]) -> Loaded:
    warnings = in_order([*more, *same_reports(config, tree), *unmaskable(tree)], tree)
    lines = tuple(problem_line(warning, str(found.path)) for warning in warnings)
    return Loaded(config, found.path.absolute(), found.source, lines)


def _error(
    path: Path, findings: list[Finding], tree: Node | None, *, close: bool = False
) -> ConfigError:
    problems = in_order(findings, tree)
    first = problem_line(problems[0], str(path))
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    file = shlex.quote(str(path))
    mend = f"mend that, then see: reportsync --config {file} config validate"
    return ConfigError(
        f"the config file cannot be used: {first}{more}",
        hint=f"chmod 600 {file}" if close else mend,
        path=path,
        problems=problems,
    )

"""Which file is the config, and what is in it."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from reportsync.config.document import LARGEST
from reportsync.errors import ConfigError

WRITABLE_BY_ALL = 0o002


class Found(NamedTuple):
    """A config file and how it was found; `unasked` in a place that others may have chosen."""

    path: Path
    source: str
    unasked: bool = False


class Content(NamedTuple):
    """What a config file holds, its mode (0 for what is not a plain file), and whose it is."""

    text: str
    mode: int
    owner: int


def find(path: Path | None, environ: Mapping[str, str]) -> Found:
    """Return the config file: `path` if given, else the first that there is of the known places.

    Raises `ConfigError` that lists each place when there is none. A file that was named and is
    missing is an error; no other is taken in its stead.
    """
    if path is not None:
        return _named(path, "--config")
    if environ.get("REPORTSYNC_CONFIG"):
        return _named(Path(environ["REPORTSYNC_CONFIG"]), "$REPORTSYNC_CONFIG")
    places = _places(environ)
    for place in places:
        if _is_there(place.path):
            return place
    shown = [
        source if str(place) == source else f"{place} ({source})" for place, source, _ in places
    ]
    raise ConfigError(
        "no config file: --config and $REPORTSYNC_CONFIG are not given, and there is no "
        + ", no ".join(shown),
        hint="reportsync init",
    )


def read(path: Path) -> Content:
    """Return the text of the config file at `path`; raise `ConfigError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(LARGEST + 1)
    except IsADirectoryError:
        inside = path / "config.yaml"
        raise ConfigError(
            f"the config file {path} is a folder",
            hint=f"name the file in it: {shlex.quote(str(inside))}"
            if _is_there(inside)
            else "name a file; a container makes a folder of what is to be mounted and is not there",
            path=path,
        ) from None
    except OSError as error:
        raise ConfigError(
            f"cannot read the config file {path}: {error.strerror}",
            hint="give the file with --config FILE, and let this user read it",
            path=path,
        ) from None
    if len(data) > LARGEST:
        raise ConfigError(
            f"the config file {path} is larger than {LARGEST // 2**20} MiB",
            hint="give the file with --config FILE",
            path=path,
        )
    mode = status.st_mode if stat.S_ISREG(status.st_mode) else 0
    return Content(_decoded(data, path), mode, status.st_uid)


def refuse_strangers(found: Found, content: Content) -> None:
    """Raise `ConfigError` for a config that nobody named and that may be somebody else's work.

    A config says which commands are run and which files are read. Whoever stands in /tmp, or has become
    another user and kept HOME, has not thereby asked for the config that lies there.
    """
    if not found.unasked:
        return
    if content.owner not in (0, os.geteuid()):
        why = f"belongs to user {content.owner}"
    elif content.mode & WRITABLE_BY_ALL:
        why = f"is one that anybody may write (mode {content.mode & 0o777:04o})"
    else:
        return
    raise ConfigError(
        f"the config file {found.path} {why}, and is not taken unasked",
        hint=f"if it is the one that you mean: reportsync --config {shlex.quote(str(found.path))} ...",
        path=found.path,
    )


def _decoded(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    raise ConfigError(
        f"the config file {path} is not UTF-8 text (line {line})",
        hint="save the file as UTF-8",
        path=path,
    )


def _named(path: Path, source: str) -> Found:
    if not _is_there(path):
        raise ConfigError(
            f"there is no config file {path} ({source})", hint=f"reportsync init {path}", path=path
        )
    return Found(path, source)


def _places(environ: Mapping[str, str]) -> tuple[Found, ...]:
    return (
        Found(Path("config.yaml"), "./config.yaml", unasked=True),
        *_own_place(environ),
        Found(Path("/etc/reportsync/config.yaml"), "/etc/reportsync/config.yaml"),
    )


def _own_place(environ: Mapping[str, str]) -> tuple[Found, ...]:
    """Return the user's own place; nothing for a user without a home, such as a container's."""
    folder = environ.get("XDG_CONFIG_HOME", "")
    shown = "$XDG_CONFIG_HOME/reportsync/config.yaml"
    if not folder.startswith("/"):  # the XDG specification: relative paths are to be ignored
        shown = "~/.config/reportsync/config.yaml"
        try:
            folder = str(Path(environ.get("HOME") or Path.home(), ".config"))
        except RuntimeError:  # what pathlib raises for a user that the machine does not know
            return ()
    return (Found(Path(folder, "reportsync", "config.yaml"), shown, unasked=True),)


def _is_there(path: Path) -> bool:
    """Say whether there is anything under the name `path`, be it a link to nothing."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise ConfigError(
            f"cannot look for the config file {path}: {error.strerror}",
            hint="give the file with --config FILE, and let this user read it",
            path=path,
        ) from None
    return True

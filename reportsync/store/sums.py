"""SHA256SUMS of a year: the derived file by which plain `sha256sum -c` checks the archive."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from reportsync.store.folders import Folders
from reportsync.store.names import SUMS
from reportsync.store.scratch import Way, open_scratch
from reportsync.store.trouble import held, storage_trouble

_LINE = re.compile(r"^([0-9a-f]{64}) [ *](.+)$", re.MULTILINE)
_LIMIT = 2**24  # bytes read of a file that a stranger may have written


def write_sums(folders: Folders, app: str, year: int, entries: Iterable[tuple[str, str]]) -> None:
    """Bring SHA256SUMS of one year up to date, atomically and durably.

    `entries` are (sha256, file name). Without any the file is removed; the same content is not
    written again. Raises StorageError.
    """
    path = sums_path(folders, app, year)
    text = _text(entries)
    if (text or None) == _content(folders, path):
        return
    with held(folders.make(*folders.parts(path.parent))) as folder:
        if text:
            _write_over(folder, path, text)
        with storage_trouble(f"bring {SUMS} up to date in", path.parent):
            if not text:
                os.unlink(path.name, dir_fd=folder)
            os.fsync(folder)


def _text(entries: Iterable[tuple[str, str]]) -> bytes:
    lines = sorted((name, sha256) for sha256, name in entries)
    return "".join(f"{sha256}  {name}\n" for name, sha256 in lines).encode()


def sums_are(folders: Folders, app: str, year: int, entries: Iterable[tuple[str, str]]) -> bool:
    """Say whether SHA256SUMS of one year is what `write_sums` would make of `entries`."""
    return (_text(entries) or None) == _content(folders, sums_path(folders, app, year))


def read_sums(folders: Folders, app: str, year: int) -> dict[str, str]:
    """Return {file name: sha256} of one year; lines that make no sense are left out."""
    content = _content(folders, sums_path(folders, app, year)) or b""
    return {name: sha256 for sha256, name in _LINE.findall(content.decode(errors="replace"))}


def sums_path(folders: Folders, app: str, year: int) -> Path:
    """Return where SHA256SUMS of one year lies."""
    return folders.root / app / f"{year:04}" / SUMS


def _content(folders: Folders, path: Path) -> bytes | None:
    try:
        file = folders.open_file(path)
    except FileNotFoundError:
        return None
    with file, storage_trouble("read", path):
        return file.read(_LIMIT)


def _write_over(folder: int, path: Path, text: bytes) -> None:
    """Put `text` under the name `path`, in `folder`, in one step; the name is not yet durable."""
    with storage_trouble("write a file in", path.parent):
        own = os.dup(folder)
    # A file without a name could not be renamed over the old one.
    with open_scratch(own, path.parent, SUMS, Way.LINKED) as scratch:
        scratch.write(text)
        scratch.settle()
        scratch.replace(path)

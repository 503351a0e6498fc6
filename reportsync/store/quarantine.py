"""Where refused bodies and damaged archives go, for a person to look at: few, and each once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from reportsync.model import Report
from reportsync.store.folders import Folders
from reportsync.store.names import QUARANTINE, day_text, quarantine_name, quarantine_prefix
from reportsync.store.scratch import Scratch
from reportsync.store.trouble import held, storage_trouble

KEPT_PER_REPORT = 3
_PIECE = 2**20  # bytes


def hash_file(file: BinaryIO, check_stop: Callable[[], None]) -> tuple[int, str]:
    """Return size and SHA-256 of what `file` holds; `check_stop` is called between pieces."""
    size, digest = 0, hashlib.sha256()
    while piece := file.read(_PIECE):
        check_stop()
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()


def set_aside(
    folders: Folders, report: Report, source: Scratch | Path, why: str, sha256: str | None = None
) -> Path:
    """Move `source`, a scratch file or a file below the root, into quarantine.

    `why` (foreign text is cleaned) becomes a part of its name; a caller who knows the `sha256` of a file
    spares reading it again. Content that is there already is kept once; of each report the newest three
    files stay. Returns where it lies, durably. Raises StorageError; FileNotFoundError passes if `source`
    is gone.
    """
    sha256 = source.sha256 if isinstance(source, Scratch) else sha256 or _hash_of(folders, source)
    place = folders.root / QUARANTINE / report.app
    with held(folders.make(QUARANTINE, report.app)) as folder:
        with storage_trouble("list", place):
            twins = _named(folder, quarantine_prefix(report.day, sha256))
        path = place / (twins[0] if twins else quarantine_name(report.day, sha256, why))
        if isinstance(source, Scratch):
            _place(source, folder, path, known=bool(twins))
        else:
            _move(folders, source, folder, path, known=bool(twins))
        with storage_trouble("clear old files from", place):
            _drop_oldest(folder, f"{day_text(report.day)}.", path.name)
    return path


def _hash_of(folders: Folders, path: Path) -> str:
    with folders.open_file(path) as file, storage_trouble("read", path):
        return hash_file(file, lambda: None)[1]


def _named(folder: int, prefix: str) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name.startswith(prefix))


def _place(source: Scratch, folder: int, path: Path, *, known: bool) -> None:
    if known:
        source.discard()
    else:
        source.settle()
        source.place(folder, path)
    # Also where it was there already: whoever put it there may have died before its own fsync.
    with storage_trouble("make a file durable in", path.parent):
        os.fsync(folder)


def _move(folders: Folders, source: Path, folder: int, path: Path, *, known: bool) -> None:
    with (
        held(folders.open(*folders.parts(source.parent))) as origin,
        storage_trouble(f"move {source.name} to {path} from", source.parent),
    ):
        if known:
            os.fsync(folder)  # before the last other name goes; its own mover may have died
            os.unlink(source.name, dir_fd=origin)
        else:
            os.rename(source.name, path.name, src_dir_fd=origin, dst_dir_fd=folder)
            os.fsync(folder)
        os.fsync(origin)


def _drop_oldest(folder: int, prefix: str, newest: str) -> None:
    # By change time, which a move sets; the modification time of a moved file is its old one.
    others = [name for name in _named(folder, prefix) if name != newest]
    others.sort(key=lambda name: os.stat(name, dir_fd=folder).st_ctime_ns)
    for name in others[: max(0, len(others) + 1 - KEPT_PER_REPORT)]:
        os.unlink(name, dir_fd=folder)

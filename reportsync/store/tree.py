"""What lies in the archive folder: archives under their final names, and strangers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from reportsync.model import Report
from reportsync.store.names import SUMS, is_app, is_scratch, is_year, parse_archive_name
from reportsync.store.trouble import storage_error


def archives(root: Path) -> Iterator[tuple[Report, int, Path]]:
    """Yield each plain file under a final name, by app, day and version; StorageError."""
    for app in _folders(root, is_app):
        for year in _folders(app.path, is_year):
            found = ((_final(entry, year.name), entry.path) for entry in listing(year.path))
            for (day, version), path in sorted((key, path) for key, path in found if key):
                yield Report(app.name, day), version, Path(path)


def strangers(root: Path) -> Iterator[Path]:
    """Yield whatever lies under the apps' folders and is none of ours; a folder counts as one."""
    for app in _folders(root, is_app):
        for entry in listing(app.path):
            if not _is_folder(entry, is_year):
                yield Path(entry.path)
                continue
            for inner in listing(entry.path):
                if not _is_ours(inner, entry.name):
                    yield Path(inner.path)


def year_folders(root: Path) -> Iterator[os.DirEntry[str]]:
    """Yield the folders that may hold archives."""
    return (year for app in _folders(root, is_app) for year in _folders(app.path, is_year))


def listing(path: str | Path) -> list[os.DirEntry[str]]:
    """Return what lies in a folder, nothing if there is no folder; StorageError."""
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage_error("list", Path(path), error) from error


def _folders(path: str | Path, named: Callable[[str], bool]) -> list[os.DirEntry[str]]:
    found = (entry for entry in listing(path) if _is_folder(entry, named))
    return sorted(found, key=lambda entry: entry.name)


def _is_folder(entry: os.DirEntry[str], named: Callable[[str], bool]) -> bool:
    return named(entry.name) and entry.is_dir(follow_symlinks=False)


def _final(entry: os.DirEntry[str], year: str) -> tuple[date, int] | None:
    """Return day and version if `entry` is an archive in the folder of its own year."""
    key = parse_archive_name(entry.name)
    fits = key is not None and entry.name.startswith(year) and entry.is_file(follow_symlinks=False)
    return key if fits else None


def _is_ours(entry: os.DirEntry[str], year: str) -> bool:
    return entry.name == SUMS or is_scratch(entry.name) or _final(entry, year) is not None

"""The archive folder as the rest of the program sees it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import date
from functools import lru_cache, reduce
from itertools import groupby
from operator import or_
from pathlib import Path
from typing import BinaryIO

from reportsync.errors import StorageError
from reportsync.model import Report
from reportsync.notation import readable_size
from reportsync.redact import clean
from reportsync.store import sums, sweep, tree
from reportsync.store.folders import Folders
from reportsync.store.marker import locked_marker, open_marked, read_marker, refuse_other
from reportsync.store.names import (
    BACKUPS,
    archive_name,
    day_text,
    is_app,
    parse_archive_name,
)
from reportsync.store.quarantine import hash_file, set_aside
from reportsync.store.scratch import Scratch, Way, open_scratch
from reportsync.store.trouble import Obstructed, held, storage_trouble

_MIN_INODES = 16  # a few reports with their folders
LOCK_TIMEOUT = 30.0  # seconds

Identity = tuple[int, int, int, int]


def _never_stop() -> None:
    return None


def _is_free(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # NFS grants it on files open for writing alone
        return True
    return True


class Store:
    """A tree of archives below `root`: whole, durable, never changed once they have their name.

    `min_free` is the number of bytes that must stay free on its volume. `way` is the best way of
    writing that is tried. Creating a Store touches no disk; `open` must come before any writing.
    Every method raises StorageError for faults of the disk. Safe to use from any thread, and by
    many processes at once.
    """

    def __init__(self, root: Path, min_free: int, *, way: Way = Way.UNNAMED) -> None:
        self.root = root
        self._min_free = min_free
        self._way = way
        self._folders = Folders(root)
        self._days: dict[tuple[str, ...], int] = {}  # of each year's folder, a bit for each day

    @property
    def backups(self) -> Path:
        """The folder for backups of the ledger; it need not exist."""
        return self.root / BACKUPS

    def open(self, known_id: str | None) -> str:
        """Prepare for writing, and return the archive's id.

        `known_id` is the id that the ledger remembers; None if it knows none, whereupon the root
        and its marker are created if they are missing. Promises that root and marker are durable
        and that a file could be created. Raises StorageError if the folder is not that archive.
        """
        return open_marked(self._folders, known_id, self._way)

    def require(self, known_id: str) -> None:
        """Raise StorageError unless the folder is the archive `known_id`; write nothing."""
        refuse_other(self._folders, known_id)

    def look(self) -> str | None:
        """Return the archive's id, None if there is no archive yet; write nothing."""
        return read_marker(self._folders)

    def require_space(self, size: int | None) -> None:
        """Raise StorageError if `size` more bytes (None: unknown) would leave too little free."""
        with storage_trouble("look at the free space of", self.root):
            volume = os.statvfs(self.root)
        free = volume.f_bavail * volume.f_frsize
        if free - (size or 0) < self._min_free:
            more = f", {readable_size(size)} more are asked for" if size else ""
            raise StorageError(
                f"only {readable_size(free)} are free for {self.root}{more}, and "
                f"{readable_size(self._min_free)} must stay free",
                hint=f"free some space (df -h {self.root}) or lower `storage.min_free`",
            )
        # Some file systems (Btrfs) have no fixed number of inodes and say 0.
        if volume.f_files and volume.f_favail < _MIN_INODES:
            raise StorageError(
                f"only {volume.f_favail} more files fit on the volume of {self.root}",
                hint=f"remove files from it: df -i {self.root}",
            )

    def path(self, report: Report, version: int = 1) -> Path:
        """Return the final name of a report's archive; `version` counts from 1.

        Raises Obstructed for what a ledger that was tampered with may say: no name below the root.
        """
        return _final_path(self.root, report, version)

    def versions(self, report: Report) -> list[int]:
        """Return the versions of `report` whose final names are taken, in order.

        The folder of a year is looked through once between two sweeps: of the first one that is put
        there meanwhile this does not tell, and `keep` finds the name taken.
        """
        parts = _year_parts(report)
        try:
            days = self._days.get(parts)
            if days is None:
                days = self._days[parts] = _bits(day for day, _ in self._archives_in(parts))
            if not days & _bit(report.day):
                return []
            found = self._archives_in(parts)
        except FileNotFoundError:
            return []
        return sorted(version for day, version in found if day == report.day)

    def _archives_in(self, parts: tuple[str, ...]) -> list[tuple[date, int]]:
        with (
            held(self._folders.open(*parts)) as folder,
            storage_trouble("list", self.root.joinpath(*parts)),
            os.scandir(folder) as entries,
        ):
            return list(filter(None, (parse_archive_name(entry.name) for entry in entries)))

    def scratch(self, report: Report) -> Scratch:
        """Return a new scratch file beside the report's final name; use it as a context.

        Makes the folders of app and year if needed, durably.
        """
        folder = self._folders.make(*_year_parts(report))
        scratch = open_scratch(folder, self._year(report), day_text(report.day), self._way)
        scratch.watch_space(lambda: self.require_space(None))
        return scratch

    def keep(self, scratch: Scratch, report: Report, version: int) -> Path:
        """Give `scratch` the final name of `version`, and return it.

        The content is durable before the name exists; the name itself only after `make_durable`.
        Raises NameTaken if something lies there already; the scratch file is then still open.
        """
        path = self.path(report, version)
        scratch.settle()
        self._folders.require_marker()
        scratch.place(scratch.folder, path)
        return path

    def make_durable(self, paths: Iterable[Path]) -> None:
        """Make the names `paths` durable, with one fsync for each distinct folder.

        Raises StorageError also when one of them is not there.
        """
        for folder, inside in groupby(sorted(paths), key=lambda path: path.parent):
            with (
                held(self._folders.make(*self._folders.parts(folder))) as descriptor,
                storage_trouble("make the names durable in", folder),
            ):
                for path in inside:
                    os.stat(path.name, dir_fd=descriptor, follow_symlinks=False)
                os.fsync(descriptor)

    def open_archive(self, report: Report, version: int) -> BinaryIO:
        """Open an archive for reading; FileNotFoundError passes.

        Raises Obstructed if something other than a plain file has its name. Wrap what is done with
        the file in `storage_trouble`.
        """
        return self._folders.open_file(self.path(report, version))

    def digest(
        self, report: Report, version: int, check_stop: Callable[[], None] = _never_stop
    ) -> tuple[int, str]:
        """Return size in bytes and SHA-256 (lower-case hex) of an archive.

        FileNotFoundError passes. `check_stop` is called (it may raise) after each MiB.
        """
        with (
            self.open_archive(report, version) as file,
            storage_trouble("read", self.path(report, version)),
        ):
            return hash_file(file, check_stop)

    def drop_cached(self, report: Report, version: int) -> None:
        """Have the next reading of an archive come from the disk, where the system can be asked to.

        FileNotFoundError passes.
        """
        with self.open_archive(report, version) as file, suppress(AttributeError, OSError):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    @contextmanager
    def reserved(self, report: Report, version: int) -> Iterator[bool]:
        """Reserve an archive for reading in the body; yield False if another process is reading it so.

        True as well if there is no such file, or if its file system knows no locks.
        """
        try:
            file = self.open_archive(report, version)
        except FileNotFoundError:
            yield True
            return
        with file:
            yield _is_free(file)

    def identity(self, report: Report, version: int) -> Identity | None:
        """Return what tells the file under a final name from any other, and from its earlier self.

        None if there is none.
        """
        path = self.path(report, version)
        with storage_trouble("look at", path):
            try:
                status = path.lstat()
            except FileNotFoundError:
                return None
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns

    def sweep(self) -> int:
        """Remove scratch files whose writers are dead, and return how many they were.

        Looks only into folders that changed since the last sweep: see `sweep.sweep`.
        """
        self._days.clear()
        return sweep.sweep(self._folders, self._way)

    def write_sums(self, app: str, year: int, entries: Iterable[tuple[str, str]]) -> None:
        """Bring SHA256SUMS of a year up to date from (sha256, file name); see `sums.write_sums`.

        Hold `lock` from before `entries` were read, lest an older list replace a newer one.
        """
        sums.write_sums(self._folders, app, year, entries)

    def sums_are(self, app: str, year: int, entries: Iterable[tuple[str, str]]) -> bool:
        """Say whether SHA256SUMS of a year is what `write_sums` would make of `entries`."""
        return sums.sums_are(self._folders, app, year, entries)

    def read_sums(self, app: str, year: int) -> dict[str, str]:
        """Return {file name: sha256} from SHA256SUMS of a year, as far as it makes sense."""
        return sums.read_sums(self._folders, app, year)

    def lock(
        self, timeout: float = LOCK_TIMEOUT, check_stop: Callable[[], None] = _never_stop
    ) -> AbstractContextManager[None]:
        """Return a context in which no other process or thread holds this lock; not to be nested.

        Raises StorageError after `timeout` seconds; `check_stop` (it may raise) ends the wait.
        """
        return locked_marker(self._folders, timeout, check_stop)

    def quarantine(
        self, report: Report, source: Scratch | Path, why: str, sha256: str | None = None
    ) -> Path:
        """Move a refused body or a damaged archive aside; see `quarantine.set_aside`."""
        return set_aside(self._folders, report, source, why, sha256)

    def walk(self) -> Iterator[tuple[Report, int, Path]]:
        """Yield (report, version, path) of all archives, sorted; none if there is no folder."""
        return tree.archives(self.root)

    def strangers(self) -> Iterator[Path]:
        """Yield what lies under the apps' folders and is none of ours."""
        return tree.strangers(self.root)

    def _year(self, report: Report) -> Path:
        return self.path(report).parent


@lru_cache(maxsize=256)
def _final_path(root: Path, report: Report, version: int) -> Path:
    name = archive_name(report.day, version)
    if not is_app(report.app) or parse_archive_name(name) is None:
        raise Obstructed(
            f"no archive can be named {clean(f'{report.app}/{name}')}, which a row of the ledger says",
            hint="none of ours writes such a row; move the ledger away, then run 'reportsync repair'",
        )
    return root.joinpath(*_year_parts(report), name)


def _bit(day: date) -> int:
    return 1 << day.timetuple().tm_yday


def _bits(days: Iterable[date]) -> int:
    return reduce(or_, map(_bit, days), 0)


def _year_parts(report: Report) -> tuple[str, str]:
    return report.app, f"{report.day.year:04}"

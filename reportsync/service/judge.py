"""Read an archive and say whether it is what was stored, by the ledger, its check sum and the zip itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from reportsync.archive import examine
from reportsync.errors import AttemptFailed, StorageError
from reportsync.model import Archive
from reportsync.present import untrusted
from reportsync.store import Store, storage_trouble
from reportsync.store.store import Identity


class Found(StrEnum):
    """What became of an archive that the ledger says is held."""

    OK = "ok"
    DAMAGED = "damaged"
    LOST = "lost"
    MISRECORDED = "misrecorded"  # the file is right, and its row in the ledger is not
    UNREADABLE = "unreadable"  # the disk does not give it, which says nothing about what it holds


AMISS = frozenset({Found.DAMAGED, Found.LOST, Found.UNREADABLE})
"""What a person is told of; a wrong row is put right without."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One archive, read again.

    `file` is what was read of one that is not as recorded, `sha256` its sum, `right` what the row of a
    misrecorded one should be, `error` why one cannot be read.
    """

    archive: Archive
    found: Found
    file: Identity | None = None
    sha256: str | None = None
    right: Archive | None = None
    error: StorageError | None = None


def judge(store: Store, archive: Archive, check_stop: Callable[[], None]) -> Checked:
    """Read the file of `archive` and say how it is; `check_stop` is called between pieces and may raise.

    One wrong reading damns no archive: a disk, a cable or a memory errs once. The file is read again,
    from the disk if possible, and is damaged if that finds the same.
    """
    try:
        first = _judge(store, archive, check_stop)
        if first.found is not Found.DAMAGED:
            return first
        store.drop_cached(archive.report, archive.version)
        return _the_same(store, first, _judge(store, archive, check_stop))
    except FileNotFoundError:
        return Checked(archive, Found.LOST)
    except StorageError as error:
        return Checked(archive, Found.UNREADABLE, error=error)


def _the_same(store: Store, first: Checked, second: Checked) -> Checked:
    """Return what two readings tell of which the first found damage: the second, if it can be believed."""
    if second.found is not Found.DAMAGED or (second.file, second.sha256) == (
        first.file,
        first.sha256,
    ):
        return second
    archive = first.archive
    why = untrusted(store.path(archive.report, archive.version))
    return Checked(archive, Found.UNREADABLE, error=why)


def _judge(store: Store, archive: Archive, check_stop: Callable[[], None]) -> Checked:
    file = store.identity(archive.report, archive.version)
    size, sha256 = store.digest(archive.report, archive.version, check_stop)
    if (size, sha256) == (archive.size, archive.sha256):
        return Checked(archive, Found.OK)
    if _is_witnessed(store, archive, sha256):
        members = _members(store, archive, check_stop)
        if members is not None:
            right = Archive(archive.report, archive.version, size, sha256, members)
            return Checked(archive, Found.MISRECORDED, file, sha256, right)
    return Checked(archive, Found.DAMAGED, file, sha256)


def _is_witnessed(store: Store, archive: Archive, sha256: str) -> bool:
    """Say whether somebody else than the row vouches for the sum of the file.

    A damaged database may have changed a row without a word; SHA256SUMS was written when it was right.
    """
    report = archive.report
    name = store.path(report, archive.version).name
    return sha256 in (archive.sha256, store.read_sums(report.app, report.day.year).get(name))


def _members(store: Store, archive: Archive, check_stop: Callable[[], None]) -> int | None:
    """Return how many members the file has, None if it is not a whole zip."""
    path = store.path(archive.report, archive.version)
    with store.open_archive(archive.report, archive.version) as file, storage_trouble("read", path):
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        try:
            return examine(file, size, check_stop=check_stop).members
        except AttemptFailed:
            return None

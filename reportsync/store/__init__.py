"""The folder of archives: scratch files, final names, check sums, quarantine."""

from __future__ import annotations

from reportsync.store.names import SUMS, archive_name, parse_archive_name
from reportsync.store.scratch import NameTaken, Scratch, Way
from reportsync.store.store import Store
from reportsync.store.trouble import Obstructed, Unreadable, storage_trouble

__all__ = [
    "SUMS", "NameTaken", "Obstructed", "Scratch", "Store", "Unreadable", "Way", "archive_name",
    "parse_archive_name", "storage_trouble",
]  # fmt: skip

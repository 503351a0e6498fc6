"""Quarantine: refused bodies and damaged archives, few and each once."""

from __future__ import annotations

import hashlib
import os
import stat
from datetime import date
from pathlib import Path

import pytest

from reportsync.errors import StorageError
from reportsync.model import Report
from reportsync.redact import remember_secret
from reportsync.store import Obstructed, Store, Way


def refuse(store: Store, report: Report, data: bytes, why: str = "bad CRC") -> Path:
    with store.scratch(report) as scratch:
        scratch.write(data)
        return store.quarantine(report, scratch, why)


def damaged(store: Store, report: Report, data: bytes) -> Path:
    path = store.path(report)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def names(root: Path) -> set[str]:
    return {path.name for path in (root / ".quarantine").rglob("*.bin")}


@pytest.fixture
def store(root: Path, way: Way) -> Store:
    store = Store(root, 0, way=way)
    store.open(None)
    return store


def test_a_refused_body_lies_in_quarantine_with_its_day_digest_and_reason(
    store: Store, root: Path, report: Report
) -> None:
    path = refuse(store, report, b"body", "a.csv: Bad CRC-32!")
    sha8 = hashlib.sha256(b"body").hexdigest()[:8]
    assert path == root / ".quarantine" / "shop" / f"20260301.{sha8}.a-csv-bad-crc-32.bin"
    assert path.read_bytes() == b"body"
    assert stat.S_IMODE(path.stat().st_mode) == 0o440
    assert list((root / "shop" / "2026").iterdir()) == []


def test_fault_30_a_damaged_archive_is_moved_and_its_name_is_free_again(
    store: Store, root: Path, report: Report
) -> None:
    source = damaged(store, report, b"altered")
    path = store.quarantine(report, source, "damaged on disk")
    assert path.read_bytes() == b"altered"
    assert not source.exists()
    assert store.versions(report) == []
    with pytest.raises(FileNotFoundError):
        store.quarantine(report, source, "damaged on disk")


def test_the_same_content_is_kept_once_whatever_the_reason(
    store: Store, root: Path, report: Report
) -> None:
    first = refuse(store, report, b"body", "one")
    assert refuse(store, report, b"body", "two") == first
    source = damaged(store, report, b"body")
    assert store.quarantine(report, source, "three") == first
    assert not source.exists()
    assert names(root) == {first.name}


def test_of_each_report_the_newest_three_stay(store: Store, root: Path, report: Report) -> None:
    other = refuse(store, Report("shop", date(2026, 3, 2)), b"other day")
    for number in range(4):
        refuse(store, report, b"%d" % number)
    old = damaged(store, report, b"last")
    os.utime(old, (0, 0))
    store.quarantine(report, old, "damaged")
    kept = {path.read_bytes() for path in (root / ".quarantine" / "shop").glob("20260301.*")}
    assert kept == {b"2", b"3", b"last"}
    assert other.exists()


@pytest.mark.parametrize("why", ["", "../../etc/passwd\x00", "ü" * 5, "x" * 5000, "a/b\n\x1b[31m"])
def test_a_reason_cannot_lead_out_of_the_folder_or_make_an_odd_name(
    store: Store, root: Path, report: Report, why: str
) -> None:
    path = refuse(store, report, b"body", why)
    assert path.parent == root / ".quarantine" / "shop"
    assert path.name.isascii()
    assert len(path.name) < 80


def test_no_secret_gets_into_a_name(store: Store, report: Report) -> None:
    remember_secret("quarantine-canary-7f3a")
    why = "echoed quarantine-canary-7f3a and Signature=0123456789abcdef"
    assert refuse(store, report, b"body", why).name.endswith(".echoed-and-signature.bin")


def test_only_a_plain_file_is_moved(store: Store, report: Report) -> None:
    path = store.path(report)
    path.mkdir(parents=True)
    with pytest.raises(Obstructed):
        store.quarantine(report, path, "odd")
    path.rmdir()
    path.symlink_to(__file__)
    with pytest.raises(Obstructed):
        store.quarantine(report, path, "odd")
    assert path.is_symlink()


def test_nothing_is_moved_from_a_volume_that_lost_its_marker(
    store: Store, root: Path, report: Report
) -> None:
    source = damaged(store, report, b"altered")
    (root / ".reportsync").unlink()
    with pytest.raises(StorageError, match=r"not mounted\?"):
        store.quarantine(report, source, "damaged")
    assert source.exists()

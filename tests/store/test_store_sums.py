"""SHA256SUMS: what plain `sha256sum -c` checks a year by."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from reportsync.errors import StorageError
from reportsync.model import Report
from reportsync.store import Obstructed, Store

DIGEST = "a" * 64


def keep_year(store: Store) -> list[tuple[str, str]]:
    entries = []
    for day, version in ((2, 1), (1, 2), (1, 1)):
        report = Report("shop", date(2026, 3, day))
        with store.scratch(report) as scratch:
            scratch.write(b"%d %d" % (day, version))
            path = store.keep(scratch, report, version)
        entries.append((scratch.sha256, path.name))
    return entries


@pytest.mark.tool("sha256sum")
def test_plain_sha256sum_checks_a_year_and_finds_a_changed_byte(
    store: Store, root: Path, tool: Callable[[str], str]
) -> None:
    store.write_sums("shop", 2026, keep_year(store))
    year = root / "shop" / "2026"
    check = [tool("sha256sum"), "--strict", "-c", "SHA256SUMS"]
    passed = subprocess.run(check, cwd=year, capture_output=True, text=True, check=False)
    assert passed.returncode == 0, passed.stderr
    assert passed.stdout.count("OK") == 3
    damaged = year / "20260302.zip"
    damaged.chmod(0o600)
    damaged.write_bytes(b"2 2")
    failed = subprocess.run(check, cwd=year, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "20260302.zip: FAILED" in failed.stdout


def test_sums_are_sorted_read_back_and_of_mode_0440(store: Store, root: Path) -> None:
    entries = keep_year(store)
    store.write_sums("shop", 2026, iter(entries))
    path = root / "shop" / "2026" / "SHA256SUMS"
    names = [line.split("  ")[1] for line in path.read_text().splitlines()]
    assert names == ["20260301.v2.zip", "20260301.zip", "20260302.zip"]
    assert store.read_sums("shop", 2026) == {name: sha256 for sha256, name in entries}
    assert stat.S_IMODE(path.stat().st_mode) == 0o440
    assert {p.name for p in path.parent.iterdir()} == {*names, "SHA256SUMS"}


def test_sums_are_replaced_as_a_whole_and_only_when_they_differ(store: Store, root: Path) -> None:
    path = root / "shop" / "2026" / "SHA256SUMS"
    store.write_sums("shop", 2026, [(DIGEST, "20260301.zip")])
    first = path.stat()
    store.write_sums("shop", 2026, [(DIGEST, "20260301.zip")])
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    with path.open() as old:
        store.write_sums("shop", 2026, [("b" * 64, "20260301.zip")])
        assert old.read() == f"{DIGEST}  20260301.zip\n"
    assert store.read_sums("shop", 2026) == {"20260301.zip": "b" * 64}


def test_sums_of_nothing_are_no_file(store: Store, root: Path) -> None:
    store.write_sums("shop", 2026, [])
    assert not (root / "shop").exists()
    assert store.read_sums("shop", 2026) == {}
    store.write_sums("shop", 2026, [(DIGEST, "20260301.zip")])
    store.write_sums("shop", 2026, [])
    assert list((root / "shop" / "2026").iterdir()) == []
    (root / "shop" / "2026" / "SHA256SUMS").touch()
    store.write_sums("shop", 2026, [])
    assert list((root / "shop" / "2026").iterdir()) == []


def test_lines_that_make_no_sense_are_left_out(store: Store, root: Path) -> None:
    year = root / "shop" / "2026"
    year.mkdir(parents=True)
    good = f"{DIGEST}  20260301.zip\n{DIGEST} *20260302.zip\n".encode()
    (year / "SHA256SUMS").write_bytes(b"\xff\xfe\n# sums\n" + good + b"abc  20260303.zip\n" + b"a")
    assert store.read_sums("shop", 2026) == {"20260301.zip": DIGEST, "20260302.zip": DIGEST}


def test_something_else_under_the_name_of_the_sums_is_refused(store: Store, root: Path) -> None:
    (root / "shop" / "2026" / "SHA256SUMS").mkdir(parents=True)
    with pytest.raises(Obstructed, match="not a plain file"):
        store.write_sums("shop", 2026, [(DIGEST, "20260301.zip")])


def test_sums_are_not_written_into_a_volume_that_is_gone(store: Store, root: Path) -> None:
    (root / ".reportsync").unlink()
    with pytest.raises(StorageError, match=r"not mounted\?"):
        store.write_sums("shop", 2026, [(DIGEST, "20260301.zip")])
    assert not (root / "shop").exists()

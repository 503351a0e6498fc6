"""What lies in the archive: archives, strangers, and scratch files left by the dead."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from reportsync.errors import StorageError
from reportsync.model import Report
from reportsync.store import Store, Way
from reportsync.store.folders import Folders
from reportsync.store.names import archive_name, parse_archive_name
from reportsync.store.scratch import open_unnamed, take_hold
from reportsync.store.sweep import sweep, sweep_file

Run = Callable[..., "subprocess.CompletedProcess[str]"]
TOKEN = "0123456789abcdef"


def plant(root: Path, *names: str) -> list[Path]:
    paths = [root / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"planted")
    return paths


@pytest.mark.parametrize("version", [1, 2, 9, 10, 99])
def test_a_final_name_is_read_as_it_was_composed(version: int) -> None:
    day = date(2024, 2, 29)
    assert parse_archive_name(archive_name(day, version)) == (day, version)


@pytest.mark.parametrize(
    "name",
    ["20260231.zip", "2026031.zip", "20260301.v1.zip", "20260301.v02.zip", "20260301.v.zip",
     "20260301.zip\n", "20260301.ZIP", "٢٠٢٦٠٣٠١.zip", "00000101.zip", " 20260301.zip", "x.zip"],
)  # fmt: skip
def test_any_other_name_is_no_final_name(name: str) -> None:
    assert parse_archive_name(name) is None


def test_archives_are_walked_by_app_day_and_version(store: Store, root: Path) -> None:
    names = (
        "b/2026/20260301.zip",
        "a/2026/20260302.v10.zip",
        "a/2026/20260302.v2.zip",
        "a/2026/20260302.zip",
        "a/2026/20260301.v2.zip",
        "a/2025/20251231.zip",
    )
    plant(root, *names, "a/2026/SHA256SUMS", "a/2025/20260101.zip", ".quarantine/a/20260301.zip")
    found = [str(path.relative_to(root)) for _, _, path in store.walk()]
    assert found == [names[5], names[4], names[3], names[2], names[1], names[0]]
    for report, version, path in store.walk():
        assert store.path(report, version) == path


def test_strangers_are_told_and_nothing_of_ours_is_one(
    store: Store, root: Path, report: Report
) -> None:
    with store.scratch(report) as scratch:
        store.keep(scratch, report, 1)
    strangers = plant(
        root,
        "shop/notes.txt",
        "shop/2026/20260301 (1).zip",
        "shop/2026/20250301.zip",
        "shop/2026/.20260301.zip.part",
    )
    plant(root, "shop/old/2026/20260301.zip", f"shop/2026/.20260301.{TOKEN}.part")
    plant(root, "shop/2026/SHA256SUMS", "readme.txt", ".ledger/backup.db", "lost+found/x")
    (root / "shop" / "2026" / "20260309.zip").symlink_to("20260301.zip")
    (root / "shop" / "2025").symlink_to("2026")
    expected = {*strangers, root / "shop" / "old", root / "shop" / "2025"}
    assert set(store.strangers()) == {*expected, root / "shop" / "2026" / "20260309.zip"}
    assert [version for _, version, _ in store.walk()] == [1]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("")
    store = Store(tmp_path / "archive", 0)
    with pytest.raises(StorageError, match="cannot list"):
        list(store.walk())


def test_fault_29_stale_scratch_files_go_and_everything_else_stays(
    store: Store, root: Path
) -> None:
    ours = plant(
        root,
        f".reportsync.{TOKEN}.part",
        f"shop/2026/.20260301.{TOKEN}.part",
        f"shop/2026/.SHA256SUMS.{TOKEN}.part",
        f"other/2025/.20251231.{TOKEN}.part",
    )
    ours[1].chmod(0o440)
    others = plant(
        root,
        "shop/2026/20260301.zip",
        "shop/2026/.20260301.part",
        f"shop/2026/.20260301.{TOKEN}.PART",
        f"shop/2026/20260301.{TOKEN}.part",
        f"shop/.20260301.{TOKEN}.part",
        f"shop/old/.20260301.{TOKEN}.part",
        f".quarantine/.20260301.{TOKEN}.part",
    )
    folder = root / "shop" / "2026" / f".20260302.{TOKEN}.part"
    folder.mkdir()
    link = root / "shop" / "2026" / f".20260303.{TOKEN}.part"
    link.symlink_to(others[0])
    assert store.sweep() == len(ours)
    assert [path for path in ours if path.exists()] == []
    assert all(path.exists() for path in (*others, folder, link))
    assert store.sweep() == 0


def tick() -> None:
    time.sleep(0.02)  # the kernel's clock for time stamps moves every 4 to 10 ms


def test_fault_29_a_folder_is_passed_over_once_clean_and_looked_at_again_when_it_changes(
    store: Store, root: Path
) -> None:
    folders, marker = Folders(root), root / ".reportsync"
    assert marker.stat().st_mtime == 0
    (part,) = plant(root, f"a/2020/.20200101.{TOKEN}.part")
    assert sweep(folders, Way.UNNAMED, margin=0) == 1
    assert marker.stat().st_mtime > 0

    plant(root, f"a/2020/.20200101.{TOKEN}.part")
    tick()
    marker.touch()
    tick()
    assert sweep(folders, Way.UNNAMED, margin=0) == 0
    assert part.exists()
    plant(root, "a/2020/20200102.zip")
    assert sweep(folders, Way.UNNAMED, margin=0) == 1


def test_fault_33_a_sweep_in_a_time_to_come_does_not_hide_scratch_files(
    store: Store, root: Path
) -> None:
    plant(root, f"a/2020/.20200101.{TOKEN}.part")
    tomorrow = time.time() + 86400
    os.utime(root / ".reportsync", (tomorrow, tomorrow))
    assert store.sweep() == 1


def test_fault_29_a_folder_with_a_living_scratch_file_is_looked_at_again(
    store: Store, root: Path, report: Report
) -> None:
    folders, sibling = Folders(root), Store(root, 0, way=Way.LINKED)
    with sibling.scratch(report):
        tick()
        assert sweep(folders, Way.UNNAMED, margin=0) == 0
        assert (root / ".reportsync").stat().st_mtime == 0


@pytest.mark.parametrize("way", [Way.LINKED, Way.RENAMED])
def test_fault_29_the_scratch_file_of_a_living_sibling_stays_until_it_is_killed(
    store: Store,
    root: Path,
    way: Way,
    command: Callable[..., list[str]],
    environment: dict[str, str],
) -> None:
    code = """
with store.scratch(report) as scratch:
    scratch.write(b"half")
    print("ready", flush=True)
    sys.stdin.readline()
"""
    with subprocess.Popen(
        command(code, root, way.name),
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as sibling:
        assert sibling.stdout
        assert sibling.stdout.readline() == "ready\n"
        (part,) = (root / "shop" / "2026").iterdir()
        assert store.sweep() == 0
        assert part.read_bytes() == b"half"
        sibling.kill()
        sibling.wait(10)
    assert part.exists()
    assert store.sweep() == 1
    assert list(part.parent.iterdir()) == []


def test_fault_29_a_scratch_file_of_our_own_that_is_still_written_stays(
    root: Path, report: Report
) -> None:
    store = Store(root, 0, way=Way.LINKED)
    store.open(None)
    with store.scratch(report) as scratch:
        scratch.write(b"x")
        assert store.sweep() == 0
        scratch.settle()
        assert store.sweep() == 0
        assert store.keep(scratch, report, 1).read_bytes() == b"x"


def test_fault_25_a_kill_leaves_nothing_at_all_where_files_need_no_name(
    root: Path, store: Store, run: Run
) -> None:
    code = """
import signal
with store.scratch(report) as scratch:
    scratch.write(b"half")
    scratch.settle()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    folder = os.open(root, os.O_RDONLY)
    unnamed = open_unnamed(folder)
    os.close(folder)
    if unnamed is None:
        pytest.skip("the file system of the tests has no O_TMPFILE")
    os.close(unnamed)
    assert run(code, root).returncode == -9
    assert list((root / "shop" / "2026").iterdir()) == []


def test_fault_29_a_scratch_file_without_permissions_is_swept_by_its_owner_only(
    open_folder: Path, run: Run, become_nobody: str
) -> None:
    name = f".reportsync.{TOKEN}.part"
    foreign = ".reportsync.fedcba9876543210.part"
    root = open_folder
    plant(root, foreign)[0].chmod(0o600)
    code = f"""
store.open(None)
mine = root / "{name}"
mine.touch()
mine.chmod(0)
print(store.sweep(), mine.exists(), (root / "{foreign}").exists())
"""
    if os.geteuid() == 0:
        assert run(become_nobody + code, root).stdout == "1 False True\n"
    else:
        assert run(become_nobody + code, root).stdout == "2 False False\n"


def test_a_new_scratch_file_that_a_sweep_has_got_hold_of_first_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "part"
    with path.open("wb") as writer, path.open("rb") as sweeper:
        fcntl.flock(sweeper, fcntl.LOCK_SH)
        assert not take_hold(writer.fileno())
        fcntl.flock(sweeper, fcntl.LOCK_UN)
        assert take_hold(writer.fileno())
    with path.open("wb") as writer:
        assert sweep_file(path) is True
        assert not take_hold(writer.fileno())
    assert sweep_file(path) is False


def test_a_folder_whose_mode_is_being_set_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = Folders(tmp_path)
    opened, refused = os.open, threading.Event()

    def refusing(path: Any, flags: int, *args: Any, **more: Any) -> int:
        if path == "one" and not refused.is_set():
            refused.set()
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, flags, *args, **more)

    (tmp_path / "one").mkdir()
    with ThreadPoolExecutor(1) as threads, folders._making:
        monkeypatch.setattr(os, "open", refusing)
        entered = threads.submit(folders.open, "one")
        assert refused.wait(5)
        time.sleep(0.02)
        assert not entered.done()
        folders._making.release()
        os.close(entered.result(5))
        folders._making.acquire()

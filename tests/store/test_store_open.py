"""The marker, the checks of the root, and the free space."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reportsync.errors import Stopped, StorageError
from reportsync.model import Report
from reportsync.store import Obstructed, Store, Way

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Volume = Callable[[str], list[str]]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_making_a_store_and_looking_at_it_touch_no_disk(tmp_path: Path) -> None:
    store = Store(tmp_path / "none" / "archive", 0)
    assert store.look() is None
    assert list(store.walk()) == []
    assert store.sweep() == 0
    assert list(tmp_path.iterdir()) == []


def test_the_first_opening_creates_the_folder_and_a_marker_that_names_it(
    tmp_path: Path, way: Way
) -> None:
    root = tmp_path / "new" / "archive"
    store = Store(root, 0, way=way)
    archive_id = store.open(None)
    assert str(uuid.UUID(archive_id)) == archive_id
    assert f"archive: {archive_id}\n" in (root / ".reportsync").read_text()
    assert (mode(root), mode(root.parent), mode(root / ".reportsync")) == (0o750, 0o750, 0o640)
    assert [path.name for path in root.iterdir()] == [".reportsync"]
    assert store.look() == store.open(None) == store.open(archive_id) == archive_id


def test_a_folder_that_is_there_already_is_marked_and_keeps_its_mode(root: Path) -> None:
    root.mkdir()
    root.chmod(0o755)
    Store(root, 0).open(None)
    assert mode(root) == 0o755


def test_many_who_open_a_new_archive_at_once_agree_on_its_id(root: Path, way: Way) -> None:
    barrier = threading.Barrier(8)

    def first(_: int) -> str:
        barrier.wait()
        return Store(root, 0, way=way).open(None)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(first, range(8)))) == 1


def test_the_root_itself_may_be_a_symbolic_link(tmp_path: Path, report: Report) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "archive").symlink_to("volume")
    store = Store(tmp_path / "archive", 0)
    store.open(None)
    with store.scratch(report) as scratch:
        store.keep(scratch, report, 1)
    assert (tmp_path / "volume" / "shop" / "2026" / "20260301.zip").exists()


@pytest.mark.parametrize("there", [True, False])
def test_fault_22_a_volume_that_is_not_mounted_is_noticed(root: Path, there: bool) -> None:
    if there:
        root.mkdir()
    archive_id = str(uuid.uuid4())
    store = Store(root, 0)
    with pytest.raises(StorageError, match=r"not mounted\?") as caught:
        store.open(archive_id)
    assert str(root) in caught.value.message
    assert root.exists() is there
    assert caught.value.hint is not None
    assert caught.value.last_resort is not None
    os.system(caught.value.last_resort)
    assert store.open(archive_id) == archive_id


def test_fault_22_a_volume_that_is_unmounted_in_mid_pass_is_noticed(
    root: Path, store: Store, report: Report
) -> None:
    with store.scratch(report) as scratch:
        scratch.write(b"whole")
        (root / ".reportsync").unlink()
        with pytest.raises(StorageError, match=r"not mounted\?"):
            store.keep(scratch, report, 1)
    other = Report("other", report.day)
    with pytest.raises(StorageError, match=r"not mounted\?"):
        store.scratch(other)
    assert not (root / "other").exists()
    with pytest.raises(StorageError, match="lock"), store.lock():
        pass


def test_another_archive_than_the_ledger_knows_is_refused(store: Store) -> None:
    with pytest.raises(StorageError, match="another archive") as caught:
        store.open(str(uuid.uuid4()))
    assert "storage.ledger" in str(caught.value.hint)


@pytest.mark.parametrize("text", [b"", b"archive: 17\n", b"\xff\x00" * 5000])
def test_a_marker_that_makes_no_sense_is_refused(root: Path, store: Store, text: bytes) -> None:
    (root / ".reportsync").write_bytes(text)
    for deed in (store.look, lambda: store.open(None)):
        with pytest.raises(StorageError, match="does not say which archive"):
            deed()


def test_a_marker_that_cannot_be_a_marker_is_refused(root: Path, store: Store) -> None:
    (root / ".reportsync").unlink()
    (root / ".reportsync").symlink_to(root / "elsewhere")
    with pytest.raises(Obstructed, match="symbolic link"):
        store.look()
    (root / ".reportsync").unlink()
    os.mkfifo(root / ".reportsync")
    with pytest.raises(Obstructed, match="not a plain file"):
        store.look()


@pytest.mark.parametrize("place", ["archive", "archive/below"])
def test_fault_22_a_file_in_place_of_the_root_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "archive").write_text("")
    store = Store(tmp_path / place, 0)
    with pytest.raises(StorageError, match="Not a directory") as caught:
        store.open(None)
    assert "ls -ld" in str(caught.value.hint)


def test_fault_22_a_root_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "archive").symlink_to("archive")
    with pytest.raises(StorageError, match="archive"):
        Store(tmp_path / "archive", 0).open(None)


def test_fault_22_a_folder_that_is_not_ours_to_write_is_refused_by_path_and_user(
    open_folder: Path, run: Run, become_nobody: str
) -> None:
    root = open_folder / "archive"
    root.mkdir(0o555)
    outcome = run(become_nobody + "refused(lambda: store.open(None))", root)
    kind, message, hint = json.loads(outcome.stdout)
    assert (kind, "Permission denied" in message) == ("StorageError", True)
    assert str(root) in message
    assert f"chown -R {os.geteuid() or 65534} {root}" in hint
    assert list(root.iterdir()) == []


def test_fault_22_root_does_not_write_into_the_archive_of_another_user(
    open_folder: Path, run: Run
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root could do that")
    outcome = run("refused(lambda: store.open(None))", open_folder)
    assert "sudo -u '#65534'" in json.loads(outcome.stdout)[2]
    assert list(open_folder.iterdir()) == []


def test_fault_22_a_volume_that_is_read_only_is_refused(
    tmp_path: Path, run: Run, volume: Volume
) -> None:
    code = """
store.open(None)
os.system(f"mount -o remount,ro {root}")
refused(lambda: store.open(None))
refused(lambda: store.scratch(report))
"""
    outcome = run(code, tmp_path, before=volume("size=1m"))
    for line in outcome.stdout.splitlines():
        kind, message, hint = json.loads(line)
        assert (kind, "Read-only file system" in message) == ("StorageError", True)
        assert "remount,rw" in hint
    assert len(outcome.stdout.splitlines()) == 2


def test_fault_20_space_is_required_for_the_size_besides_the_reserve(root: Path) -> None:
    Store(root, 0).open(None)
    volume = os.statvfs(root)
    free = volume.f_bavail * volume.f_frsize
    store = Store(root, free // 2)
    store.require_space(None)
    store.require_space(free // 4)
    with pytest.raises(StorageError, match="must stay free") as caught:
        store.require_space(free)
    assert str(root) in caught.value.message
    assert "storage.min_free" in str(caught.value.hint)
    with pytest.raises(StorageError, match="must stay free"):
        Store(root, 2 * free).require_space(None)


def test_fault_21_a_volume_without_inodes_is_noticed_before_the_download(
    tmp_path: Path, run: Run, volume: Volume
) -> None:
    code = "store.open(None); refused(lambda: store.require_space(10))"
    outcome = run(code, tmp_path, before=volume("size=1m,nr_inodes=12"))
    kind, message, hint = json.loads(outcome.stdout)
    assert (kind, "more files fit" in message, "df -i" in hint) == ("StorageError", True, True)


def test_space_cannot_be_told_of_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        Store(tmp_path / "none", 0).require_space(1)


def test_one_process_at_a_time_holds_the_lock(store: Store, root: Path) -> None:
    with store.lock():
        with (
            pytest.raises(StorageError, match="another process") as caught,
            Store(root, 0).lock(timeout=0.05),
        ):
            pass
        assert "fuser" in str(caught.value.hint)
    with Store(root, 0).lock(timeout=0.05):
        pass


def test_a_wait_for_the_lock_ends_when_the_process_is_asked_to_stop(
    store: Store, root: Path
) -> None:
    def stop() -> None:
        raise Stopped("stopped on request")

    with store.lock(), pytest.raises(Stopped), Store(root, 0).lock(check_stop=stop):
        pass


def test_backups_of_the_ledger_have_a_place_of_their_own(store: Store, root: Path) -> None:
    assert store.backups == root / ".ledger"

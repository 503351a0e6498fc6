"""From scratch file to final name: whole, durable, never replacing."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import stat
import subprocess
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from reportsync.errors import Stopped, StorageError
from reportsync.model import Report
from reportsync.stop import Stop
from reportsync.store import NameTaken, Obstructed, Store, Way

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def visible(root: Path) -> set[str]:
    files = (path for path in root.rglob("*") if not path.is_dir())
    return {str(path.relative_to(root)) for path in files} - {".reportsync"}


def keep(store: Store, report: Report, data: bytes, version: int = 1) -> Path:
    with store.scratch(report) as scratch:
        scratch.write(data)
        return store.keep(scratch, report, version)


@pytest.fixture
def store(root: Path, way: Way) -> Store:
    store = Store(root, 0, way=way)
    store.open(None)
    return store


def test_row_32_a_kept_file_has_its_bytes_mode_and_digest_under_the_final_name(
    store: Store, root: Path, report: Report
) -> None:
    with store.scratch(report) as scratch:
        scratch.write(b"one ")
        scratch.write(b"")
        scratch.write(b"two")
        assert not {name for name in visible(root) if name.endswith(".zip")}
        path = store.keep(scratch, report, 1)
    assert path == store.path(report) == root / "shop" / "2026" / "20260301.zip"
    assert path.read_bytes() == b"one two"
    assert (scratch.size, scratch.sha256) == (7, hashlib.sha256(b"one two").hexdigest())
    assert store.digest(report, 1) == (scratch.size, scratch.sha256)
    assert stat.S_IMODE(path.stat().st_mode) == 0o440
    assert path.stat().st_nlink == 1
    assert visible(root) == {"shop/2026/20260301.zip"}


def test_leaving_without_keep_leaves_nothing(store: Store, root: Path, report: Report) -> None:
    with store.scratch(report) as scratch:
        scratch.write(b"half")
    scratch.discard()
    with pytest.raises(RuntimeError), store.scratch(report) as other:
        other.write(b"half")
        raise RuntimeError
    assert visible(root) == set()
    assert (scratch.size, other.size) == (4, 4)


def test_a_name_that_is_taken_is_never_replaced_and_the_next_version_is_free(
    store: Store, root: Path, report: Report
) -> None:
    first = keep(store, report, b"first")
    with store.scratch(report) as scratch:
        scratch.write(b"second")
        with pytest.raises(NameTaken, match=re.escape(str(first))):
            store.keep(scratch, report, 1)
        assert first.read_bytes() == b"first"
        second = store.keep(scratch, report, 2)
    assert (first.read_bytes(), second.read_bytes()) == (b"first", b"second")
    assert second.name == "20260301.v2.zip"
    assert store.versions(report) == [1, 2]
    assert visible(root) == {"shop/2026/20260301.zip", "shop/2026/20260301.v2.zip"}


@pytest.mark.parametrize("what", ["folder", "link", "pipe"])
def test_anything_under_a_final_name_takes_it_and_is_refused_when_opened(
    store: Store, report: Report, what: str
) -> None:
    path = store.path(report)
    path.parent.mkdir(parents=True)
    make: dict[str, Callable[[], None]] = {
        "folder": path.mkdir,
        "link": lambda: path.symlink_to("elsewhere"),
        "pipe": lambda: os.mkfifo(path),
    }
    make[what]()
    assert store.versions(report) == [1]
    with pytest.raises(NameTaken):
        keep(store, report, b"new")
    with pytest.raises(Obstructed, match=re.escape(str(path))) as caught:
        store.open_archive(report, 1)
    assert "ls -ld" in str(caught.value.hint)


@pytest.mark.parametrize("part", ["shop", "shop/2026"])
@pytest.mark.parametrize("what", ["link", "file"])
def test_a_folder_that_is_a_link_or_a_file_is_refused_and_not_followed(
    store: Store, root: Path, tmp_path: Path, report: Report, part: str, what: str
) -> None:
    outside = tmp_path / "outside" / "2026"
    outside.mkdir(parents=True)
    place = root / part
    place.parent.mkdir(exist_ok=True)
    if what == "link":
        place.symlink_to(outside.parent if part == "shop" else outside)
    else:
        place.write_text("")
    deeds: list[Callable[[], object]] = [
        lambda: store.scratch(report),
        lambda: store.versions(report),
        lambda: store.open_archive(report, 1),
    ]
    for deed in deeds:
        with pytest.raises(Obstructed, match=re.escape(str(place))):
            deed()
    assert list(outside.iterdir()) == []
    assert list(store.walk()) == []


def test_versions_are_listed_by_number_and_for_their_own_day_only(
    store: Store, report: Report
) -> None:
    assert store.versions(report) == []
    for version in (10, 2, 1):
        keep(store, report, b"x", version)
    keep(store, Report("shop", date(2026, 3, 2)), b"x")
    assert store.versions(report) == [1, 2, 10]


def test_what_was_written_can_be_read_before_it_is_kept(store: Store, report: Report) -> None:
    with store.scratch(report) as scratch:
        with scratch.reader() as empty:
            assert empty.read() == b""
        scratch.write(b"0123")
        with scratch.reader() as file:
            assert file.read(2) == b"01"
            assert file.read() == b"23"
            assert file.seek(0, os.SEEK_END) == 4
        scratch.write(b"45")
        with scratch.reader() as again:
            assert again.read() == b"012345"
        assert store.keep(scratch, report, 1).read_bytes() == b"012345"


def test_a_zip_can_be_examined_in_the_scratch_file(
    store: Store, report: Report, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as made:
        made.writestr("a.csv", "1,2\n" * 1000)
    with store.scratch(report) as scratch:
        scratch.write((tmp_path / "made.zip").read_bytes())
        with scratch.reader() as file, zipfile.ZipFile(file) as archive:
            assert archive.testzip() is None


def test_a_closed_scratch_file_can_be_used_no_more(store: Store, report: Report) -> None:
    with store.scratch(report) as scratch:
        scratch.write(b"x")
        with pytest.raises(ValueError, match="settled"):
            scratch.place(0, store.path(report))
        with pytest.raises(ValueError, match="settled"):
            scratch.replace(store.path(report))
        store.keep(scratch, report, 1)
        with pytest.raises(ValueError, match="closed"):
            scratch.write(b"y")
        with pytest.raises(ValueError, match="closed"):
            scratch.reader()
        with pytest.raises(ValueError, match="closed"):
            store.keep(scratch, report, 2)
    assert store.versions(report) == [1]


def test_a_scratch_file_whose_name_somebody_removed_is_discarded_in_peace(
    root: Path, report: Report
) -> None:
    store = Store(root, 0, way=Way.LINKED)
    store.open(None)
    with store.scratch(report) as scratch:
        scratch.write(b"x")
        for path in store.path(report).parent.iterdir():
            path.unlink()
    assert visible(root) == set()


def test_fault_20_a_body_without_a_length_is_stopped_when_space_runs_out(
    store: Store, root: Path, report: Report, way: Way
) -> None:
    volume = os.statvfs(root)
    wary = Store(root, 2 * volume.f_bavail * volume.f_frsize, way=way)
    with wary.scratch(report) as scratch:
        piece = bytes(2**24)
        for _ in range(3):
            scratch.write(piece)
        with pytest.raises(StorageError, match="must stay free"):
            scratch.write(piece)
        assert visible(root) == set()


def test_reading_an_archive_that_is_not_there_says_so(store: Store, report: Report) -> None:
    with pytest.raises(FileNotFoundError):
        store.open_archive(report, 1)
    keep(store, report, b"x")
    with pytest.raises(FileNotFoundError):
        store.digest(report, 2)


def test_a_digest_can_be_broken_off(store: Store, report: Report) -> None:
    stop = Stop()
    stop.request()
    keep(store, report, b"x" * 5)
    with pytest.raises(Stopped):
        store.digest(report, 1, stop.check)


def test_names_are_made_durable_once_a_folder_and_again_at_will(
    store: Store, report: Report
) -> None:
    other = Report("other", report.day)
    paths = [keep(store, report, b"x"), keep(store, report, b"y", 2), keep(store, other, b"z")]
    store.make_durable(paths)
    store.make_durable(paths)
    store.make_durable([])
    for path in paths[:2]:
        path.unlink()
    with pytest.raises(StorageError, match="No such file"):
        store.make_durable(paths)
    paths[0].parent.rmdir()
    store.make_durable(paths[2:])
    keep(store, report, b"again")


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_fault_22_modes_are_the_same_under_any_umask(
    open_folder: Path, run: Run, become_nobody: str, way: Way, umask: int
) -> None:
    code = f"""
os.umask({umask})
store.open(None)
with store.scratch(report) as scratch:
    scratch.write(b"x")
    store.keep(scratch, report, 1)
store.write_sums("shop", 2026, [("0" * 64, "20260301.zip")])
with store.lock():
    print(store.versions(report), store.digest(report, 1)[0])
"""
    root = open_folder / "new" / "archive"
    outcome = run(become_nobody + code, root, way.name)
    assert (outcome.stdout, outcome.stderr) == ("[1] 1\n", "")
    modes = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in open_folder.rglob("*")}
    assert modes == {
        **dict.fromkeys(("new", "archive", "shop", "2026"), 0o750),
        ".reportsync": 0o640,
        **dict.fromkeys(("20260301.zip", "SHA256SUMS"), 0o440),
    }


def test_folders_keep_the_group_bit_that_they_inherit(root: Path, report: Report) -> None:
    root.mkdir()
    root.chmod(0o2770)
    store = Store(root, 0)
    store.open(None)
    keep(store, report, b"x")
    assert stat.S_IMODE((root / "shop" / "2026").stat().st_mode) == 0o2750


def test_of_many_threads_that_keep_one_name_exactly_one_wins(store: Store, report: Report) -> None:
    def attempt(number: int) -> bool:
        try:
            keep(store, report, b"%d" % number)
        except NameTaken:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(attempt, range(24)))
    assert won.count(True) == 1
    assert store.path(report).read_bytes() == b"%d" % won.index(True)


def test_a_rename_waits_for_whoever_is_naming_in_the_folder_and_then_looks(
    root: Path, report: Report
) -> None:
    store = Store(root, 0, way=Way.RENAMED)
    store.open(None)
    path = store.path(report)
    with store.scratch(report) as scratch, ThreadPoolExecutor(1) as pool:
        scratch.write(b"late")
        folder = os.open(path.parent, os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX)
        late = pool.submit(store.keep, scratch, report, 1)
        with pytest.raises(TimeoutError):
            late.result(timeout=0.1)
        path.write_bytes(b"early")
        os.close(folder)
        with pytest.raises(NameTaken):
            late.result(timeout=10)
    assert path.read_bytes() == b"early"


def test_of_two_processes_that_keep_the_same_names_exactly_one_wins_each(
    store: Store,
    root: Path,
    way: Way,
    command: Callable[..., list[str]],
    environment: dict[str, str],
) -> None:
    code = """
print("ready", flush=True)
sys.stdin.readline()
for day in range(1, 29):
    report = Report("shop", date(2026, 3, day))
    with store.scratch(report) as scratch:
        scratch.write(sys.argv[3].encode())
        try:
            store.keep(scratch, report, 1)
        except NameTaken:
            continue
        print(day)
"""
    rivals = [
        subprocess.Popen(
            command(code, root, way.name, name),
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "ab"
    ]
    for rival in rivals:
        assert rival.stdout and rival.stdout.readline() == "ready\n"
    for rival in rivals:
        assert rival.stdin
        rival.stdin.write("go\n")
        rival.stdin.flush()
    won = [set(map(int, rival.communicate(timeout=30)[0].split())) for rival in rivals]
    assert won[0] | won[1] == set(range(1, 29))
    assert not won[0] & won[1]
    for found, _, path in store.walk():
        assert path.read_text() == ("a" if found.day.day in won[0] else "b")
    assert len(visible(root)) == 28

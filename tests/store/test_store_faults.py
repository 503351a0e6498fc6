"""Faults of the disk and kills at any moment, brought about in a process under a tracer."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from sampling import sampled

from reportsync.store import Store, Way

Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.tool("strace")

# One report from first to last, as a pass does it; safe to run again.
PASS = """
def deed():
    store.open(store.look())
    store.sweep()
    if not store.versions(report):
        with store.scratch(report) as scratch:
            scratch.write(b"first half, ")
            scratch.write(b"second half")
            with scratch.reader() as file:
                assert len(file.read()) == 23
            store.keep(scratch, report, 1)
    store.make_durable([store.path(report)])
    with store.lock():
        store.write_sums("shop", 2026, [(store.digest(report, 1)[1], "20260301.zip")])
    print("whole")
"""
REFUSED = PASS + "refused(deed)"
WHOLE = b"first half, second half"
CALLS = (
    "mkdirat,fchmod,fchmodat,pwrite64,fsync,fdatasync,linkat,"
    "renameat,renameat2,unlinkat,unlink,flock"
)


def content(root: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(root)): (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
        for path in root.rglob("*")
        if path.is_file() and path.name != ".reportsync"
    }


def check_wreck(root: Path) -> None:
    for name, (_, data) in content(root).items():
        if not name.endswith(".part"):
            assert data in {WHOLE} or name.endswith("SHA256SUMS"), name


def traced(strace: str, log: Path, *rules: str, calls: str = CALLS) -> list[str]:
    return [strace, "-qq", "-y", "-o", str(log), "-e", f"trace={calls}", *rules]


def inject(rule: str) -> tuple[str, str]:
    return "-e", f"inject={rule}"


def test_row_33_the_file_is_durable_before_its_name_exists_and_its_folder_after(
    root: Path, tmp_path: Path, run: Run, strace: str, way: Way
) -> None:
    log = tmp_path / "log"
    outcome = run(PASS + "deed()", root, way.name, before=traced(strace, log))
    assert outcome.stdout == "whole\n", outcome.stderr
    lines = log.read_text().splitlines()
    naming = [n for n, line in enumerate(lines) if '"20260301.zip"' in line and "= 0" in line]
    assert len(naming) == 1
    folder = re.escape(str(root / "shop" / "2026"))
    file_syncs = [n for n, line in enumerate(lines) if re.match(rf"fsync\(\d+<{folder}/", line)]
    folder_syncs = [n for n, line in enumerate(lines) if re.match(rf"fsync\(\d+<{folder}>", line)]
    last_write = max(n for n, line in enumerate(lines) if "second half" in line)
    of_archive = [n for n in file_syncs if n < folder_syncs[0]]
    assert len(of_archive) == 1
    assert last_write < of_archive[0] < naming[0] < folder_syncs[0]
    for made in ("shop", "shop/2026"):
        parent = re.escape(str((root / made).parent))
        assert any(re.match(rf"fsync\(\d+<{parent}>", line) for line in lines[: naming[0]])


NAMING = """
for data in (b"one", b"two"):
    with store.scratch(report) as scratch:
        scratch.write(data)
        store.quarantine(report, scratch, "refused")
store.path(report).write_bytes(b"altered")
store.quarantine(report, store.path(report), "damaged")
store.path(report).write_bytes(b"one")
store.quarantine(report, store.path(report), "damaged again")
store.write_sums("shop", 2026, [("0" * 64, "20260301.zip")])
store.write_sums("shop", 2026, [])
"""


@pytest.mark.parametrize("more", sampled([NAMING, ""]))
def test_every_name_that_is_given_or_taken_away_is_made_durable(
    root: Path, tmp_path: Path, run: Run, strace: str, way: Way, more: str
) -> None:
    log = tmp_path / "log"
    assert (
        run("store.open(None)" + more, root, way.name, before=traced(strace, log)).returncode == 0
    )
    waiting: set[str] = set()  # folders with a change that is not durable yet
    seen: set[str] = set()
    for line in log.read_text().splitlines():
        if synced := re.match(r"fsync\(\d+<([^>]+)>", line):
            waiting.discard(synced[1])
        elif line.startswith(("linkat", "renameat", "unlinkat")):
            names = re.findall(r'\d<([^>]+)>, "((?!\.\w+\.\w+\.part)[^"/]+)"', line)
            changed = {folder for folder, _ in names}
            assert not changed & waiting, line
            waiting |= changed
            seen |= changed
    assert waiting == set()
    inner = {str(root / "shop" / "2026"), str(root / ".quarantine" / "shop")}
    assert seen == ({str(root), *inner} if more else {str(root)})


@pytest.mark.parametrize("fault", sampled(["ENOSPC", "EDQUOT", "EIO", "EROFS"]))
@pytest.mark.parametrize("call", ["pwrite64", "fsync", "linkat"])
def test_fault_21_a_failing_disk_leaves_nothing_visible_and_is_named_with_a_remedy(
    root: Path, tmp_path: Path, run: Run, strace: str, report_path: Path, call: str, fault: str
) -> None:
    Store(root, 0).open(None)
    log = tmp_path / "log"
    rules = inject(f"{call}:error={fault}:when={3 if call == 'fsync' else 1}")
    outcome = run(REFUSED, root, before=traced(strace, log, *rules))
    kind, message, hint = json.loads(outcome.stdout)
    assert kind == "StorageError"
    assert str(report_path.parent) in message
    assert os.strerror(getattr(errno, fault)) in message
    assert hint
    assert content(root) == {}
    if call == "fsync":
        assert "(INJECTED)" in log.read_text().splitlines()[-1]
    assert run(REFUSED, root).stdout == "whole\n"


@pytest.fixture
def report_path(root: Path) -> Path:
    return root / "shop" / "2026" / "20260301.zip"


@pytest.mark.parametrize("call", ["pwrite64", "fsync"])
def test_fault_21_an_interrupted_call_is_repeated(
    root: Path, tmp_path: Path, run: Run, strace: str, call: str
) -> None:
    before = traced(strace, tmp_path / "log", *inject(f"{call}:error=EINTR:when=1..2"))
    assert run(REFUSED, root, before=before).stdout == "whole\n"
    check_wreck(root)


def test_fault_21_a_rename_that_fails_leaves_nothing_visible(
    root: Path, tmp_path: Path, run: Run, strace: str
) -> None:
    before = traced(strace, tmp_path / "log", *inject("renameat:error=EIO:when=2"))
    outcome = run(REFUSED, root, Way.RENAMED.name, before=before)
    assert json.loads(outcome.stdout)[0] == "StorageError"
    assert content(root) == {}


@pytest.mark.parametrize("answer", sampled(["EOPNOTSUPP", "EISDIR", "ENOENT"]))
def test_a_file_system_without_unnamed_files_gets_a_unique_name(
    root: Path, tmp_path: Path, run: Run, strace: str, report_path: Path, answer: str
) -> None:
    Store(root, 0).open(None)
    log = tmp_path / "log"
    rules = inject(f"openat:error={answer}:when=1")
    before = [*traced(strace, log, *rules, calls="openat"), "-P", str(report_path.parent)]
    assert run(REFUSED, root, before=before).stdout == "whole\n"
    refused, then, *_ = log.read_text().splitlines()
    assert "O_TMPFILE" in refused
    assert re.search(r'"\.20260301\.[0-9a-f]{16}\.part", .*O_EXCL', then)
    assert content(root).keys() == {"shop/2026/20260301.zip", "shop/2026/SHA256SUMS"}


@pytest.mark.parametrize("way", [Way.LINKED, Way.RENAMED])
def test_a_file_system_without_links_gets_a_rename_that_refuses_to_replace(
    root: Path, tmp_path: Path, run: Run, strace: str, way: Way
) -> None:
    before = traced(strace, tmp_path / "log", *inject("linkat:error=EPERM"))
    assert run(REFUSED, root, way.name, before=before).stdout == "whole\n"
    check_wreck(root)
    code = """
with store.scratch(report) as scratch:
    try:
        store.keep(scratch, report, 1)
    except NameTaken:
        print("taken")
"""
    assert run(code, root, way.name, before=before).stdout == "taken\n"
    check_wreck(root)


def test_a_file_system_without_permission_bits_is_good_enough(
    root: Path, tmp_path: Path, run: Run, strace: str, way: Way
) -> None:
    before = traced(strace, tmp_path / "log", *inject("fchmod:error=EPERM"))
    assert run(REFUSED, root, way.name, before=before).stdout == "whole\n"


def test_a_file_system_without_locks_is_refused_and_nothing_stays(
    root: Path, tmp_path: Path, run: Run, strace: str
) -> None:
    before = traced(strace, tmp_path / "log", *inject("flock:error=ENOLCK"))
    outcome = run(REFUSED, root, Way.LINKED.name, before=before)
    assert "No locks available" in json.loads(outcome.stdout)[1]
    assert content(root) == {}


def test_fault_21_a_folder_whose_permissions_cannot_be_set_is_named(
    root: Path, tmp_path: Path, run: Run, strace: str
) -> None:
    before = traced(strace, tmp_path / "log", *inject("fchmod:error=EIO"))
    outcome = run(REFUSED, root, before=before)
    assert str(root) in json.loads(outcome.stdout)[1]


def test_fault_21_an_archive_that_cannot_be_read_is_named(
    root: Path, tmp_path: Path, run: Run, strace: str, report_path: Path
) -> None:
    run(REFUSED, root)
    code = "refused(lambda: store.digest(report, 1))"
    before = [
        strace, "-qq", "-o", str(tmp_path / "log"), "-P", str(report_path),
        "-e", "trace=read", "-e", "inject=read:error=EIO",
    ]  # fmt: skip
    _, message, hint = json.loads(run(code, root, before=before).stdout)
    assert message == f"cannot read {report_path}: Input/output error"
    assert "dmesg" in hint


def kill_points(log: Path) -> list[tuple[str, int]]:
    seen: dict[str, int] = {}
    points = []
    for line in log.read_text().splitlines():
        call = line.split("(")[0]
        seen[call] = seen.get(call, 0) + 1
        points.append((call, seen[call]))
    return points


def kill_at(points: list[tuple[str, int]], folder: Path, run: Run, strace: str, way: Way) -> None:
    """Kill a pass at each of the points, look at the wreck, run it again and compare."""
    run(REFUSED, folder / "undisturbed", way.name)
    for call, when in points:
        wreck = folder / f"{call}-{when}"
        before = traced(strace, folder / "log", *inject(f"{call}:signal=KILL:when={when}"))
        assert run(REFUSED, wreck, way.name, before=before).returncode == -signal.SIGKILL
        check_wreck(wreck)
        if way is Way.UNNAMED:
            assert not list(wreck.rglob(".2*.part"))
        assert run(REFUSED, wreck, way.name).stdout == "whole\n"
        assert content(wreck) == content(folder / "undisturbed")


@pytest.fixture
def points(tmp_path: Path, run: Run, strace: str, way: Way) -> list[tuple[str, int]]:
    run(REFUSED, tmp_path / "counted", way.name, before=traced(strace, tmp_path / "log"))
    points = kill_points(tmp_path / "log")
    assert len(points) > 15
    return points


@pytest.mark.slow
def test_fault_25_a_kill_at_any_fifth_call_is_made_good_by_a_rerun(
    points: list[tuple[str, int]], tmp_path: Path, run: Run, strace: str, way: Way
) -> None:
    kill_at(points[list(Way).index(way) :: 5], tmp_path, run, strace, way)


@pytest.mark.slow
def test_fault_25_a_kill_at_any_call_that_touches_the_disk_is_made_good_by_a_rerun(
    points: list[tuple[str, int]], tmp_path: Path, run: Run, strace: str, way: Way
) -> None:
    kill_at(points, tmp_path, run, strace, way)

"""Limits of the process and of the volume: file size, descriptors, space."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from reportsync.store import Way

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Volume = Callable[[str], list[str]]


def files(root: Path) -> list[Path]:
    found = (path for path in root.rglob("*") if path.is_file())
    return sorted(path for path in found if path.name != ".reportsync")


def test_fault_22_a_limit_on_the_size_of_files_is_named_with_the_setting_that_raises_it(
    root: Path, run: Run, way: Way
) -> None:
    code = """
import resource
store.open(None)
resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, 70_000))
def deed():
    with store.scratch(report) as scratch:
        scratch.write(b"x" * 100_000)
refused(deed)
"""
    _, message, hint = json.loads(run(code, root, way.name).stdout)
    assert "File too large" in message
    assert "LimitFSIZE=" in hint
    assert files(root) == []


def test_fault_22_running_out_of_descriptors_is_named_at_every_step_and_nothing_stays(
    root: Path, run: Run, way: Way
) -> None:
    code = """
import resource
store.open(None)
def deed():
    with store.scratch(report) as scratch:
        scratch.write(b"x")
        scratch.reader().close()
        store.keep(scratch, report, 1)
        sys.exit(print("whole"))
top = os.dup(0)
os.close(top)
for spare in range(-2, 12):
    resource.setrlimit(resource.RLIMIT_NOFILE, (top + spare, 4096))
    refused(deed)
"""
    lines = run(code, root, way.name).stdout.splitlines()
    whole = lines.index("whole")
    assert whole >= 4
    for line in lines[:whole]:
        kind, message, hint = json.loads(line)
        assert (kind, "Too many open files" in message) == ("StorageError", True)
        assert "LimitNOFILE=" in hint
    assert [str(path.relative_to(root)) for path in files(root)] == ["shop/2026/20260301.zip"]


def test_fault_21_a_full_volume_keeps_what_was_there_and_heals_by_itself(
    tmp_path: Path, run: Run, volume: Volume, way: Way
) -> None:
    code = """
store.open(None)
ballast = root / "ballast"
ballast.write_bytes(bytes(600_000))
def deed():
    with store.scratch(report) as scratch:
        for _ in range(10):
            scratch.write(bytes(100_000))
        store.keep(scratch, report, 1)
        print("whole")
refused(deed)
print(json.dumps([path.name for path in root.rglob("*") if path.is_file()]))
ballast.unlink()
refused(deed)
"""
    outcome = run(code, tmp_path, way.name, before=volume("size=1200k"))
    refusal, names, end = outcome.stdout.splitlines()
    kind, message, hint = json.loads(refusal)
    assert (kind, "No space left" in message, "df -h" in hint) == ("StorageError", True, True)
    assert sorted(json.loads(names)) == [".reportsync", "ballast"]
    assert end == "whole"

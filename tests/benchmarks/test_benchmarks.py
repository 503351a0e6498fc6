"""The benchmarks run: what they list, and one small line with all that belongs to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def measure(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m benchmarks`."""
    command = [sys.executable, "-m", "benchmarks", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_the_lines_are_listed_once_each() -> None:
    listed = measure("--list")
    assert (listed.returncode, listed.stderr) == (0, "")
    names = [line.split()[0] for line in listed.stdout.splitlines()[1:]]
    assert {"4k-hand", "64k-hand", "1m-hand", "100m-hand", "4k-50ms-32"} <= set(names)
    assert len(names) == len(set(names))


def test_an_unknown_line_is_refused() -> None:
    refused = measure("4k-telepathy")
    assert refused.returncode == 2
    assert "no line is called 4k-telepathy; --list names them" in refused.stderr


@pytest.mark.slow
@pytest.mark.tool("nginx", "curl", "unzip")
def test_a_small_line_is_measured_and_leaves_only_the_archives_that_it_made(tmp_path: Path) -> None:
    done = measure("tiny", "--runs", "1", "--markdown", "--folder", str(tmp_path))
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("| tiny |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:3] == ["5 x 4 KiB, no latency, 8 wide", "by hand"]
    seconds, peak = (cells[n].split(" / ") for n in (7, 9))
    assert float(cells[3].removesuffix("x")) > 0 < min(map(float, seconds))
    assert float(peak[0]) > float(peak[1]) > 0
    assert "- by hand: curl --parallel; then unzip -t each, sha256sum, sync" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]

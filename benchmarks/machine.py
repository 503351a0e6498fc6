"""What a table was measured on: the machine, and the versions of who ran."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import subprocess
import zlib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from benchmarks.server import Missing, find
from reportsync import __version__

_PEERS = (
    ("nginx", "-v"),
    ("curl", "--version"),
    ("unzip", "-v"),
    ("wget", "--version"),
    ("aria2c", "--version"),
    ("rclone", "--version"),
)


def describe(folder: Path) -> Iterator[str]:
    """Yield lines about the machine, the file system of `folder`, and versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    yield (
        f"{_cpu()}, {os.cpu_count()} cores, {memory:.0f} GiB; Linux {platform.release()},"
        f" {_file_system(folder)}"
    )
    versions = ", ".join(f"{name} {_version(name, word)}" for name, word in _PEERS)
    yield (
        f"reportsync {__version__}, Python {platform.python_version()},"
        f" SQLite {sqlite3.sqlite_version}, {_inflater()}; {versions}"
    )


def _inflater() -> str:
    """Return who unpacks: `reportsync[fast]` brings isal."""
    try:
        return f"isal {metadata.version('isal')}"
    except metadata.PackageNotFoundError:
        return f"zlib {zlib.ZLIB_RUNTIME_VERSION}"


def _cpu() -> str:
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    return found[1] if found else platform.machine()


def _file_system(folder: Path) -> str:
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    inside = [m for m in mounts if folder.is_relative_to(m[1].encode().decode("unicode_escape"))]
    return max(inside, key=lambda mount: len(mount[1]))[2]


def _version(name: str, word: str) -> str:
    try:
        ran = subprocess.run([find(name), word], capture_output=True, text=True)
    except Missing:
        return "is missing"
    found = re.search(r"\d+(\.\d+)+", ran.stdout + ran.stderr)
    return found[0] if found else "?"

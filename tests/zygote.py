"""Runs commands in forks of a process that has everything imported: see `zygote_main.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def environment(more: Mapping[str, str] | None = None, package: Path = ROOT) -> dict[str, str]:
    """Return a plain environment: nothing of the tests' own may steer a command.

    `package` is the folder from which `reportsync` is imported.
    """
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONPATH": str(package), "PYTHONWARNINGS": "error", **(more or {})}


class Zygote(AbstractContextManager["Zygote"]):
    """Runs commands by forking a process that has everything imported from the folder `package`."""

    def __init__(self, package: Path = ROOT) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("zygote_main.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(package=package),
        )

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)

    def run(self, **order: Any) -> int:
        """Run a command to its end and return its exit code, that of a signal below 0."""
        self.start(**order)
        kind, number = self.answer()
        assert kind == "ended"
        return number

    def start(self, **order: Any) -> None:
        """Begin a command; only one at a time."""
        assert self._process.stdin
        print(json.dumps(order), file=self._process.stdin, flush=True)

    def answer(self) -> tuple[str, int]:
        """Return ("held", thread) when that waits for its tracer, and at last ("ended", exit code)."""
        assert self._process.stdout
        kind, number = self._process.stdout.readline().split()
        return kind, int(number)

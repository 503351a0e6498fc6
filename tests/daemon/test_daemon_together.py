"""Several daemons and a backfill over one ledger; a daemon that is ended at any moment of its work."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from daemon_process import Running, since, wait_until

from reportsync.sandbox import Fault, Sandbox

Start = Callable[..., Running]

pytestmark = pytest.mark.slow
DAYS = 120
GRACE = 3.0
LEEWAY = 5.0  # seconds for a busy machine to end a process that has nothing left to do


def test_fault_28_two_daemons_and_a_backfill_of_eight_workers_fetch_each_report_once(
    start: Start, sandbox: Sandbox, tmp_path: Path
) -> None:
    first = start(days=DAYS, daemon="interval: 1s, grace: 3s")
    second = Running(tmp_path, [sys.executable], {})
    backfill = subprocess.run(
        [sys.executable, "-m", "reportsync", "--config", str(tmp_path / "config.yaml"),
         "backfill", "--since=-200d", "--workers=8"],
        cwd=tmp_path, env={**os.environ}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    try:
        assert backfill.returncode == 0, backfill.stderr
        assert len(list((tmp_path / "archive").glob("shop/*/*.zip"))) == DAYS
        asked = [sandbox.asked("DAEMONAPP", since(number)) for number in range(1, DAYS + 1)]
        assert asked == [1] * DAYS
        assert sandbox.journal.doubled() == frozenset()
        assert first.process.poll() is None and second.process.poll() is None
    finally:
        second.close()


@pytest.mark.parametrize("seed", range(6))
def test_invariant_10_sigterm_ends_a_daemon_within_its_grace_at_any_moment(
    start: Start, sandbox: Sandbox, seed: int
) -> None:
    chance = random.Random(seed)
    kinds = ("drip", "hang", "silent", "slow-headers", "404", "500", "bad-crc")
    sandbox.faults.replace(*(Fault(kind, share=0.1, seed=seed + n) for n, kind in enumerate(kinds)))
    running = start(days=60, daemon="interval: 1s, grace: 3s")
    wait_until(lambda: running.events("started") or running.process.poll())
    time.sleep(chance.uniform(0, 1.5))
    code, seconds = running.end(signal.SIGTERM, within=GRACE + 2 * LEEWAY)
    assert code == 128 + signal.SIGTERM
    assert seconds < GRACE + LEEWAY
    assert list((running.folder / "archive").rglob("*.part")) == []


@pytest.mark.tool("strace")
def test_fault_22_a_slow_disk_takes_longer_and_nothing_else(start: Start, tmp_path: Path) -> None:
    slow = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync,linkat,unlink"]
    slow += ["-e", "inject=fsync,fdatasync,linkat,unlink:delay_exit=100000"]  # microseconds
    running = start(days=8, arguments=[*slow, sys.executable])
    ended = running.await_event("pass", seconds=60)
    assert (ended["stored"], ended["exit"]) == (8, 0)
    assert ended["seconds"] > 0.5, "the disk was slow"

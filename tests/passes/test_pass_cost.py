"""What a report of a backfill costs, counted and not timed: statements, commits, fsyncs, requests, calls."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pass_world import Here, ago, backfill, stand_in
from sqlalchemy import event

from reportsync.sandbox import Sandbox
from reportsync.service.world import World

DAYS = 40
STATEMENTS = 11
"""To claim a report, two. To record it: its claim, attempt, neighbours before and after, whether the version
is known, archive, bytes, sums, state."""
BESIDE = DAYS + 40  # the days' rows, and what a pass asks once
CALLS = 3900
"""15 % over what Python's and C's functions the one worker called for a report when this was written."""
TAIL = 8192  # bytes at most that are read before the rest, to find out how an archive is laid out


@contextmanager
def asked(world: World) -> Iterator[list[str]]:
    """Yield what SQLite is asked, in the body, by whatever way."""
    said: list[str] = []

    def watch(driver: Any, *more: Any) -> None:
        driver.set_trace_callback(said.append)

    engine = world.ledger._engine
    event.listen(engine, "checkout", watch)
    yield said
    event.remove(engine, "checkout", watch)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the fsyncs of files and of folders."""
    count: Counter[str] = Counter()
    real = os.fsync

    def fsync(file: int) -> None:
        count["folder" if stat.S_ISDIR(os.fstat(file).st_mode) else "file"] += 1
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    return count


@contextmanager
def calls() -> Iterator[Counter[str]]:
    """Count the functions that workers hired in the body call."""
    count: Counter[str] = Counter()

    def note(_: Any, what: str, __: Any) -> None:
        if what in ("call", "c_call"):
            count[threading.current_thread().name] += 1

    threading.setprofile(note)
    try:
        yield count
    finally:
        threading.setprofile(None)
        sys.setprofile(None)


def test_a_report_has_an_fsync_of_its_own_and_shares_commits_and_folders(
    tmp_path: Path, synced: Counter[str]
) -> None:
    here, shop = Here(tmp_path), stand_in("shop", DAYS)
    here.settings["workers"] = "8"
    with Sandbox([shop], clock=here.clock) as sandbox, here.world(sandbox, shop) as world:
        synced.clear()
        with asked(world) as said:
            summary, _ = backfill(world, ago(DAYS - 1), ago(0))
        requests = len(sandbox.requests)
    assert (summary.stored, requests) == (DAYS, DAYS)
    years = 1
    assert synced["file"] - DAYS <= years + 2, "SHA256SUMS, the backup, its check"
    assert synced["folder"] < DAYS
    assert said.count("COMMIT") < DAYS, "claims and records have theirs in common"
    plain = [one for one in said if not one.startswith(("BEGIN", "COMMIT", "ROLLBACK"))]
    assert DAYS * STATEMENTS <= len(plain) <= DAYS * STATEMENTS + BESIDE


def test_a_report_takes_no_more_calls_than_it_did(tmp_path: Path) -> None:
    here, shop = Here(tmp_path), stand_in("shop", DAYS)
    here.settings["workers"] = "1"
    with (
        Sandbox([shop], clock=here.clock) as sandbox,
        here.world(sandbox, shop) as world,
        calls() as count,
    ):
        backfill(world, ago(DAYS - 1), ago(0))
    assert CALLS / 3 < count["collect-0"] / DAYS < CALLS


@pytest.mark.slow
@pytest.mark.tool("strace")
@pytest.mark.parametrize("size", [4_000, 600_000])
def test_of_an_archive_no_byte_is_read_twice(tmp_path: Path, size: int) -> None:
    shop, trace = stand_in("shop", 8), tmp_path / "trace"
    with Sandbox([shop], report_size=size) as sandbox:
        config = tmp_path / "config.yaml"
        config.touch(mode=0o600)
        config.write_text(
            "apps: [{name: shop, app_id: IDSHOP, secret_key: key-of-shop-0123456789,"
            f" base_url: '{sandbox.url}', since: {ago(7)}, until: {ago(0)}}}]\n"
            f"storage: {{archive: {tmp_path}/archive, ledger: 'sqlite:///{tmp_path}/l.db', min_free: 0}}\n"
            "http: {rate: 0}\n"
        )
        tracer = ["strace", "-ff", "-y", "-qq", "-o", str(trace), "-e", "trace=read,pread64,readv"]
        program = [sys.executable, "-m", "reportsync", "--config", str(config), "-q", "sync"]
        ended = subprocess.run([*tracer, *program], check=False, timeout=120)
    assert ended.returncode == 0
    calls_made = "".join(path.read_text() for path in tmp_path.glob("trace.*"))
    archives = [path.stat().st_size for path in (tmp_path / "archive").rglob("*.zip")]
    read = [int(match[1]) for match in _READ.finditer(calls_made)]
    assert len(archives) == 8
    assert sum(archives) <= sum(read) <= sum(archives) + 8 * TAIL


_READ = re.compile(r"read(?:64|v)?\(\d+<[^>]*/archive/shop/.* = (\d+)$", re.MULTILINE)

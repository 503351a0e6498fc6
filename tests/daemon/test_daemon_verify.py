"""The daemon verifies by itself what it holds, gently, and mends what it finds."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from daemon_process import Running, since, wait_until

from reportsync.sandbox import Sandbox

MIB = 2**20
QUICKLY = "verify: {every: 1s, bandwidth: 0}"


def archive_of(running: Running, days_ago: int) -> Path:
    day = since(days_ago)
    return running.folder / "archive" / "shop" / f"{day:%Y}" / f"{day:%Y%m%d}.zip"


def alter(path: Path) -> bytes:
    path.chmod(0o640)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return bytes(data)


def rows(running: Running, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(running.folder / "ledger.db", timeout=20)) as connection:
        return connection.execute(query).fetchall()


def results(running: Running) -> set[str]:
    return {event["result"] for event in running.events("verified")}


@pytest.mark.parametrize("how", ["damaged", pytest.param("lost", marks=pytest.mark.slow)])
def test_row_36_a_daemon_finds_a_bad_archive_fetches_it_again_and_tells(
    start: Callable[..., Running], sandbox: Sandbox, how: str
) -> None:
    running = start(rest=QUICKLY)
    running.await_event("pass")
    path = archive_of(running, 2)
    right = path.read_bytes()
    altered = alter(path)
    if how == "lost":
        path.unlink()
    running.await_event("pass", 2)
    wait_until(lambda: path.exists() and path.read_bytes() == right)
    titles = [event["title"] for event in running.events("incident")]
    assert titles[0] == "shop: 1 archive is damaged or lost"
    wait_until(lambda: len(running.events("incident")) == 2)
    assert running.events("incident")[1]["phase"] == "over"
    assert results(running) == {how}
    assert sandbox.asked("DAEMONAPP", since(2)) == 2
    aside = [one.read_bytes() for one in (running.folder / "archive").glob(".quarantine/*/*.bin")]
    assert aside == ([altered] if how == "damaged" else [])
    assert running.end()[0] == 143


@pytest.mark.slow
def test_row_35_each_archive_is_verified_once_in_the_time_that_the_config_gives(
    start: Callable[..., Running],
) -> None:
    running = start(rest="verify: {every: 3s}")
    running.await_event("pass")
    (before,) = rows(running, "SELECT max(verified) FROM archives")
    wait_until(lambda: rows(running, "SELECT min(verified) FROM archives") > [before])
    assert running.events("verified") == []
    assert running.end()[0] == 143


@pytest.mark.slow
def test_a_daemon_that_is_told_not_to_verify_does_not(start: Callable[..., Running]) -> None:
    running = start(rest="verify: {every: 0s}")
    running.await_event("pass")
    archive_of(running, 2).unlink()
    with closing(sqlite3.connect(running.folder / "ledger.db", timeout=20)) as connection:
        connection.execute("UPDATE archives SET verified = '2020-01-01T00:00:00.000000Z'").close()
        connection.commit()
    running.send(signal.SIGHUP)
    running.await_event("pass", 1)
    running.await_event("started", 2)
    assert running.end()[0] == 143
    assert running.events("verified") == []


@pytest.mark.slow
def test_invariant_10_a_daemon_ends_in_time_in_the_middle_of_verifying_a_huge_file(
    start: Callable[..., Running],
) -> None:
    running = start(rest="verify: {every: 1s, bandwidth: 2MiB}")
    running.await_event("pass")
    path = archive_of(running, 2)
    path.chmod(0o640)
    os.truncate(path, 4 * 2**30)  # a hole, which takes no space
    wait_until(lambda: read_of(running, path))
    began = time.monotonic()
    time.sleep(1.5)
    read = read_of(running, path)
    # A second's worth may come at once.
    assert 0 < read <= 2 * MIB * (time.monotonic() - began + 4)
    code, seconds = running.end()
    assert code == 143
    assert seconds < 3
    assert path.stat().st_size == 4 * 2**30


def read_of(running: Running, path: Path) -> int:
    """Return how far the daemon has read in a file, by that of its descriptors that is furthest."""
    process = Path(f"/proc/{running.process.pid}")
    furthest = 0
    for one in (process / "fd").iterdir():
        try:
            if one.readlink() == path:
                position = (process / "fdinfo" / one.name).read_text().split()[1]
                furthest = max(furthest, int(position))
        except FileNotFoundError:
            continue
    return furthest


@pytest.mark.slow
def test_an_archive_that_the_disk_does_not_give_is_trouble_with_the_disk_until_it_is_mended(
    start: Callable[..., Running],
) -> None:
    running = start(daemon="interval: 1s, grace: 3s", rest=QUICKLY)
    running.await_event("pass")
    path = archive_of(running, 2)
    kept = path.with_name("kept")
    path.rename(kept)
    path.mkdir()
    event = running.await_event("incident")
    assert event["title"] == "the archive or the ledger cannot be used"
    passes = "SELECT count(*) FROM passes"
    (before,) = rows(running, passes)[0]
    wait_until(lambda: rows(running, passes)[0][0] > before + 2)
    assert len(running.events("incident")) == 1, "neither closed nor told again by each pass"
    assert rows(running, "SELECT state FROM reports GROUP BY state") == [("stored",)]
    assert path.is_dir()
    path.rmdir()
    kept.rename(path)
    day = since(2)
    rows_changed = (
        f"UPDATE archives SET verified = '2026-01-01T00:00:00.000000Z' WHERE day = '{day}'"
    )
    with closing(sqlite3.connect(running.folder / "ledger.db", timeout=20)) as connection:
        connection.execute(rows_changed).close()  # as another process that has read it
        connection.commit()
    wait_until(lambda: len(running.events("incident")) == 2)
    assert running.events("incident")[1]["phase"] == "over"
    assert running.end()[0] == 143

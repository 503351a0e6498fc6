"""A real daemon under signals: in order, in time, in every state."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from daemon_process import Running, since, wait_until, write_config
from sampling import sampled

from reportsync.ledger import open_writing
from reportsync.sandbox import Fault, Sandbox

GRACE = 3.0


def claims(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        return int(connection.execute("SELECT count(*) FROM claims").fetchone()[0])


def keeps_signals(pid: int) -> bool:
    """Say whether the process has blocked SIGTERM, so that it waits until somebody looks for it."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (blocked,) = [int(line.split()[1], 16) for line in lines if line.startswith("SigBlk:")]
    return bool(blocked >> (signal.SIGTERM - 1) & 1)


def scratch_files(folder: Path) -> list[Path]:
    return list((folder / "archive").rglob("*.part"))


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)],
    ids=["TERM", "INT"],
)
def test_fault_26_an_idle_daemon_ends_at_once(
    start: Callable[..., Running], number: signal.Signals, code: int
) -> None:
    running = start()
    running.await_event("pass")
    ended, seconds = running.end(number)
    assert ended == code
    assert seconds < GRACE
    assert running.events("stopped")


@pytest.mark.parametrize("held", ["folder", pytest.param("ledger", marks=pytest.mark.slow)])
def test_fault_26_a_daemon_that_waits_for_a_lock_at_its_start_ends_at_once(
    tmp_path: Path, start: Callable[..., Running], held: str
) -> None:
    open_writing(f"sqlite:///{tmp_path}/ledger.db").close()
    with contextlib.ExitStack() as locks:
        if held == "folder":
            folder = os.open(tmp_path, os.O_RDONLY)
            locks.callback(os.close, folder)
            fcntl.flock(folder, fcntl.LOCK_EX)
        else:
            ledger = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
            locks.callback(ledger.close)
            ledger.execute("BEGIN EXCLUSIVE")
        running = start()
        wait_until(lambda: keeps_signals(running.process.pid))
        ended, seconds = running.end()
    assert ended == 143
    assert seconds < GRACE
    assert running.events("stopped")


@pytest.mark.parametrize("marker", sampled([True, False]), ids=["begins", "cannot begin"])
def test_fault_31_the_log_tells_of_a_ledger_that_was_lost_and_restored(
    start: Callable[..., Running], marker: bool
) -> None:
    first = start()
    first.await_event("pass")
    first.end()
    (first.folder / "ledger.db").unlink()
    (backup,) = (first.folder / "archive" / ".ledger").iterdir()
    if not marker:
        (first.folder / "archive" / ".reportsync").unlink()
    again = start()
    assert again.await_event("ledger restored")["backup"] == str(backup)
    if not marker:
        assert again.process.wait(10) == 5


def test_the_log_tells_what_mends_a_report_that_failed(
    start: Callable[..., Running], sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault("html-200"))
    told = start().await_event("report")
    assert (told["outcome"], told["remedy"]) == ("failed", "check base_url and http.proxy")


@pytest.mark.parametrize("kind", ["drip", "hang", "slow-headers", "silent"])
@pytest.mark.slow
def test_fault_26_a_daemon_in_mid_download_ends_within_its_grace(
    start: Callable[..., Running], sandbox: Sandbox, kind: str
) -> None:
    sandbox.faults.add(Fault(kind))
    running = start()
    wait_until(lambda: sandbox.journal.most_at_once() >= 1)
    ended, seconds = running.end()
    assert ended == 143
    assert seconds < GRACE
    assert claims(running.folder) == 0
    assert scratch_files(running.folder) == []


@pytest.mark.slow
def test_fault_26_a_daemon_in_commits_ends_in_order(
    start: Callable[..., Running], sandbox: Sandbox
) -> None:
    running = start(days=900)
    wait_until(lambda: len(sandbox.requests) > 50)
    ended, seconds = running.end()
    assert ended == 143
    assert seconds < GRACE
    assert claims(running.folder) == 0
    with closing(sqlite3.connect(running.folder / "ledger.db")) as connection:
        rows = connection.execute("SELECT day FROM reports WHERE state = 'stored'").fetchall()
    names = {path.stem for path in (running.folder / "archive" / "shop").rglob("*.zip")}
    assert {row[0].replace("-", "") for row in rows} == names


@pytest.mark.slow
def test_fault_26_a_second_signal_changes_nothing(
    start: Callable[..., Running], sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault("hang"))
    running = start()
    wait_until(lambda: sandbox.journal.most_at_once() >= 1)
    running.send(signal.SIGTERM)
    ended, seconds = running.end()
    assert ended == 143
    assert seconds < GRACE


@pytest.mark.slow
def test_fault_26_a_storm_of_hups_is_outlived(start: Callable[..., Running]) -> None:
    running = start()
    running.await_event("pass")
    for _ in range(50):
        running.send(signal.SIGHUP)
        time.sleep(0.01)
    running.await_event("config reloaded")
    assert running.process.poll() is None
    assert running.end()[0] == 143


@pytest.mark.slow
def test_fault_36_a_config_that_became_invalid_is_not_taken(
    start: Callable[..., Running], sandbox: Sandbox
) -> None:
    running = start(daemon="interval: 1s, grace: 3s")
    running.await_event("pass")
    (running.folder / "config.yaml").write_text("apps: [{name: shop}]\n")
    running.send(signal.SIGHUP)
    told = running.await_event("config not reloaded, the old one stays")
    assert "app_id" in told["reason"]
    assert running.process.poll() is None
    assert not running.events("config reloaded")


def test_fault_37_a_corrected_key_and_an_added_day_are_picked_up(
    start: Callable[..., Running], sandbox: Sandbox
) -> None:
    running = start()
    path = running.folder / "config.yaml"
    right = path.read_text()
    running.await_event("pass")
    path.write_text(right.replace("daemon-key-not-a-secret", "the-wrong-key-not-a-secret"))
    running.send(signal.SIGHUP)
    running.await_event("config reloaded")
    write_config(running.folder, sandbox.url, days=5)
    running.send(signal.SIGHUP)
    running.await_event("config reloaded", 2)
    assert running.await_event("pass", 2)["stored"] == 2


@pytest.mark.slow
def test_a_reload_takes_the_level_of_the_log_too(
    start: Callable[..., Running], sandbox: Sandbox
) -> None:
    running = start(rest="log: {level: warning}\n")
    wait_until(lambda: sandbox.requests)
    write_config(running.folder, sandbox.url)
    running.send(signal.SIGHUP)
    running.await_event("started")
    assert running.end()[0] == 143


@pytest.mark.slow
def test_fault_27_a_daemon_outlives_being_stopped_for_longer_than_it_waits_for_signals(
    start: Callable[..., Running],
) -> None:
    running = start()
    running.await_event("pass")
    for _ in range(3):
        running.send(signal.SIGSTOP)
        time.sleep(1.3)
        running.send(signal.SIGCONT)
        time.sleep(0.2)
    assert running.process.poll() is None
    assert running.end()[0] == 143


@pytest.mark.tool("unshare")
@pytest.mark.slow
def test_it_ends_on_sigterm_as_the_first_process_of_a_container(
    start: Callable[..., Running],
) -> None:
    unshare = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
        unshare = ["unshare", "--pid", "--fork", "--kill-child"]
    running = start(arguments=[*unshare, sys.executable])
    running.await_event("pass")
    children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children")
    child = int(children.read_text().split()[0])
    status = Path(f"/proc/{child}/status").read_text().splitlines()
    assert next(line for line in status if line.startswith("NSpid")).endswith("\t1")
    os.kill(child, signal.SIGTERM)
    assert running.process.wait(5) == 143
    assert running.events("stopped")


@pytest.mark.slow
def test_the_days_are_those_that_the_ledger_has(start: Callable[..., Running]) -> None:
    running = start(days=5)
    running.await_event("pass")
    with closing(sqlite3.connect(running.folder / "ledger.db")) as connection:
        first, count = connection.execute("SELECT min(day), count(*) FROM reports").fetchone()
    assert (first, count) == (str(since(5)), 5)

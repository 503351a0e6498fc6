"""A daemon that cannot go on says so and ends; its service manager hears how it is."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon_process import Running, wait_until, write_config

from reportsync.sandbox import Sandbox


@pytest.mark.slow
def test_a_deleted_ledger_is_noticed_and_rebuilt_from_the_archive(
    start: Callable[..., Running],
) -> None:
    running = start(daemon="interval: 1s, grace: 3s")
    running.await_event("pass")
    (running.folder / "ledger.db").unlink()
    running.await_event("ledger reopened")
    ledger = running.folder / "ledger.db"
    wait_until(lambda: ledger.exists() and ledger.stat().st_size)
    running.await_event("started", 2)
    assert running.process.poll() is None


def run_script(folder: Path, script: str) -> subprocess.CompletedProcess[bytes]:
    """Run the daemon with something broken by `script`, until it ends by itself."""
    text = f"import sys\n{script}\nfrom reportsync.cli import main\nmain(sys.argv[1:])"
    command = [sys.executable, "-c", text, "--config", str(folder / "config.yaml"), "run"]
    return subprocess.run(command, capture_output=True, timeout=20, cwd=folder, check=False)


@pytest.mark.slow
def test_fault_38_a_dead_scheduler_thread_ends_the_process(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    write_config(tmp_path, sandbox.url)
    done = run_script(
        tmp_path,
        "import threading\n"
        "from apscheduler.schedulers.background import BackgroundScheduler as B\n"
        "def _main(self): raise SystemExit\n"
        "B._main_loop = _main",
    )
    assert done.returncode == 1
    assert b"the scheduler's thread is dead" in done.stderr


@pytest.mark.slow
def test_fault_38_an_error_that_the_scheduler_would_swallow_ends_the_process(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    write_config(tmp_path, sandbox.url)
    done = run_script(
        tmp_path,
        "import reportsync.daemon.daemon as d\n"
        "def broken(*a): raise ZeroDivisionError('boom')\n"
        "d.run_pass = broken",
    )
    assert done.returncode == 1
    assert b"ZeroDivisionError" in done.stderr


@pytest.mark.slow
def test_fault_38_a_pass_that_hangs_for_ever_ends_the_process(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    write_config(tmp_path, sandbox.url, daemon="interval: 1h, grace: 1s")
    done = run_script(
        tmp_path,
        "import time, reportsync.daemon.daemon as d, reportsync.daemon.vitals as v\n"
        "d.run_pass = lambda *a: time.sleep(3600)\n"
        "v.silence_allowed = lambda http: 1.0",
    )
    assert done.returncode == 1
    assert b"silent" in done.stderr


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield a service manager's socket, and a function that returns all it was told so far."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        path = str(tmp_path / "notify")
        listener.bind(path)
        listener.setblocking(False)
        heard: list[str] = []

        def told() -> str:
            try:
                while True:
                    heard.append(listener.recv(4096).decode())
            except BlockingIOError:
                return "\n".join(heard)

        yield path, told


@pytest.mark.slow
def test_the_service_manager_is_told_of_every_change(
    start: Callable[..., Running], manager: tuple[str, Callable[[], str]]
) -> None:
    path, told = manager
    running = start(environ={"NOTIFY_SOCKET": path})
    wait_until(lambda: "READY=1" in told())
    wait_until(lambda: "WATCHDOG=1" in told())
    wait_until(lambda: "STATUS=last pass" in told())
    running.send(signal.SIGHUP)
    wait_until(lambda: "RELOADING=1\nMONOTONIC_USEC=" in told())
    wait_until(lambda: told().count("READY=1") == 2)
    running.end()
    assert "STOPPING=1" in told()

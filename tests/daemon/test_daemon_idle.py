"""A daemon with nothing to do: what it holds in memory, what it has loaded, how often it wakes."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon_process import Running, stand_in, wait_until, write_config

from reportsync.sandbox import Sandbox

pytestmark = pytest.mark.slow

HOLD = "import sys; print(flush=True); sys.stdin.read()"
PAGE = "interval: 1h, grace: 3s, listen: '127.0.0.1:0'"
SETTLED_SECONDS = 1.5


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Yield a daemon that was started anew when all was stored, and has made its first pass."""
    folder = tmp_path_factory.mktemp("idle")
    with Sandbox([stand_in()]) as sandbox:
        write_config(folder, sandbox.url, daemon=PAGE)
        before = Running(folder, [sys.executable], {})
        try:
            before.await_event("pass")
        finally:
            before.close()
        before.log.write_text("")
        running = Running(folder, [sys.executable, "-X", "importtime"], {})
        try:
            running.await_event("status page")
            wait_until(lambda: not _busy(running))
            yield running
        finally:
            running.close()


def _busy(running: Running) -> bool:
    """Say whether the process used the processor within a while."""
    before = _ticks(running)
    time.sleep(SETTLED_SECONDS)
    return _ticks(running) > before + 1


def _ticks(running: Running) -> int:
    stat = Path(f"/proc/{running.process.pid}/stat").read_text().rpartition(")")[2].split()
    return int(stat[11]) + int(stat[12])


def _resident(pid: int) -> int:
    return _figure(Path(f"/proc/{pid}/status"), "VmRSS")


def _figure(path: Path, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", path.read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def test_an_idle_daemon_has_loaded_nothing_that_it_does_not_use(idle: Running) -> None:
    loaded = set(re.findall(r"\| +([\w.]+)$", idle.log.read_text(), re.MULTILINE))
    assert {"sqlalchemy", "requests", "apscheduler"} <= loaded
    unused = {
        "alembic",
        "jinja2",
        "rich.console",
        "sqlalchemy.dialects.postgresql",
        "sqlalchemy.orm",
    }
    assert not loaded & unused
    assert not {
        name for name in loaded if name.startswith(("reportsync.sandbox", "reportsync.demo"))
    }


def test_an_idle_daemon_holds_little_more_than_its_libraries(
    idle: Running, figure: Callable[[str], None]
) -> None:
    libraries = "import apscheduler.schedulers.background, requests, sqlalchemy, yaml;"
    holder = subprocess.Popen(
        [sys.executable, "-c", libraries + HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout
        holder.stdout.readline()
        least = _resident(holder.pid)
        holder.communicate()
    ratio = _resident(idle.process.pid) / least
    figure(f"an idle daemon holds {ratio:.2f} times the memory of its four libraries alone")
    assert ratio < 1.55


def test_an_idle_daemon_wakes_once_a_second_at_most(
    idle: Running, figure: Callable[[str], None]
) -> None:
    tasks = Path(f"/proc/{idle.process.pid}/task")

    def switches() -> dict[str, int]:
        return {
            one.name: _figure(one / "status", "voluntary_ctxt_switches") for one in tasks.iterdir()
        }

    before, began = switches(), time.monotonic()
    time.sleep(5)
    after, seconds = switches(), time.monotonic() - began
    woken = sum(count - before[name] for name, count in after.items())
    figure(f"an idle daemon woke {woken} times in {seconds:.1f} s")
    assert woken <= seconds + 1

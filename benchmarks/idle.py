"""Lines about a daemon with nothing to do: what it holds in memory, and how often it wakes up."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data import KIB, Reports
from benchmarks.figures import Outcome, Unit
from benchmarks.place import Place
from benchmarks.sides import app_words, reportsync, write_config

APPS = 20
_REPORTS = Reports(30, 4 * KIB)
_SETTLED = 10.0  # seconds: the first pass is over, and what follows it
_WATCHED = 20.0


@dataclass(frozen=True, slots=True)
class Idle:
    """The daemon after its first pass, for some seconds."""

    name: str
    unit: Unit
    target: float
    usual: bool = False
    about: str = f"idle daemon, {APPS} apps, all stored"
    beside: str = ""
    works: Iterable[tuple[str, str]] = ()

    def measure(self, place: Place, runs: int) -> Outcome:
        """Watch one daemon, after another process has fetched all that there is."""
        config = _lay_out(place)
        place.time([*reportsync(config), "sync"])
        command = [*reportsync(config), "run", "--listen", "127.0.0.1:0"]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as daemon:
            try:
                time.sleep(_SETTLED)
                value = _resident(daemon.pid) if self.unit is Unit.RESIDENT else _wakes(daemon.pid)
            finally:
                daemon.terminate()
        return Outcome(value, self.unit, self.target)


def _lay_out(place: Place) -> Path:
    """Write the config of some apps whose reports can all be had."""
    served = place.folder / "served"
    name, _ = place.serve(_REPORTS)
    place.begin()
    apps = []
    for number in range(APPS):
        (served / f"idle-{number}").unlink(missing_ok=True)
        (served / f"idle-{number}").symlink_to(name)
        apps.append(app_words(f"app-{number}", f"{place.url}/idle-{number}", _REPORTS))
    return write_config(place.room, apps, 8)


def _resident(pid: int) -> float:
    """Return how many MiB a process holds."""
    return _number("VmRSS", Path(f"/proc/{pid}/status")) / 1024


def _wakes(pid: int) -> float:
    """Return how often a second any thread of a process had waited and went on."""
    before, began = _waits(pid), time.monotonic()
    time.sleep(_WATCHED)
    return (_waits(pid) - before) / (time.monotonic() - began)


def _waits(pid: int) -> int:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(_number("voluntary_ctxt_switches", task / "status") for task in tasks)


def _number(key: str, path: Path) -> int:
    found = re.search(rf"^{key}:\s*(\d+)", path.read_text(), re.M)
    assert found, f"{path} has no {key}"
    return int(found[1])

"""The machine that the processes run on: its clock, its boots, its table of processes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from .almanac import EPOCH
from .process import Process

if TYPE_CHECKING:
    from .world import SimWorld


class Machine:
    """Knows which processes run; its clock may be wrong."""

    def __init__(self, world: SimWorld) -> None:
        self.world = world
        self.skew = 0.0  # seconds by which the clock is ahead
        self.boot = 1
        self.busy: set[Process] = set()  # those in a pass
        self._running: dict[int, Process] = {}
        self._pids = 1000

    @property
    def crowded(self) -> bool:
        """Whether several processes are at work, so that their steps interleave."""
        return len(self.busy) > 1

    def clock(self) -> datetime:
        """Return what the machine's clock shows."""
        seconds = self.world.scheduler.now + self.skew
        return EPOCH + timedelta(microseconds=round(seconds * 1e6))

    def start(self, name: str, work: Callable[[Process], None], namespace: str = "host") -> Process:
        """Start a process that does `work` and ends."""
        self._pids += 1
        process = Process(self, name, self._pids, namespace)
        self._running[process.pid] = process

        def run() -> None:
            work(process)
            if not process.dead:
                process.dead = True
                self.buried(process)

        self.world.scheduler.spawn(run, process)
        return process

    def buried(self, process: Process) -> None:
        """Take a process that has ended from the table."""
        self._running.pop(process.pid, None)
        self.busy.discard(process)

    def running(self) -> list[Process]:
        """Return the processes that run, in the order of their starts."""
        return list(self._running.values())

    def power_off(self) -> None:
        """Let all processes die; those of the next boot cannot tell that they did."""
        for process in self.running():
            process.die()
        self.boot += 1

    # What claims ask of the system, answered for the process whose turn it is.

    def this_process(self) -> str:
        """Return what names the asking process."""
        process = self._asking()
        return f"machine boot-{self.boot} {process.namespace} {process.pid} {process.pid * 10}"

    def machine(self) -> tuple[str, str]:
        """Return the boot and the PID namespace of the asking process."""
        return f"boot-{self.boot}", self._asking().namespace

    def started(self, pid: int) -> str | None:
        """Return when the process `pid` began, None if there is none."""
        return str(pid * 10) if pid in self._running else None

    def _asking(self) -> Process:
        owner = self.world.scheduler.current.owner
        assert isinstance(owner, Process)
        return owner

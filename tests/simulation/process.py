"""A process of the simulated machine: it works with the real service, and may die at any step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reportsync.errors import Stopped, StorageError
from reportsync.ledger import Ledger
from reportsync.ledger.batch import GroupCommit
from reportsync.model import Report
from reportsync.service.world import World, open_world
from reportsync.settings import Config
from reportsync.stop import Stop
from reportsync.store import Scratch, Store
from reportsync.store.scratch import Way

from .scheduler import Killed, Turns
from .source import SimSource

if TYPE_CHECKING:
    from .machine import Machine


class Process:
    """One process: its threads end when it dies, and what they do from then on has no effect."""

    def __init__(self, machine: Machine, name: str, pid: int, namespace: str) -> None:
        self.world = machine.world
        self.machine = machine
        self.name = name
        self.pid = pid
        self.namespace = namespace
        self.dead = False
        self.fuse: int | None = None  # steps until it dies
        self.suspended_until = 0.0
        self.deadline = 0.0  # of a download, in seconds
        self.stop = SimStop(self)
        self.scratches: list[Scratch] = []
        self.locks = 0  # held, of the kind that others wait for in the kernel
        self.hung_up = False
        self._idling: Turns | None = None

    def step(self) -> None:
        """Stand between two acts: the process may die here, be suspended, or let others go first."""
        if self.dead:
            raise Killed
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse <= 0:
                self.die()
                raise Killed
        if self.locks:
            return  # who waits for one does so outside of the scheduler's turns
        scheduler = self.world.scheduler
        while self.suspended_until > scheduler.now:
            scheduler.sleep(self.suspended_until - scheduler.now)
        if self.machine.crowded:
            scheduler.sleep(self.world.chance.random() * 0.2)

    def sleep(self, seconds: float) -> None:
        """Let time pass, as a download does; raise `Stopped` if it is to be cut."""
        self.step()
        self.world.scheduler.sleep(seconds)
        self.stop.check_cut()
        self.step()

    def die(self) -> None:
        """End at once, as by SIGKILL or with the machine."""
        if self.dead:
            return
        self.dead = True
        self.machine.buried(self)
        self.world.watch.counts["deaths"] += 1
        self.world.watch.disturbed()
        self.world.trace(self.name, self.pid, "dies")
        for scratch in self.scratches:
            scratch._name = None  # its name stays: nobody is left to remove it
        self.world.scheduler.wake_all_of(self)

    def idle(self, seconds: float) -> None:
        """Wait for the next pass, or for whoever rouses this process before."""
        if self.stop.requested:
            return
        self.step()
        if self.hung_up:
            return
        scheduler = self.world.scheduler
        self._idling = scheduler.current
        scheduler.block(scheduler.now + seconds)
        self._idling = None
        self.step()

    def rouse(self) -> None:
        """End its `idle`: by a signal, or since the clock has jumped."""
        if self._idling is not None:
            self.world.scheduler.wake(self._idling)

    def hang_up(self) -> None:
        """Send it SIGHUP: it reads the config anew."""
        self.hung_up = True
        self.rouse()

    def terminate(self, grace: float) -> None:
        """Send it SIGTERM."""
        self.stop.request(grace)
        self.rouse()

    @contextmanager
    def opened(self, config: Config) -> Iterator[World]:
        """Open the real world with what is doubled in its place."""
        self.step()
        self.deadline = config.http.deadline.total_seconds()
        with open_world(config, self.stop, self.machine.clock, self.world.chance.random) as world:
            self.step()
            way = self.world.chance.choice((Way.UNNAMED, Way.UNNAMED, Way.LINKED, Way.RENAMED))
            yield replace(
                world,
                ledger=SimLedger(self, world.ledger),  # type: ignore[arg-type]
                store=SimStore(self, config.storage.archive, way),
                source=SimSource(self),
            )


class SimStop(Stop):
    """A stop that waits in virtual time."""

    def __init__(self, process: Process) -> None:
        super().__init__()
        self._process = process
        self._cut_from = float("inf")

    def request(self, grace: float = 0.0, code: int = 0) -> None:
        super().request(grace, code)
        self._cut_from = self._process.world.scheduler.now + grace

    def wait(self, seconds: float) -> bool:
        scheduler = self._process.world.scheduler
        until = scheduler.now + max(seconds, 20.0 if seconds else 0.0)  # polls are slow here
        while not self.requested and scheduler.now < until:
            self._process.step()
            scheduler.sleep(min(until - scheduler.now, 60.0))
        self._process.step()
        return self.requested

    def check_cut(self) -> None:
        if self._process.world.scheduler.now >= self._cut_from:
            raise Stopped("stopped on request")


class SimGroup(GroupCommit):
    """Group commit on a disk that takes its time, in which others come and share the next one.

    The time passes once the rows are there and before anybody hears of it, so that the process may die
    between the two.
    """

    def __init__(self, process: Process, real: GroupCommit) -> None:
        super().__init__(real._begin, real._make_durable)
        self._process = process

    def _commit(self, entries: list[Any]) -> None:
        super()._commit(entries)
        world = self._process.world
        world.watch.counts["commits"] += 1
        world.watch.counts["writes"] += len(entries)
        if not self._process.locks:
            self._process.step()
            world.scheduler.sleep(world.chance.random() * 0.5)
            self._process.step()


class SimLedger:
    """The real ledger, with a step before and after each commit."""

    def __init__(self, process: Process, ledger: Ledger) -> None:
        self._process = process
        self.real = ledger
        ledger._group = SimGroup(process, ledger._group)
        self.path = ledger.path
        self.dialect = ledger.dialect

    def write(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._process.step()
        result = self.real.write(function, *args, **kwargs)
        self._process.step()
        return result

    def write_after(
        self, files: Iterable[Path], function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        self._process.step()
        result = self.real.write_after(files, function, *args, **kwargs)
        self._process.step()
        return result

    def read(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._process.dead:
            raise Killed
        return self.real.read(function, *args, **kwargs)


class SimStore(Store):
    """The real store, with steps between its acts and a disk that fails now and then."""

    def __init__(self, process: Process, root: Path, way: Way) -> None:
        super().__init__(root, 0, way=way)
        self._process = process

    def _act(self, doing: str) -> None:
        self._process.step()
        world = self._process.world
        if world.scheduler.now < world.disk_fails_until and world.chance.random() < 0.3:
            raise StorageError(f"cannot {doing}: No space left on device")

    def require_space(self, size: int | None) -> None:
        self._act("look at the free space")
        super().require_space(size)

    def scratch(self, report: Report) -> Scratch:
        self._act("create a file")
        scratch = super().scratch(report)
        mine = self._process.scratches
        mine[:] = [one for one in mine if one._file >= 0]
        mine.append(scratch)
        return scratch

    def keep(self, scratch: Scratch, report: Report, version: int) -> Path:
        self._act("make a file durable")
        path = super().keep(scratch, report, version)
        self._process.step()
        return path

    def quarantine(
        self, report: Report, source: Scratch | Path, why: str, sha256: str | None = None
    ) -> Path:
        self._act("move a file")
        path = super().quarantine(report, source, why, sha256)
        self._process.step()
        return path

    def write_sums(self, app: str, year: int, entries: Iterable[tuple[str, str]]) -> None:
        self._act("write SHA256SUMS")
        super().write_sums(app, year, entries)

    def sweep(self) -> int:
        # It looks by the clock of the disk, where a month is a second: every folder, every time.
        self._process.step()
        if self._process.world.litter or self._process.world.chance.random() < 0.05:
            self._process.world.litter = False
            return super().sweep()
        return 0

    @contextmanager
    def lock(self, *args: Any, **kwargs: Any) -> Iterator[None]:
        self._process.step()
        with super().lock(*args, **kwargs):
            self._process.locks += 1
            try:
                yield
            finally:
                self._process.locks -= 1

"""What befalls the machine, the network, the vendor, the disk, and which process runs when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from reportsync.model import Report

from . import work, zips
from .process import Process
from .vendor import AILMENTS, DAY, HOUR, Ailment

if TYPE_CHECKING:
    from .world import SimWorld

MEAN_DAYS = {
    "ailment": 12, "wide_ailment": 40, "kill": 35, "restart": 30, "power_cut": 60, "long_downtime": 500,
    "clock_jump": 50, "suspend": 50, "disk_fails": 50, "second_daemon": 40, "change_of_mode": 60,
    "hurt_a_file": 25, "plant_a_file": 25, "lose_ledger": 120, "damage_ledger": 200,
}  # fmt: skip
"""How often each happens where a seed's taste does not say otherwise."""


class Fate:
    """Draws what happens on each day, and does it."""

    def __init__(self, world: SimWorld) -> None:
        self._world = world
        self._chance = Random(f"{world.seed} fate")
        self._watch = world.watch
        often = {kind: self._chance.choice((0, 0.5, 1, 1, 2)) for kind in MEAN_DAYS}
        self.rates = {kind: world.storms * often[kind] / mean for kind, mean in MEAN_DAYS.items()}
        self.daemons: list[Process] = []
        self._wanted = 0  # how many daemons a supervisor keeps alive
        self._cron = False
        self._off_until = 0.0
        self._jumps = 0

    def day(self) -> None:
        """Put on the agenda what the next 24 hours bring."""
        for kind, rate in self.rates.items():
            if self._chance.random() < rate:
                act: Callable[[], None] = getattr(self, f"_{kind}")
                self._world.at(self._chance.uniform(0, DAY), act)
        self._supervise()

    def begin(self) -> None:
        """Let the first daemon or cron job run."""
        self._change_of_mode()

    def calm(self) -> None:
        """Let everything be well from now on: the vendor, the disk, the clock, and one daemon runs."""
        self.rates = dict.fromkeys(self.rates, 0.0)
        world = self._world
        world.vendor.ailments = []
        world.disk_fails_until = 0.0
        self._set_clock(0.0)
        self._cron, self._wanted, self._off_until = False, 1, 0.0
        world.machine.power_off()
        self.daemons = []
        self._supervise()

    # Who runs.

    def _change_of_mode(self) -> None:
        self._cron = self._chance.random() < 0.7
        self._wanted = 0 if self._cron else self._chance.choice((1, 1, 2))
        self._watch.disturbed()
        for process in self.daemons[self._wanted :]:
            process.terminate(self._chance.choice((0.0, 5.0, 60.0)))
        self._world.trace("mode", "cron" if self._cron else "daemon")
        self._supervise()
        if self._cron:
            self._run_cron()

    def _second_daemon(self) -> None:
        if not self._cron:
            self._wanted = 3 - self._wanted
            self._supervise()

    def _supervise(self) -> None:
        """Start what should run and does not; a supervisor looks more often than once a day."""
        world = self._world
        if world.scheduler.now < self._off_until:
            return
        self.daemons = [process for process in self.daemons if not process.dead]
        while len(self.daemons) < self._wanted:
            space = self._chance.choice(("host", "host", "container"))
            name = f"daemon-{len(self.daemons)}"
            self.daemons.append(world.machine.start(name, work.daemon, space))
        if self._wanted:
            world.at(self._chance.uniform(60.0, 4 * HOUR), self._look_after)

    def _look_after(self) -> None:
        if any(process.dead for process in self.daemons):
            self._watch.disturbed()
            self._supervise()

    def _run_cron(self) -> None:
        if not self._cron:
            return
        if self._world.scheduler.now >= self._off_until:
            for _ in range(self._chance.choice((1, 1, 1, 1, 1, 2))):  # two hosts' cron, one ledger
                self._world.machine.start("sync", work.command(work.sync))
        self._world.at(self._world.taste.cron_hours * HOUR, self._run_cron)

    # What goes wrong with processes and machine.

    def _kill(self) -> None:
        for process in self._world.machine.running():
            if self._chance.random() < 0.7:
                process.fuse = self._chance.randrange(1, 60)
                process.rouse()

    def _restart(self) -> None:
        for process in self.daemons:
            process.terminate(self._chance.choice((0.0, 0.5, 30.0)))

    def _power_cut(self, downtime: float | None = None) -> None:
        if downtime is None:
            downtime = self._chance.choice((60.0, HOUR, DAY * self._chance.random() * 3))
        self._world.trace("power cut", round(downtime))
        self._world.machine.power_off()
        self._off_until = self._world.scheduler.now + downtime
        self._watch.odd(self._off_until)
        self._world.at(downtime + 1, self._supervise)

    def _long_downtime(self) -> None:
        self._power_cut(40 * DAY)

    def _suspend(self) -> None:
        until = self._world.scheduler.now + self._chance.choice((600.0, HOUR, 10 * HOUR))
        running = self._world.machine.running()
        if running:
            process = self._chance.choice(running)
            process.suspended_until = until
            self._world.trace(process.name, "is suspended")
            self._watch.odd(until)

    def _clock_jump(self) -> None:
        jump = self._chance.choice((HOUR, -HOUR, 5.0, -90.0, 2 * DAY, -3 * DAY, -1e9, -1e10))
        if self._chance.random() < 0.05:
            jump = 20 * DAY
        lasts = self._chance.uniform(0.01, 0.5) * DAY
        self._set_clock(jump)
        self._jumps += 1
        self._world.at(lasts, lambda number=self._jumps: self._set_clock_back(number))  # type: ignore[misc]

    def _set_clock_back(self, number: int) -> None:
        if number == self._jumps:
            self._set_clock(0.0)

    def _set_clock(self, skew: float) -> None:
        machine = self._world.machine
        skew = max(skew, 3600.0 - self._world.scheduler.now)  # before 1970 there is no clock
        if skew != machine.skew:
            machine.skew = skew
            self._world.trace("clock", skew)
        # However long it lasts, it is over within a day, and noted once more then.
        self._watch.odd(self._world.scheduler.now + (DAY if skew else 0.0))
        for process in machine.running():
            process.rouse()

    # What goes wrong with vendor and network.

    def _ailment(self) -> None:
        app = self._chance.choice(self._world.apps.all)
        self._ail(app.app_id, self._chance.uniform(0.1, 60) * HOUR)

    def _wide_ailment(self) -> None:
        self._ail(None, self._chance.uniform(0.1, 30) * HOUR)

    def _ail(self, app_id: str | None, lasts: float) -> None:
        ailment = Ailment(self._chance.choice(AILMENTS), app_id, self._world.scheduler.now + lasts)
        self._world.vendor.ailments.append(ailment)
        self._world.trace("ailment", ailment.kind, app_id)

    # What goes wrong with disk and ledger.

    def _disk_fails(self) -> None:
        world = self._world
        world.disk_fails_until = world.scheduler.now + self._chance.uniform(0.1, 20) * HOUR
        self._watch.disturbed(world.disk_fails_until)
        world.trace("the disk fails")

    def _hurt_a_file(self) -> None:
        known = [key for key in self._watch.files if key not in self._watch.hurt]
        if not known:
            return
        report, version = self._chance.choice(known)
        path = self._world.path(report, version)
        if not path.exists():
            return
        self._watch.hurt_file(report, version)
        if self._chance.random() < 0.5:
            path.unlink()
        else:
            self._flip_a_bit(path)
        self._world.trace("hurt", report, version)
        self._world.at(self._chance.uniform(0.1, 5) * DAY, self.repair)

    def _flip_a_bit(self, path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[self._chance.randrange(len(data))] ^= 1 << self._chance.randrange(8)
        path.chmod(0o640)
        path.write_bytes(data)

    def _plant_a_file(self) -> None:
        app = self._chance.choice(self._world.apps.all)
        day = self._world.apps.today() - timedelta(days=self._chance.randrange(-1, 6))
        report, version = Report(app.name, day), self._chance.choice((1, 1, 2))
        path = self._world.path(report, version)
        if path.exists() or not path.parent.exists():
            return
        body = zips.make("planted.csv", f"{report}")
        if self._chance.random() < 0.5:
            body = zips.spoiled(
                self._chance.choice(("truncated", "crc", "joined")), body, self._chance
            )
            self._watch.litter.add((report, version))
        else:
            self._watch.offered(report, zips.digest(body))
        path.write_bytes(body)
        stale = path.with_name(f".{day:%Y%m%d}.{self._chance.randbytes(8).hex()}.part")
        stale.write_bytes(b"left by a dead process")
        self._world.litter = True
        self._world.trace("planted", report, version)
        self._world.at(self._chance.uniform(0.5, 9) * DAY, self.repair)

    def _lose_ledger(self) -> None:
        if self._world.has_ledger():
            self._world.ledger.unlink()
            self._world.lost_ledger()
            self._watch.disturbed(self._world.scheduler.now + HOUR)

    def _damage_ledger(self) -> None:
        world = self._world
        if not world.has_ledger():
            return
        with world.ledger.open("r+b") as file:
            file.write(b"no database at all" * 50)
        world.ledger_is_damaged = True
        world.trace("ledger damaged")
        lasts = self._chance.uniform(0.1, 30) * HOUR
        self._watch.odd(world.scheduler.now + lasts + 2 * HOUR)
        world.at(lasts, self.repair)

    def repair(self) -> None:
        """Have a person run `reportsync repair`, again until a damaged ledger is mended."""
        if self._world.scheduler.now >= self._off_until:
            self._world.machine.start("repair", work.repair)
        if self._world.ledger_is_damaged:
            self._watch.odd(self._world.scheduler.now + 4 * HOUR)
            self._world.at(2 * HOUR, self._repair_if_needed)

    def _repair_if_needed(self) -> None:
        if self._world.ledger_is_damaged:
            self.repair()

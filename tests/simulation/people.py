"""What people do: waivers, backfills, changes of config and keys, verify and repair."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from canary import CANARY

from reportsync.model import Waiver
from reportsync.notation import duration_text

from . import work
from .apps import TIMES, ZONES
from .vendor import DAY, HOUR

if TYPE_CHECKING:
    from .world import SimWorld

MEAN_DAYS = {
    "waive": 20, "unwaive": 30, "clear_old_gaps": 25, "backfill": 25, "force": 40, "verify": 20,
    "repair": 40, "rotate_key": 50, "list_or_unlist": 30, "earlier_since": 60, "other_schedule": 50,
    "hang_up": 30,
}  # fmt: skip


class People:
    """Draws what people do on each day, and does it."""

    def __init__(self, world: SimWorld) -> None:
        self._world = world
        self._chance = Random(f"{world.seed} people")
        often = {kind: self._chance.choice((0, 0.5, 1, 1, 2)) for kind in MEAN_DAYS}
        self.rates = {kind: world.storms * often[kind] / mean for kind, mean in MEAN_DAYS.items()}
        self.rates["clear_old_gaps"] = 1 / MEAN_DAYS["clear_old_gaps"]
        self._keys = 0

    def day(self) -> None:
        """Put on the agenda what people do in the next 24 hours."""
        for kind, rate in self.rates.items():
            if self._chance.random() < rate:
                act: Callable[[], None] = getattr(self, f"_{kind}")
                self._world.at(self._chance.uniform(0, DAY), act)

    def rest(self) -> None:
        """Let people do nothing more, but for what makes things right."""
        self.rates = dict.fromkeys(self.rates, 0.0)
        for index, app in enumerate(self._world.apps.all):
            self._world.apps.put(index, listed=True, keys=self._world.apps.account(index).keys)
            if app.zone != (true := self._world.apps.account(index)).zone or app.at != true.at:
                self._world.apps.put(index, zone=true.zone, at=true.at)

    def _start(self, name: str, doing: work.Work) -> None:
        machine = self._world.machine
        process = machine.start(name, doing, self._chance.choice(("host", "container")))
        self._world.fate_of_pass(process)
        self._world.trace("person", name)

    def _index(self) -> int:
        return self._chance.randrange(len(self._world.apps.all))

    def _waive(self) -> None:
        app = self._world.apps.all[self._index()]
        now = self._world.machine.clock()
        first = self._world.apps.today() - timedelta(days=self._chance.randrange(-3, 40))
        last = first + timedelta(days=self._chance.choice((0, 0, 1, 5)))
        until = self._chance.choice((None, now.date() + timedelta(days=self._chance.randrange(20))))
        waiver = Waiver(app.name, first, last, "the setting was off", "alice", now, until)
        self._start("waive", work.waive(waiver))

    def _unwaive(self) -> None:
        waived = self._world.watch.waivers
        if waived:
            one = self._chance.choice(waived)
            first = one.first + timedelta(days=self._chance.randrange(-1, 2))
            self._start("unwaive", work.unwaive(one.app, first, max(first, one.last)))

    def _clear_old_gaps(self) -> None:
        """Waive what the vendor never had, so that holes do not pile up over the years."""
        for app in self._world.apps.all:
            old = self._world.apps.today() - timedelta(days=35)
            known = self._world.audit.gaps_before(app.name, old)
            for day in known:
                now = self._world.machine.clock()
                waiver = Waiver(app.name, day, day, "the vendor has none", "alice", now)
                self._start("waive", work.waive(waiver))

    def _backfill(self, force: bool = False) -> None:
        apps = self._chance.sample(self._world.apps.all, k=min(3, len(self._world.apps.all)))
        since = self._world.apps.today() - timedelta(days=self._chance.randrange(2, 25))
        names = tuple(app.name for app in apps)
        self._start("backfill", work.backfill(names, since, force))

    def _force(self) -> None:
        self._backfill(force=True)

    def _verify(self) -> None:
        self._start("verify", work.look_over(self._chance.randrange(1, 60)))

    def _repair(self) -> None:
        self._start("repair", work.repair)

    def _hang_up(self) -> None:
        for process in self._world.machine.running():
            process.hang_up()

    def _soon(self, act: Callable[[], None]) -> None:
        self._world.at(self._chance.uniform(0.01, 20) * HOUR, act)

    def _rotate_key(self) -> None:
        """Change a key at the vendor and in the config, in some order, or by way of a list of two."""
        index = self._index()
        self._keys += 1
        account, new = self._world.apps.account(index), f"{CANARY}-new-{self._keys}"
        old = account.keys[-1]

        def at_vendor() -> None:
            account.keys = (new,)

        def in_config() -> None:
            self._put(index, keys=(new,))

        if self._chance.random() < 0.4:
            self._put(index, keys=(old, new))
            self._soon(at_vendor)
            return
        first, then = self._chance.choice(((at_vendor, in_config), (in_config, at_vendor)))
        first()
        self._soon(then)

    def _put(self, index: int, **changes: object) -> None:
        self._world.apps.put(index, **changes)
        self._soon(self._hang_up)
        self._world.watch.harmed_app(
            self._world.apps.all[index].name, self._world.scheduler.now + 21 * HOUR
        )

    def _list_or_unlist(self) -> None:
        index = self._index()
        listed = [app for app in self._world.apps.all if app.listed]
        if len(listed) > 1 or not self._world.apps.all[index].listed:
            self._put(index, listed=not self._world.apps.all[index].listed)

    def _earlier_since(self) -> None:
        index = self._index()
        since = self._world.apps.all[index].since - timedelta(days=self._chance.randrange(1, 9))
        self._put(index, since=since)

    def _other_schedule(self) -> None:
        """Give an app a wrong schedule for some days: its reports are asked for too early or late."""
        index = self._index()
        account, buffer = self._world.apps.account(index), self._world.apps.all[index].buffer

        def right_again() -> None:
            self._put(index, zone=account.zone, at=account.at, buffer=buffer)

        self._world.at(self._chance.uniform(1, 6) * DAY, right_again)
        pause = timedelta(hours=self._chance.randrange(0, 9))
        self._put(
            index,
            zone=self._chance.choice(ZONES),
            at=self._chance.choice(TIMES),
            buffer=duration_text(pause),
        )

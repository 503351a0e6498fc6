"""Everything of one simulation, made from its seed."""

from __future__ import annotations

import heapq
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from hashlib import sha256
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from reportsync.ledger import Ledger, backup
from reportsync.model import Report
from reportsync.service.world import World
from reportsync.settings import Config

from .almanac import instant
from .apps import Apps
from .audit import Audit
from .machine import Machine
from .process import Process
from .scheduler import Scheduler
from .threads import doubled
from .vendor import DAY, Vendor
from .watch import Violation, Waived, Watch

_KEPT_LINES = 60
_WHOLE_EVERY = 60  # days


@dataclass(frozen=True, slots=True)
class Taste:
    """What this seed's world is like; drawn so that each has something that others lack."""

    faults: float  # the share of requests that fail by themselves
    crashes: float  # the share of passes in which the process dies
    workers: int
    attempts: int
    interval: str
    cron_hours: float

    @classmethod
    def draw(cls, chance: Random, storms: float) -> Taste:
        """Draw one; `storms` as in `SimWorld`."""
        return cls(
            faults=storms * chance.choice((0.0, 0.005, 0.02, 0.05)),
            crashes=storms * chance.choice((0.0, 0.01, 0.03, 0.08)),
            workers=chance.choice((1, 2, 4, 8)),
            attempts=chance.choice((1, 2, 3)),
            interval=chance.choice(("12h", "1d")),
            cron_hours=chance.choice((8.0, 12.0, 24.0)),
        )

    def well(self) -> Taste:
        """Return the same without faults and crashes."""
        return replace(self, faults=0.0, crashes=0.0)


class SimWorld:
    """The state of a simulation, and the agenda of what is to happen when.

    What goes wrong, and what people change, comes `storms` times as often as in a seed of its own: 1 puts
    years of trouble into months, 0.1 is more like life.
    """

    def __init__(
        self,
        seed: int,
        apps: int,
        folder: Path,
        tell: Callable[[str], None] = lambda line: None,
        storms: float = 1.0,
    ) -> None:
        self.seed = seed
        self.storms = storms
        self._tell = tell
        self.chance = Random(f"{seed} world")
        self.archive = folder / "archive"
        self.ledger = folder / "ledger.db"
        self.begin = datetime(
            self.chance.randint(2009, 2035), self.chance.randint(1, 12), 3, tzinfo=UTC
        )
        self.taste = Taste.draw(self.chance, storms)
        self.scheduler = Scheduler(Random(f"{seed} scheduler"), self.begin.timestamp())
        self.vendor = Vendor(seed)
        self.watch = Watch(self)
        self.machine = Machine(self)
        self.audit = Audit(self)
        self.apps = Apps(self, apps)
        self.config: Config = self.apps.config()
        self.disk_fails_until = 0.0
        self.litter = False
        self.ledger_is_damaged = False
        self.longest_pause = DAY
        self.app_days = 0
        self.days = 0
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._digest = sha256()
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)

    def at(self, seconds: float, act: Callable[[], None]) -> None:
        """Have `act` happen so many seconds from now."""
        when = self.scheduler.now + seconds
        heapq.heappush(self._agenda, (when, next(self._order), act))

    def go_on(self, until: float) -> None:
        """Let everything happen that is on the agenda before the instant `until`."""
        while self._agenda and self._agenda[0][0] <= until:
            when, _, act = heapq.heappop(self._agenda)
            self.scheduler.sleep(max(when - self.scheduler.now, 0.0))
            act()
        self.scheduler.sleep(max(until - self.scheduler.now, 0.0))

    def look(self, final: bool = False) -> None:
        """Check the invariants, all of the tree now and then."""
        self.days += 1
        self.app_days += len(self.config.apps)
        if final or self.days % _WHOLE_EVERY == 0:
            self.audit.whole(final)
        else:
            self.audit.daily()
        self.trace("day", self.days, sorted(self.watch.counts.items()))

    def trace(self, *what: Any) -> None:
        """Add a line to the trace of what happened."""
        line = f"{instant(self.scheduler.now):%F %T} " + " ".join(map(str, what))
        self._digest.update(line.encode())
        self.lines.append(line)
        self._tell(line)

    @property
    def digest(self) -> str:
        """What tells one trace from another."""
        return self._digest.hexdigest()[:16]

    def doubled(self) -> Any:
        """Return the context in which the program runs in this world."""
        return doubled(self.scheduler, self.machine)

    def fate_of_pass(self, process: Process) -> None:
        """Decide whether `process` will die in the pass that it begins."""
        if self.chance.random() < self.taste.crashes:
            process.fuse = int(self.chance.expovariate(1 / 40)) + 1

    def path(self, report: Report, version: int) -> Path:
        """Return the final name of an archive, by the contract."""
        suffix = "" if version == 1 else f".v{version}"
        return self.archive / report.app / f"{report.day:%Y}" / f"{report.day:%Y%m%d}{suffix}.zip"

    @staticmethod
    def real(world: World) -> Ledger:
        """Return the real ledger of a world of this simulation."""
        return world.ledger.real  # type: ignore[attr-defined, no-any-return]

    def has_ledger(self) -> bool:
        """Say whether there is a ledger to look at."""
        if self.ledger_is_damaged or not self.ledger.exists():
            return False
        with closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)) as ledger:
            query = "SELECT 1 FROM sqlite_master WHERE name = 'reports'"
            return ledger.execute(query).fetchone() is not None

    def lost_ledger(self) -> None:
        """Know no more than the newest backup of a ledger that is gone."""
        self.ledger_is_damaged = False
        self.audit.forget_ledger()
        self.watch.odd()
        newest = backup.backups(self.archive / ".ledger")[:1]
        self.watch.waivers = _waivers(newest[0]) if newest else []
        self.trace("ledger lost", len(self.watch.waivers))

    def rebuilt_ledger(self) -> None:
        """Know what a damaged ledger's successor must know: its backup, and what could be read of it."""
        before = set(self.watch.waivers)
        self.lost_ledger()
        if not self.has_ledger():
            return
        now = _waivers(self.ledger)
        if not set(self.watch.waivers) - before <= set(now) <= before | set(self.watch.waivers):
            raise Violation(
                "I5: a rebuilt ledger has other waivers than its backup and its old self"
            )
        self.watch.waivers = now


def _waivers(path: Path) -> list[Waived]:
    """Return the waivers that a ledger, or a backup of one, holds to be in force."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
        query = "SELECT app, first, last, until FROM waivers WHERE ended IS NULL ORDER BY id"
        rows = ledger.execute(query).fetchall()
    return [
        Waived(app, _day(first), _day(last), _day(until) if until else None)
        for app, first, last, until in rows
    ]


def _day(text: str) -> date:
    return date.fromisoformat(text)

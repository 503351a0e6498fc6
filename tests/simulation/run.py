"""Run one seed from its beginning to a calm end, in which everything that exists must be stored."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .fate import Fate
from .people import People
from .vendor import DAY, HOUR
from .watch import Violation
from .world import SimWorld

CALM_DAYS = 9
"""More than a week: a day that has been missing for long is asked for weekly."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a simulation went; `violation` is None if every invariant held."""

    seed: int
    app_years: float
    cpu_seconds: float
    digest: str
    counts: Counter[str] = field(default_factory=Counter)
    violation: BaseException | None = None
    lines: tuple[str, ...] = ()

    def story(self, years: float, apps: int, storms: float = 1.0) -> str:
        """Return what happened last, what was wrong, and how to see it again."""
        last = "\n".join(self.lines)
        return f"{last}\nVIOLATION: {self.violation}\nagain: {self.replay(years, apps, storms)}"

    def replay(self, years: float, apps: int, storms: float = 1.0) -> str:
        """Return the command that does all this once more."""
        command = f"python -m tests.simulation --seed {self.seed} --years {years:g} --apps {apps}"
        return command if storms == 1 else f"{command} --storms {storms:g}"


def shared_memory() -> str | None:
    """Return a folder in memory if there is one: a year has very many fsyncs."""
    folder = Path("/dev/shm")
    return str(folder) if folder.is_dir() else None


def simulate(
    seed: int,
    years: float,
    apps: int,
    tell: Callable[[str], None] = lambda line: None,
    storms: float = 1.0,
) -> Outcome:
    """Simulate `years` of `apps` apps in the world of `seed`; `tell` hears of all that happens.

    `storms` as in `SimWorld`.
    """
    folder = Path(tempfile.mkdtemp(prefix="reportsync-simulation-", dir=shared_memory()))
    began = time.process_time()
    world = SimWorld(seed, apps, folder, tell, storms)
    violation: BaseException | None = None
    try:
        with world.doubled():
            _live(world, years)
    except Exception as error:
        violation = error
    finally:
        world.audit.close()
        shutil.rmtree(folder)
    spent = time.process_time() - began
    counts = world.watch.counts
    lived = world.app_days / 365.25
    return Outcome(seed, lived, spent, world.digest, counts, violation, tuple(world.lines))


def _live(world: SimWorld, years: float) -> None:
    fate, people = Fate(world), People(world)
    fate.begin()
    for _ in range(round(years * 365.25)):
        fate.day()
        people.day()
        world.go_on(world.scheduler.now + DAY)
        world.look()
    _end_well(world, fate, people)


def _end_well(world: SimWorld, fate: Fate, people: People) -> None:
    """Let all be well for some days, and see that everything is there."""
    people.rest()
    fate.calm()
    world.go_on(world.scheduler.now + HOUR)
    world.litter = True
    world.taste = world.taste.well()
    fate.repair()
    for _ in range(CALM_DAYS):
        fate.day()
        world.go_on(world.scheduler.now + DAY)
        world.look()
    world.machine.power_off()
    world.scheduler.sleep(HOUR)
    world.look(final=True)
    _refuse_leftovers(world)


def _refuse_leftovers(world: SimWorld) -> None:
    left = sorted(world.archive.rglob("*.part"))
    if left:
        raise Violation(f"scratch files are left: {left[:3]}")

"""Passes against a sandbox with a clock that can be moved, told of by a real Announcer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from reportsync.incidents import Incident, Notice
from reportsync.ledger import incidents
from reportsync.plan import Ask
from reportsync.sandbox import Sandbox, SandboxApp
from reportsync.service.announcing import Announcer
from reportsync.service.passes import Listener, Order, Summary, run_pass
from reportsync.service.seen import Watch
from reportsync.service.world import World, open_world
from reportsync.settings import Config
from reportsync.stop import Stop

START = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
NEWEST = START.date() - timedelta(days=1)


def stand_in(name: str, days: int = 3, **more: Any) -> SandboxApp:
    """Return an app in UTC that has had reports for `days` days at START."""
    since = NEWEST - timedelta(days=days - 1)
    return SandboxApp(f"ID{name}", (f"key-of-{name}-01234",), since=since, name=name, **more)


@dataclass
class Scene:
    """A sandbox and its apps, the config for them, a clock, and what was logged."""

    folder: Path
    sandbox: Sandbox
    apps: tuple[SandboxApp, ...]
    notify: dict[str, Any] = field(default_factory=dict)
    hooks: dict[str, Any] = field(default_factory=dict)
    now: datetime = START
    logged: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    wait: float = 5.0
    ledger: str | None = None
    min_free: str = "0"

    def config(self) -> Config:
        """Return the config as it is now."""
        return Config.model_validate(
            {
                "apps": [self._app(one) for one in self.apps],
                "storage": {
                    "archive": self.folder / "archive",
                    "ledger": self.ledger or f"sqlite:///{self.folder}/ledger.db",
                    "min_free": self.min_free,
                },
                "http": {"rate": "0", "attempts": 1, "backoff": "0s", "deadline": "5s"},
                "notify": self.notify,
                "hooks": self.hooks,
            }
        )

    def _app(self, one: SandboxApp) -> dict[str, Any]:
        return {
            "name": one.name,
            "app_id": one.app_id,
            "secret_key": self.keys.get(str(one.name), one.secret_keys[0]),
            "base_url": self.sandbox.url,
            "since": one.since,
        }

    @contextmanager
    def world(self) -> Iterator[World]:
        """Open everything, as a process that has just begun."""
        with open_world(self.config(), Stop(), clock=lambda: self.now) as world:
            yield world

    @contextmanager
    def announcer(self, **more: Any) -> Iterator[Announcer]:
        """Make an Announcer whose log is `logged`."""

        def tell(one: Notice) -> None:
            self.logged.append(one.title)
            self.bodies.append(one.body)

        with Announcer(
            self.config(), tell, self.warnings.append, clock=lambda: self.now, **more
        ) as announcer:
            yield announcer

    def run(self, *, only: Iterable[str] | None = None, patient: bool = False) -> Summary:
        """Make a pass as a process of its own would, and return how it went."""
        with self.world() as world, self.announcer() as announcer:
            return self.step(world, announcer, only=only, patient=patient)

    def step(
        self,
        world: World,
        announcer: Announcer,
        *,
        only: Iterable[str] | None = None,
        patient: bool = False,
    ) -> Summary:
        """Make one pass of a process; it begins a second after what was before."""
        self.pass_by(seconds=1)
        chosen = tuple(
            app for app in world.config.apps if only is None or app.name in frozenset(only)
        )
        watch = Watch(Listener())
        announcer.begin()
        summary = run_pass(world, Order("sync", chosen, Ask(patient=patient), 4), watch)
        announcer.conclude(world.ledger, summary, watch.seen(summary.trouble), self.wait)
        return summary

    def pass_by(self, **how: float) -> None:
        """Let time go by."""
        self.now += timedelta(**how)

    def incidents(self) -> list[Incident]:
        """Return every incident that ever was."""
        with self.world() as world:
            return world.ledger.read(incidents.history)

    def open_keys(self) -> list[str]:
        """Return the keys of the incidents that are open."""
        return [one.key for one in self.incidents() if one.closed is None]


@contextmanager
def scene(folder: Path, *apps: SandboxApp, **more: Any) -> Iterator[Scene]:
    """Run a sandbox for `apps` whose clock is the scene's."""
    clock: list[Scene] = []
    server = Sandbox(apps, clock=lambda: clock[0].now if clock else START)
    with server as sandbox:
        clock.append(Scene(folder, sandbox, apps, **more))
        yield clock[0]

"""What the tests of passes share: a world in this process, with a sandbox as its server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from reportsync.calendar import DayWord
from reportsync.collect import Collected
from reportsync.known import Coverage
from reportsync.model import Outcome
from reportsync.plan import Ask
from reportsync.sandbox import Sandbox, SandboxApp
from reportsync.service.judge import Checked
from reportsync.service.passes import Listener, Order, Summary, run_pass
from reportsync.service.verify import verify
from reportsync.service.world import World, coverages, open_world
from reportsync.settings import App, Config
from reportsync.stop import Stop

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NEWEST = date(2026, 11, 22)


def ago(days: int) -> date:
    """Return the day so many days before the newest due one."""
    return NEWEST - timedelta(days=days)


def stand_in(name: str, days: int, *keys: str) -> SandboxApp:
    """Return an app of which `days` days are due."""
    return SandboxApp(
        app_id=f"ID{name.upper()}",
        secret_keys=keys or (f"key-of-{name}-0123456789",),
        since=ago(days - 1),
        name=name,
    )


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


class Heard(Listener):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.ended_all: list[Collected] = []

    def ended(self, ended: Collected) -> None:
        self.ended_all.append(ended)

    @property
    def outcomes(self) -> dict[tuple[str, date], Outcome]:
        found = {tuple(one.report): one.outcome for one in self.ended_all}
        assert len(found) == len(self.ended_all), "a report was told of twice"
        return found  # type: ignore[return-value]


class Here:
    """A folder with an archive, a ledger and apps that are asked for at a sandbox."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.archive = folder / "archive"
        self.clock = Clock()
        self.settings: dict[str, Any] = {
            "rate": "0",
            "attempts": "1",
            "backoff": "0s",
            "workers": "4",
        }

    def config(self, sandbox: Sandbox, apps: Iterable[SandboxApp], keys: dict[str, Any]) -> Config:
        values = {
            "apps": [
                {
                    "name": app.name,
                    "app_id": app.app_id,
                    "secret_key": keys.get(app.name or "", app.secret_keys),
                    "base_url": sandbox.url,
                    "since": app.since,
                    "until": app.until,
                }
                for app in apps
            ],
            "storage": {
                "archive": self.archive,
                "ledger": f"sqlite:///{self.folder}/ledger.db",
                "min_free": "0",
            },
            "http": self.settings,
        }
        return Config.model_validate(values)

    @contextmanager
    def world(
        self, sandbox: Sandbox, *apps: SandboxApp, keys: dict[str, Any] | None = None
    ) -> Iterator[World]:
        """Open the world for `apps`; `keys` are others than the sandbox knows, by app."""
        with open_world(
            self.config(sandbox, apps, keys or {}), Stop(), self.clock, lambda: 0.0
        ) as world:
            yield world


def sync(world: World) -> tuple[Summary, Heard]:
    """Run a pass as `sync` does."""
    heard = Heard()
    order = Order("sync", world.config.apps, Ask(), world.config.http.workers)
    return run_pass(world, order, heard), heard


def backfill(world: World, since: date, until: date, **more: Any) -> tuple[Summary, Heard]:
    """Run a pass as `backfill` does."""
    heard = Heard()
    ask = Ask(DayWord(since), DayWord(until), patient=False, **more)
    return run_pass(
        world, Order("backfill", world.config.apps, ask, world.config.http.workers), heard
    ), heard


def covered(world: World) -> dict[str, Coverage]:
    """Return the coverage of each app."""
    return {one.app.name: one for one in coverages(world.ledger, world.config.apps, world.clock())}


def app_of(world: World, name: str) -> App:
    return next(app for app in world.config.apps if app.name == name)


def verified(world: World, names: Sequence[str] | None = None) -> list[Checked]:
    """Verify all archives of the apps `names`, and return what was found."""
    found: list[Checked] = []
    verify(world, names, None, None, found.append)
    return found

"""The apps of a simulation: what the config says of them, and how it changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Any

from canary import CANARY

from reportsync.settings import Config

from .almanac import instant
from .vendor import Account

if TYPE_CHECKING:
    from .world import SimWorld

ZONES = (
    "UTC", "America/New_York", "Europe/London", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Gaza",
    "America/Santiago", "Pacific/Apia", "Asia/Kolkata", "Pacific/Chatham", "America/St_Johns",
    "Asia/Tehran", "Africa/Casablanca", "Pacific/Kiritimati", "America/Sao_Paulo", "Europe/Dublin",
    "Antarctica/Troll", "America/Havana", "Asia/Kathmandu",
)  # fmt: skip
TIMES = (time(0, 0), time(2, 0), time(2, 30), time(1, 30), time(0, 30), time(23, 45), time(12, 0))
_GROUPS = 2  # apps of one group are due at the same instant, and so need one pass


@dataclass(frozen=True, slots=True)
class SimApp:
    """An app as the config has it."""

    name: str
    app_id: str
    keys: tuple[str, ...]
    since: date
    zone: str
    at: time
    buffer: str
    at_most: str
    listed: bool = True


class Apps:
    """All apps, listed in the config or not."""

    def __init__(self, world: SimWorld, number: int) -> None:
        self._world = world
        chance = world.chance
        groups = [
            (
                chance.choice(ZONES),
                chance.choice(TIMES),
                chance.choice(("0s", "1h", "2h", "2h", "6h")),
            )
            for _ in range(_GROUPS)
        ]
        at_most = chance.choice(("6h", "1d"))
        self.all: list[SimApp] = []
        for index in range(number):
            zone, at, buffer = groups[index % _GROUPS]
            since = world.begin.date() - timedelta(days=chance.randrange(12))
            name, app_id = f"app-{index}", f"ID{index}"
            key = f"{CANARY}-{index}"
            world.vendor.accounts[app_id] = Account(app_id, zone, at, (key,))
            app = SimApp(name, app_id, (key,), since, zone, at, buffer, at_most)
            self.all.append(replace(app, listed=index < number - 1))

    def config(self) -> Config:
        """Return the config of the apps that are listed."""
        taste = self._world.taste
        values = {
            "apps": [self._values(app) for app in self.all if app.listed],
            "storage": {
                "archive": self._world.archive,
                "ledger": f"sqlite:///{self._world.ledger}",
                "min_free": "0",
            },
            "http": {
                "rate": "0", "attempts": str(taste.attempts), "workers": str(taste.workers),
                "deadline": "2m",
            },
            "verify": {"every": "60d", "bandwidth": "0"},
            "daemon": {"interval": taste.interval, "listen": "off"},
        }  # fmt: skip
        return Config.model_validate(values)

    def _values(self, app: SimApp) -> dict[str, Any]:
        return {
            "name": app.name, "app_id": app.app_id, "secret_key": list(app.keys),
            "base_url": "https://api.example.com", "since": app.since, "timezone": app.zone,
            "report_time": f"{app.at:%H:%M}", "buffer": app.buffer, "retry_at_most": app.at_most,
        }  # fmt: skip

    def put(self, index: int, **changes: Any) -> None:
        """Change an app in the config file; processes take notice when they read it."""
        self.all[index] = app = replace(self.all[index], **changes)
        self._world.config = self.config()
        self._world.watch.harmed_app(app.name, self._world.scheduler.now)
        self._world.trace("config", app.name, sorted(changes))

    def account(self, index: int) -> Account:
        """Return the vendor's side of an app."""
        return self._world.vendor.accounts[self.all[index].app_id]

    def today(self) -> date:
        """Return the day, roughly."""
        return instant(self._world.scheduler.now).date()

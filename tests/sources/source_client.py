"""A source with little patience that remembers what it was told, and the fixtures' types."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from pydantic import SecretStr
from source_server import RawServer

from reportsync.model import Clock, system_clock
from reportsync.settings import App, Http
from reportsync.sources import Received
from reportsync.sources.daily import DailySource
from reportsync.stop import Stop

DAY = date(2026, 3, 2)
KEY = "sandbox-key-no-secret"
PATIENCE: dict[str, Any] = {
    "rate": 0.0,
    "connect_timeout": timedelta(seconds=2),
    "read_timeout": timedelta(seconds=2),
    "deadline": timedelta(seconds=10),
}

Serve = Callable[..., RawServer]


@dataclass
class Client:
    """A source, what it wrote and what it said meanwhile."""

    source: DailySource
    stop: Stop
    sink: bytearray = field(default_factory=bytearray)
    events: list[object] = field(default_factory=list)

    def open_sink(self, length: int | None) -> Client:
        self.events.append(length)
        return self

    def write(self, data: bytes, /) -> None:
        self.sink += data

    def accepted(self) -> None:
        self.events.append("accepted")

    def fetch(self, app: App, day: date = DAY) -> Received:
        return self.source.fetch(app, day, self.open_sink, self.accepted)


MakeClient = Callable[..., Client]


@contextlib.contextmanager
def client_of(clock: Clock = system_clock, **settings: Any) -> Iterator[Client]:
    """Yield a client with the given settings of `http`, and close its source."""
    stop = Stop()
    source = DailySource(Http(**(PATIENCE | settings)), stop, clock)
    try:
        yield Client(source, stop)
    finally:
        source.close()


def app_at(server: RawServer | str, *keys: str, **settings: Any) -> App:
    """Return an app whose reports are at `server`, a server or a URL."""
    url = server if isinstance(server, str) else server.url
    secrets = tuple(SecretStr(key) for key in keys or (KEY,))
    values: dict[str, Any] = {"name": "shop", "app_id": "APP1", "since": DAY} | settings
    return App(secret_key=secrets, base_url=url, **values)

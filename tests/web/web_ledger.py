"""A ledger with a history, and a status page over it."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from reportsync.announce.metrics import Metrics
from reportsync.calendar import days, due, due_through
from reportsync.ledger import open_writing, tables
from reportsync.settings import App, Config
from reportsync.web import Liveness, StatusServer

NOW = datetime(2026, 7, 30, 14, 22, 31, tzinfo=UTC)


@dataclass(frozen=True)
class Gone:
    """How a day is missing."""

    reason: str | None = None
    outcome: str | None = None
    attempts: int = 0
    next_attempt: datetime | None = None


@dataclass(frozen=True)
class History:
    """One app and what the ledger holds of it: all its due days but `gone` are stored."""

    name: str
    since: date
    gone: Mapping[date, Gone] = field(default_factory=dict)
    flags: Mapping[date, str] = field(default_factory=dict)
    versions: Mapping[date, int] = field(default_factory=dict)
    waived: Mapping[date, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def app(self) -> App:
        """The app's settings."""
        return App(
            name=self.name,
            app_id="DAO6UGZ73D9RTK8B5W96TPYN",
            secret_key="key-of-the-web-tests",
            data_center="01",
            since=self.since,
            **self.settings,
        )


def config_of(folder: Path, histories: Sequence[History], **daemon: Any) -> Config:
    """Return the config of the apps of `histories`, with archive and ledger in `folder`."""
    return Config.model_validate(
        {
            "apps": [one.app for one in histories],
            "storage": {"archive": folder / "archive", "ledger": f"sqlite:///{folder}/ledger.db"},
            "daemon": daemon,
        }
    )


def fill(config: Config, histories: Sequence[History], now: datetime = NOW) -> None:
    """Write `histories` into the ledger of `config`, as they would stand at `now`."""
    with open_writing(config.storage.ledger) as ledger:
        ledger.write(_insert, histories, now)


def _insert(connection: sa.Connection, histories: Sequence[History], now: datetime) -> None:
    rows: dict[sa.Table, list[dict[str, Any]]] = {
        table: [] for table in (tables.apps, tables.reports, tables.archives, tables.attempts)
    }
    for one in histories:
        last = due_through(one.app, now)
        if last is None:
            continue
        sizes = 0
        for day in days(one.since, last):
            if day in one.gone:
                _missing(rows, one, day)
            else:
                sizes += _stored(rows, one, day)
        rows[tables.apps].append(
            {"name": one.name, "first": one.since, "through": last, "bytes": sizes}
        )
        for day, reason in one.waived.items():
            waiver = {"app": one.name, "first": day, "last": day, "reason": reason}
            connection.execute(
                sa.insert(tables.waivers), {**waiver, "author": "ops", "created": now}
            )
    for table, values in rows.items():
        if values:
            connection.execute(sa.insert(table), values)


def _stored(rows: dict[sa.Table, list[dict[str, Any]]], one: History, day: date) -> int:
    at = due(day, one.app) + timedelta(seconds=20)
    state = {"app": one.name, "day": day, "state": "stored", "attempts": 1, "tries": 0}
    rows[tables.reports].append(
        {
            **state,
            "last_outcome": "stored",
            "reason": None,
            "next_attempt": None,
            "last_attempt": at,
        }
    )
    total = 0
    for version in range(1, one.versions.get(day, 1) + 1):
        sha256 = hashlib.sha256(f"{one.name} {day} {version}".encode()).hexdigest()
        size = 9_000 + int(sha256[:4], 16)
        total += size
        rows[tables.archives].append(
            {
                "app": one.name, "day": day, "version": version, "held": True, "size": size,
                "sha256": sha256, "members": 3, "flags": one.flags.get(day, ""), "stored": at,
                "verified": at,
            }
        )  # fmt: skip
    rows[tables.attempts].append(
        {
            "app": one.name, "day": day, "pass_id": "p", "started": at,
            "ended": at + timedelta(seconds=1.3), "outcome": "stored", "requests": 1,
            "status": 200, "size": total, "reason": None,
        }
    )  # fmt: skip
    return total


def _missing(rows: dict[sa.Table, list[dict[str, Any]]], one: History, day: date) -> None:
    gone = one.gone[day]
    at = due(day, one.app) + timedelta(minutes=30 * gone.attempts)
    state = {"app": one.name, "day": day, "state": "missing", "attempts": gone.attempts}
    rows[tables.reports].append(
        {
            **state, "tries": gone.attempts, "last_outcome": gone.outcome, "reason": gone.reason,
            "next_attempt": gone.next_attempt, "last_attempt": at if gone.attempts else None,
        }
    )  # fmt: skip
    for number in range(gone.attempts):
        started = due(day, one.app) + timedelta(minutes=30 * number)
        rows[tables.attempts].append(
            {
                "app": one.name, "day": day, "pass_id": "p", "started": started,
                "ended": started + timedelta(seconds=0.2), "outcome": gone.outcome, "requests": 1,
                "status": 404, "size": None, "reason": gone.reason,
            }
        )  # fmt: skip


def alive(now: datetime = NOW, **changes: Any) -> Liveness:
    """Return the liveness of a daemon that is well at `now`."""
    well = Liveness(
        scheduler_alive=True,
        started=now - timedelta(days=3),
        last_pass=now - timedelta(minutes=2),
        interval=timedelta(minutes=5),
    )
    return replace(well, **changes)


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        """Return the instant it shows."""
        return self.now


@dataclass
class Served:
    """A status page that listens, with all that it was made of."""

    server: StatusServer
    config: Config
    metrics: Metrics
    clock: Clock
    live: Liveness

    @property
    def url(self) -> str:
        """Where it is, without a slash at the end."""
        return f"http://127.0.0.1:{self.server.port}"

    def ask(
        self, target: str, method: str = "GET", **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Return status, headers and body of the answer to a request."""
        assert self.server.port is not None
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, target, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def text(self, target: str) -> str:
        """Return the body of the answer to a GET."""
        return self.ask(target)[2].decode()


@contextlib.contextmanager
def serving(config: Config, address: tuple[str, int] = ("127.0.0.1", 0)) -> Iterator[Served]:
    """Serve the status page of `config` until the block ends."""
    metrics, clock = Metrics(), Clock()
    served = Served.__new__(Served)
    server = StatusServer(address, config, metrics, lambda: served.live, clock)
    served.__init__(server, config, metrics, clock, alive())
    server.start()
    try:
        yield served
    finally:
        server.stop()

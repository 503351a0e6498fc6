"""Every setting, stated once: its type, default and sentence. All values are frozen."""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES = {"": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def parse_duration(text: object) -> object:
    """Read `90s`, `30m`, `2h`, `1d`, `1h30m`; pass anything that is not text."""
    if not isinstance(text, str):
        return text
    if not re.fullmatch(r"(\d{1,6}[smhd])+", text, re.ASCII):
        raise ValueError("is not a duration; write it as 90s, 30m, 2h, 1d or 1h30m")
    return timedelta(
        seconds=sum(int(n) * _UNITS[u] for n, u in re.findall(r"(\d+)([smhd])", text))
    )


def parse_size(text: object) -> object:
    """Read `4096`, `512KiB`, `1GiB` as bytes; pass anything that is not text."""
    if not isinstance(text, str):
        return text
    match = re.fullmatch(r"(\d{1,15}) ?([KMGT]iB|B|)", text, re.ASCII)
    if not match:
        raise ValueError("is not a size; write it as 4096, 512KiB, 100MiB or 1GiB")
    return int(match[1]) * _SIZES[match[2]]


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Size = Annotated[int, BeforeValidator(parse_size)]


class Settings(BaseModel):
    """A block of settings: unknown keys are refused, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Schedule(Settings):
    """When an app's reports are due and how they are asked for again."""

    timezone: ZoneInfo = ZoneInfo("UTC")
    report_time: time = time(2, 0)
    buffer: Duration = timedelta(hours=2)
    retry_every: Duration = timedelta(minutes=30)
    retry_at_most: Duration = timedelta(days=1)
    alert_after: Duration = timedelta(hours=12)


class App(Schedule):
    """One stream of daily reports."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    app_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    secret_key: tuple[SecretStr, ...]
    base_url: str = Field(description="without a trailing slash; resolved from data_center")
    since: date
    until: date | None = None


class Storage(Settings):
    """Where archives and ledger live."""

    archive: Path = Path("/var/lib/reportsync/archive")
    ledger: str = "sqlite:////var/lib/reportsync/ledger.db"
    min_free: Size = 2**30


class Http(Settings):
    """How the vendor's API is asked."""

    connect_timeout: Duration = timedelta(seconds=10)
    read_timeout: Duration = timedelta(seconds=60)
    deadline: Duration = timedelta(minutes=10)
    attempts: int = 3
    backoff: Duration = timedelta(seconds=1)
    rate: float = 2.0  # requests per second and host; 0 is no limit
    workers: int = 8
    max_size: Size = 4 * 2**30
    proxy: str | None = None
    ca_file: Path | None = None


class Daemon(Settings):
    """How `run` behaves."""

    interval: Duration = timedelta(minutes=5)
    listen: tuple[str, int] | None = ("127.0.0.1", 8321)
    grace: Duration = timedelta(seconds=30)


class Log(Settings):
    """What is written to stderr by the daemon."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "journal", "json"] = "auto"


class Notify(Settings):
    """Who is told."""

    healthchecks: SecretStr | None = None
    urls: tuple[SecretStr, ...] = ()
    on: tuple[str, ...] = ("late", "rejected", "damaged", "storage", "recovered")


class Hooks(Settings):
    """What is run for each arrival."""

    arrival: str | None = None
    timeout: Duration = timedelta(minutes=5)


class Config(Settings):
    """The whole configuration, resolved: defaults merged into each app, references replaced."""

    apps: tuple[App, ...] = Field(min_length=1)
    storage: Storage = Storage()
    http: Http = Http()
    daemon: Daemon = Daemon()
    log: Log = Log()
    notify: Notify = Notify()
    hooks: Hooks = Hooks()


__all__ = [
    "App", "Config", "Daemon", "Hooks", "Http", "Log", "Notify", "Schedule", "Settings", "Storage",
    "parse_duration", "parse_size",
]

"""Every setting, stated once: its type, default and sentence. All values are frozen.

The example file, the JSON Schema, `config show` and the error texts are made from what stands here.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from datetime import date, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
    field_serializer,
    field_validator,
)
from pydantic_core import PydanticCustomError

from reportsync import address, notation
from reportsync.notation import parse_duration, parse_size
from reportsync.redact import MASK, mask

REFERENCE = r"\$\{"
_TEXT = WithJsonSchema({"type": "string"})
_ANY: dict[str, Any] = {"type": ["string", "integer"]}  # unquoted digits are a number to editors


def written(pattern: str, *types: str) -> WithJsonSchema:
    """Say how a value stands in the file: text of `pattern`, a reference, other JSON `types`."""
    kind: object = ["string", *types] if types else "string"
    return WithJsonSchema({"type": kind, "pattern": f"^({pattern})$|{REFERENCE}"})


def chosen(words: Iterable[str]) -> WithJsonSchema:
    """Say in the JSON Schema that a value is one of `words` or a reference."""
    reference = {"type": "string", "pattern": REFERENCE}
    return WithJsonSchema({"anyOf": [{"enum": list(words)}, reference]})


def _as_text(function: Any) -> PlainSerializer:
    return PlainSerializer(function, when_used="json")


def _positive(duration: timedelta) -> timedelta:
    if duration <= timedelta(0):
        raise ValueError("must be longer than 0s")
    return duration


def _second_at_least(duration: timedelta) -> timedelta:
    if duration < timedelta(seconds=1):
        raise ValueError("must be 1s at least")
    return duration


def _placed(path: object, info: ValidationInfo) -> object:
    return address.parse_path(path, (info.context or {}).get("folder"))


def _placed_ledger(url: str, info: ValidationInfo) -> str:
    return address.place_ledger(url, (info.context or {}).get("folder"))


def _usable(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text:
        raise ValueError("must not be empty")
    if text == MASK:
        raise ValueError("is the mask that `config show` prints, not a secret")
    if text != text.strip() or re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError("must not begin or end with a blank, nor hold line breaks or tabs")
    return secret


def _splittable(command: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError:
        raise ValueError("has a quotation mark or backslash without its partner") from None
    if not words or not words[0]:
        raise ValueError("must name a command")
    if "\0" in command:
        raise ValueError("must not hold a NUL character")
    return command


def _checked(check: Callable[[str], None]) -> AfterValidator:
    def validate(secret: SecretStr) -> SecretStr:
        check(secret.get_secret_value())
        return secret

    return AfterValidator(validate)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    _as_text(notation.duration_text),
    written(notation.DURATION),
]
Positive = Annotated[Duration, AfterValidator(_positive)]
Interval = Annotated[Duration, AfterValidator(_second_at_least)]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    _as_text(notation.size_text),
    written(notation.SIZE, "integer"),
]
Count = Annotated[int, BeforeValidator(notation.parse_count), written(notation.COUNT, "integer")]
Rate = Annotated[
    float,
    BeforeValidator(notation.parse_rate),
    _as_text(notation.rate_text),
    written(notation.RATE, "integer"),
]
Day = Annotated[date, BeforeValidator(notation.parse_day), written(notation.DAY, "integer")]
TimeOfDay = Annotated[
    time,
    BeforeValidator(notation.parse_time),
    _as_text(notation.time_text),
    written(notation.TIME),
]
Zone = Annotated[
    ZoneInfo, BeforeValidator(notation.parse_zone), _as_text(str), written(notation.ZONE)
]
Word = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$"), written("[A-Za-z0-9_-]{1,64}", "integer")
]
Secret = Annotated[SecretStr, AfterValidator(_usable), _as_text(lambda secret: MASK)]
Ping = Annotated[Secret, _checked(address.require_ping), written(address.PING)]
Target = Annotated[Secret, _checked(address.require_target), written(address.TARGET)]
Placed = Annotated[Path, BeforeValidator(_placed), _as_text(str), _TEXT]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,252})$"), _TEXT]
Command = Annotated[
    str,
    Field(min_length=1),
    AfterValidator(_splittable),
    _as_text(mask),
    _TEXT,
]
Event = Literal["late", "rejected", "damaged", "storage", "recovered"]
EVENTS: tuple[Event, ...] = ("late", "rejected", "damaged", "storage", "recovered")


class Settings(BaseModel):
    """A block of settings: unknown keys are refused, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Schedule(Settings):
    """When an app's reports are due and how they are asked for again."""

    timezone: Zone = Field(
        default="UTC",  # as text: without time zone data this module must still be importable
        validate_default=True,
        description="the app's zone in the dashboard, an IANA name",
    )
    report_time: TimeOfDay = Field(
        default=time(2, 0), description="the time set in Settings > Reports Settings"
    )
    buffer: Duration = Field(
        default=timedelta(hours=2),
        description="wait after report_time; 90s, 30m, 2h, 1d, 1h30m or 0s",
    )
    retry_every: Duration = Field(
        default=timedelta(minutes=30),
        description="first pause while a due report is not there yet; grows",
    )
    retry_at_most: Duration = Field(
        default=timedelta(days=1),
        validate_default=True,
        description="the longest pause; a week for days due for 30 days",
    )
    alert_after: Duration = Field(
        default=timedelta(hours=12), description="still missing this long after due: an incident"
    )

    @field_validator("retry_at_most")
    @classmethod
    def _in_order(cls, longest: timedelta, info: ValidationInfo) -> timedelta:
        if longest < info.data.get("retry_every", longest):
            raise PydanticCustomError(
                "order", "retry_at_most is shorter than retry_every", {"at": "retry_every"}
            )
        return longest


class App(Schedule):
    """One stream of daily reports."""

    name: Word = Field(
        description="folder name and label: letters, digits, _ and -", examples=["shop-de"]
    )
    app_id: Word = Field(
        description="APP ID in Settings > Account > APIs (or Workspace ID)",
        examples=["DAO6UGZ73D9RTK8B5W96TPYN"],
    )
    secret_key: Annotated[
        tuple[Secret, ...],
        WithJsonSchema(
            {"anyOf": [_ANY, {"type": "array", "items": _ANY, "minItems": 1, "maxItems": 2}]}
        ),
    ] = Field(
        min_length=1,
        max_length=2,
        description="Campaign report API key; a list of two during a rotation",
        examples=["${env:SHOP_DE_KEY}"],
    )
    data_center: Annotated[
        str | None,
        BeforeValidator(address.parse_data_center),
        written("[0-9]{1,3}", "integer", "null"),
    ] = Field(
        default=None, description="01 to 06 or 101, as in the dashboard's address", examples=["01"]
    )
    base_url: Annotated[
        str, BeforeValidator(address.parse_base_url), written(address.BASE_URL, "null")
    ] = Field(
        default="",
        validate_default=True,
        description="overrides data_center; may carry a path; http for loopback only",
        examples=["https://api-01.moengage.com"],
    )
    since: Day = Field(description="first day that has a report", examples=["2026-01-01"])
    until: Annotated[Day | None, written(notation.DAY, "integer", "null")] = Field(
        default=None, description="last day; without it there is no end", examples=["2026-06-30"]
    )

    @field_validator("secret_key", mode="before")
    @classmethod
    def _one_or_two(cls, keys: object) -> object:
        return (keys,) if isinstance(keys, str | SecretStr) else keys

    @field_validator("secret_key")
    @classmethod
    def _no_key_twice(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if len(set(keys)) < len(keys):
            raise ValueError("holds the same key twice")
        return keys

    @field_validator("base_url")
    @classmethod
    def _resolved(cls, base_url: str, info: ValidationInfo) -> str:
        if base_url or "data_center" not in info.data:  # not there: refused, and told of already
            return base_url
        if info.data["data_center"] is None:
            raise PydanticCustomError(
                "no_base",
                "is missing; give the number of the data center (01 to 06, 101) or a base_url",
                {"at": "data_center"},
            )
        return address.data_center_url(info.data["data_center"])

    @field_validator("until")
    @classmethod
    def _not_before_since(cls, until: date | None, info: ValidationInfo) -> date | None:
        if until is not None and until < info.data.get("since", until):
            raise ValueError("is earlier than since")
        return until

    @field_serializer("secret_key", when_used="json")
    def _masked(self, keys: tuple[SecretStr, ...]) -> str | list[str]:
        return MASK if len(keys) == 1 else [MASK for _ in keys]


class Storage(Settings):
    """Where archives and ledger live."""

    archive: Placed = Field(
        default=Path("/var/lib/reportsync/archive"), description="the folder of the archives"
    )
    ledger: Annotated[
        str,
        BeforeValidator(address.parse_ledger),
        AfterValidator(_placed_ledger),
        _as_text(address.mask_password),
        written(f"{address.SQLITE}|{address.POSTGRES}"),
    ] = Field(
        default="sqlite:////var/lib/reportsync/ledger.db",
        repr=False,
        description="sqlite:///FILE, or postgresql://... with reportsync[postgres]",
    )
    min_free: Size = Field(
        default=2**30, ge=0, description="space that is always left free on the disk"
    )


class Http(Settings):
    """How the vendor's API is asked."""

    connect_timeout: Positive = Field(default=timedelta(seconds=10), description="for a connection")
    read_timeout: Positive = Field(default=timedelta(seconds=60), description="between two reads")
    deadline: Positive = Field(
        default=timedelta(minutes=10), description="a whole download, headers included"
    )
    attempts: Count = Field(
        default=3, ge=1, le=20, description="inside one attempt of a report, for transient faults"
    )
    backoff: Duration = Field(
        default=timedelta(seconds=1), description="first pause between those, doubling, with jitter"
    )
    rate: Rate = Field(
        default=2.0,
        ge=0,
        allow_inf_nan=False,
        description="requests per second and host: 2/s, 30/m, 100/h; 0 is no limit",
    )
    workers: Count = Field(
        default=8, ge=1, le=256, description="downloads at once, at most; learnt for each host"
    )
    bandwidth: Size = Field(
        default=0, ge=0, description="bytes per second over all downloads; 0 is no limit"
    )
    max_size: Size = Field(default=4 * 2**30, ge=1, description="the largest archive that is taken")
    proxy: Annotated[
        str | None,
        BeforeValidator(address.parse_proxy),
        _as_text(lambda url: url and address.mask_password(url)),
        written(address.PROXY, "null"),
    ] = Field(
        default=None,
        repr=False,
        description="http://HOST:PORT; environment proxies and netrc are not used",
    )
    ca_file: Placed | None = Field(
        default=None, description="certificates (PEM) to trust in place of the built-in ones"
    )


class Daemon(Settings):
    """How `run` behaves."""

    interval: Interval = Field(
        default=timedelta(minutes=5),
        description="a pass at least this often, besides those at due instants",
    )
    listen: Annotated[
        tuple[str, int] | None,
        BeforeValidator(address.parse_listen),
        _as_text(address.listen_text),
        written(address.LISTEN, "null"),
    ] = Field(
        default=("127.0.0.1", 8321), description="status page, /metrics, /healthz: HOST:PORT or off"
    )
    hosts: tuple[HostName, ...] = Field(
        default=(),
        description="further names by which the status page may be asked for",
    )
    grace: Duration = Field(default=timedelta(seconds=30), description="to stop")


class Verify(Settings):
    """How `run` re-hashes by itself what is in the archive."""

    every: Duration = Field(default=timedelta(days=30), description="all of it so often; 0s: never")
    bandwidth: Size = Field(
        default=8 * 2**20, ge=0, description="bytes read per second for it; 0 is no limit"
    )


class Log(Settings):
    """What is written to stderr by the daemon."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        chosen(["debug", "info", "warning", "error"]),
    ] = Field(default="info", description="debug, info, warning or error")
    format: Annotated[
        Literal["auto", "console", "journal", "json"],
        chosen(["auto", "console", "journal", "json"]),
    ] = Field(default="auto", description="console, journal, json; auto looks at where stderr goes")


class Notify(Settings):
    """Who is told."""

    healthchecks: Ping | None = Field(
        default=None, description="a check's URL: told start, success, failure; a secret"
    )
    urls: tuple[Target, ...] = Field(
        default=(), description="where notices go, as URLs of reportsync[notify]; secrets"
    )
    on: tuple[Annotated[Event, chosen(EVENTS)], ...] = Field(
        default=EVENTS, description="what notices are sent for"
    )


class Hooks(Settings):
    """What is run for each arrival."""

    arrival: Command | None = Field(
        default=None,
        repr=False,
        description="a command; run until it exits 0; write ${ as $${",
    )
    timeout: Positive = Field(
        default=timedelta(minutes=5), description="for one run of the command"
    )


class Config(Settings):
    """The whole configuration, resolved: defaults merged into each app, references replaced."""

    apps: tuple[App, ...] = Field(min_length=1, description="at least one app")
    storage: Storage = Storage()
    http: Http = Http()
    daemon: Daemon = Daemon()
    verify: Verify = Verify()
    log: Log = Log()
    notify: Notify = Notify()
    hooks: Hooks = Hooks()


__all__ = [
    "EVENTS",
    "App",
    "Config",
    "Daemon",
    "Hooks",
    "Http",
    "Log",
    "Notify",
    "Schedule",
    "Settings",
    "Storage",
    "Verify",
]

"""The apps that the sandbox has reports of: the user's own, or two made-up ones."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from reportsync.calendar import scheduled
from reportsync.notation import time_text

if TYPE_CHECKING:
    from reportsync.settings import App, Schedule

_UTC = ZoneInfo("UTC")
_END = date(9999, 12, 1)  # leaves room for the instants that follow from a day
_FAKE = "sandbox-key-not-a-secret-"


@dataclass(frozen=True, slots=True)
class SandboxApp:
    """One app as the vendor knows it.

    `since` is the first day with a report, `until` the last; `holes` are days that were never
    generated. A report exists from its scheduled instant plus `generation_takes`. Any of
    `secret_keys` signs. `name` is what the operator calls the app; faults may go by it.
    """

    app_id: str
    secret_keys: tuple[str, ...] = field(repr=False)
    since: date
    timezone: ZoneInfo = _UTC
    report_time: time = time(2, 0)
    generation_takes: timedelta = timedelta(0)
    holes: frozenset[date] = frozenset()
    until: date | None = None
    name: str | None = None
    references: tuple[str, ...] = ()

    @classmethod
    def from_app(cls, app: App, references: tuple[str, ...] = ()) -> SandboxApp:
        """Return the stand-in for a configured `app`: same id, keys, days and schedule.

        `references` are those of its file by which the keys are found, as far as they are no secrets.
        """
        return cls(
            app_id=app.app_id,
            secret_keys=tuple(key.get_secret_value() for key in app.secret_key),
            since=app.since,
            until=app.until,
            timezone=app.timezone,
            report_time=app.report_time,
            name=app.name,
            references=references,
        )

    def signed(self, file_name: str, signature: str) -> bool:
        """Say whether `signature` is one of this app's for `file_name`, in constant time."""
        return any(
            hmac.compare_digest(self._signature(file_name, key), signature.encode())
            for key in self.secret_keys
        )

    def _signature(self, file_name: str, key: str) -> bytes:
        # A plain hash and not an HMAC, as the vendor's page has it. Own code on purpose: the
        # sandbox would prove nothing with the function of the program that it tests.
        text = f"{self.app_id}|{file_name}|{key}"
        return hashlib.sha256(text.encode()).hexdigest().encode()

    def ready_at(self, day: date) -> datetime | None:
        """Return the instant (UTC) from which the report of `day` exists; None for never."""
        last = min(self.until or _END, _END)
        if not self.since <= day <= last or day in self.holes:
            return None
        return scheduled(day, _schedule(self.timezone, self.report_time)) + self.generation_takes


@cache
def _schedule(timezone: ZoneInfo, report_time: time) -> Schedule:
    from reportsync.settings import Schedule

    return Schedule(timezone=timezone, report_time=report_time)


def load_apps(path: Path) -> tuple[SandboxApp, ...]:
    """Return the apps of the user's own config file at `path`, so that it can be rehearsed.

    Raises ConfigError as any command does that reads the file.
    """
    from reportsync import config  # a heavy import, not needed for the made-up apps

    loaded = config.load(path)
    return tuple(map(SandboxApp.from_app, loaded.config.apps, loaded.keys))


def sample_apps(today: date, days: int = 30) -> tuple[SandboxApp, ...]:
    """Return two made-up apps whose first report is about the day `days` before `today`."""
    since = today - timedelta(days=days)
    return (
        _sample(1, "shop-de", ZoneInfo("Europe/Berlin"), since),
        _sample(2, "shop-in", ZoneInfo("Asia/Kolkata"), since),
    )


def _sample(number: int, name: str, timezone: ZoneInfo, since: date) -> SandboxApp:
    return SandboxApp(
        app_id=f"SANDBOXAPP{number:014}",
        secret_keys=(f"{_FAKE}{number}",),
        since=since,
        timezone=timezone,
        generation_takes=timedelta(minutes=20 * number),
        name=name,
    )


def sample_config(url: str, apps: Iterable[SandboxApp]) -> str:
    """Return a config (YAML) with which reportsync fetches the reports of `apps` from `url`.

    Archive and ledger stand beside the config file. Only the keys of the made-up apps are written
    out; a real one is referred to as the user's file does, or by an environment variable that the text
    asks to be set.
    """
    listed = list(apps)
    variables = _variables(listed)
    blocks = "".join(_block(url, app, variables.get(app)) for app in listed)
    to_set = "".join(
        f"# First: export {variable}=...  # the key of {app.name or app.app_id}\n"
        for app, variable in variables.items()
    )
    return (
        f"# For the sandbox at {url}; in a file of yours it needs: chmod 600 FILE\n{to_set}"
        f"apps:\n{blocks}"
        "storage:\n  archive: sandbox/archive\n  ledger: sqlite:///sandbox/ledger.db\n"
        "http:\n  rate: 0  # the sandbox needs no politeness\n"
    )


def _is_told(app: SandboxApp) -> bool:
    """Say whether a config can say how the keys are found without a word of them."""
    return bool(app.references) or all(key.startswith(_FAKE) for key in app.secret_keys)


def _variables(apps: Sequence[SandboxApp]) -> dict[SandboxApp, str]:
    """Return an environment variable for each of `apps` that needs one: none twice, none a user's own."""
    taken = {reference for app in apps for reference in app.references}
    found: dict[SandboxApp, str] = {}
    for app in apps:
        if _is_told(app):
            continue
        name = (app.name or app.app_id).upper().replace("-", "_")
        plain = f"APP_{name}" if name[0].isdigit() else name
        names = (f"{plain}{number}_KEY" for number in ("", *range(2, 10**6)))
        found[app] = next(one for one in names if f"${{env:{one}}}" not in taken)
        taken.add(f"${{env:{found[app]}}}")
    return found


def _in_yaml(texts: list[str]) -> str:
    import yaml  # heavy, as above

    return yaml.safe_dump(texts, default_flow_style=True, width=10**6).strip()


def _block(url: str, app: SandboxApp, variable: str | None) -> str:
    keys = app.references or app.secret_keys if variable is None else (f"${{env:{variable}}}",)
    lines = [
        f"- name: {app.name or app.app_id}",
        f"  app_id: {app.app_id}",
        f"  secret_key: {_in_yaml(list(keys))}",
        f"  base_url: {url}",
        f"  since: {app.since}",
        *([f"  until: {app.until}"] if app.until else []),
        f"  timezone: {app.timezone}",
        f'  report_time: "{time_text(app.report_time)}"',
    ]
    return "".join(f"  {line}\n" for line in lines)

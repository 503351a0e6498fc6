"""The stage of the demo: a sandbox with faults, two apps, and a config that points at it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

from reportsync.calendar import last_due
from reportsync.sandbox import Fault, Sandbox, SandboxApp, sample_apps, sample_config
from reportsync.settings import Schedule


@dataclass(frozen=True, slots=True)
class Stage:
    """What goes wrong and where; `troubles` tells it to the audience."""

    sandbox: Sandbox
    apps: tuple[SandboxApp, ...]
    hole: date
    late: date
    troubles: tuple[str, ...]


def set_stage(days: int, now: datetime) -> Stage:
    """Return a sandbox, not yet started, with two apps of `days` days each and a fault of each kind."""
    first, second = (_with_days(app, days, now) for app in sample_apps(now.date(), days))
    newest = _newest(second, now)
    hole = first.since + timedelta(days=days // 3)
    cut = first.since + timedelta(days=days // 2)
    error = second.since + timedelta(days=days * 2 // 3)
    busy = second.since + timedelta(days=days // 4)
    first = replace(first, holes=frozenset({hole}))
    faults = [
        Fault("404", app=second.app_id, day=newest, times=1),
        Fault("cut", app=first.app_id, day=cut, times=1),
        Fault("json-200", app=second.app_id, day=error, times=1),
        Fault("429", app=second.app_id, day=busy, times=1, retry_after="1"),
    ]
    troubles = (
        f"{first.name} has a hole: {hole} was never generated",
        f"{second.name} is late: {newest} is not there at the first try",
        f"{first.name} {cut} breaks off in mid-download, once",
        f"{second.name} {error} answers a JSON error with status 200, once",
        f"{second.name} {busy} answers 429 Too Many Requests, once",
    )
    return Stage(Sandbox((first, second), faults=faults), (first, second), hole, newest, troubles)


def _with_days(app: SandboxApp, days: int, now: datetime) -> SandboxApp:
    """Return `app` with exactly `days` days that are due at `now`."""
    return replace(app, since=_newest(app, now) - timedelta(days=days - 1))


def _newest(app: SandboxApp, now: datetime) -> date:
    return last_due(now, Schedule(timezone=app.timezone, report_time=app.report_time))


def write_config(stage: Stage, folder: Path) -> Path:
    """Write the config for the started sandbox of `stage` into `folder` and return its path."""
    path = folder / "config.yaml"
    path.touch(mode=0o600)
    path.write_text(sample_config(stage.sandbox.url, stage.apps), encoding="utf-8")
    return path

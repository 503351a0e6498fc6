"""A daemon in a process of its own, its log, and the config it is started with."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import Any

from reportsync.sandbox import SandboxApp

KEY = "daemon-key-not-a-secret"


def wait_until(reached: Callable[[], Any], seconds: float = 15.0) -> Any:
    """Return what `reached` returns as soon as it is true; fail after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = reached()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not reached within {seconds} s")


def since(days: int) -> date:
    """Return the first of the last `days` days that are due in UTC with report_time 00:00."""
    return datetime.now(UTC).date() - timedelta(days=days)


def stand_in() -> SandboxApp:
    """Return the app of the config: a report is generated as its day ends, whatever the hour of the test."""
    return SandboxApp("DAEMONAPP", (KEY,), since(1000), report_time=clock_time(0))


class Running:
    """A daemon under test: its process, and its log as it is written."""

    def __init__(self, folder: Path, arguments: list[str], environ: dict[str, str]) -> None:
        self.folder = folder
        self.log = folder / "run.log"
        self.output = self.log.open("ab")
        self.process = subprocess.Popen(
            [*arguments, "-m", "reportsync", "--config", str(folder / "config.yaml"), "run"],
            stderr=self.output,
            env={**os.environ, **environ},
            cwd=folder,
            start_new_session=True,  # a group of its own, with what it is wrapped in
        )

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return the lines of the log, of one event if `name` is given."""
        lines = self.log.read_text().splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in found if name in (None, event["event"])]

    def await_event(self, name: str, count: int = 1, seconds: float = 15.0) -> dict[str, Any]:
        """Return the event called `name` that is the `count`th, once it is there."""
        found: list[dict[str, Any]] = wait_until(
            lambda: (e := self.events(name)) and len(e) >= count and e, seconds
        )
        return found[count - 1]

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(
        self, number: signal.Signals = signal.SIGTERM, within: float = 10.0
    ) -> tuple[int, float]:
        """Send a signal that ends it; return the exit code and the seconds it took."""
        began = time.monotonic()
        self.send(number)
        return self.process.wait(within), time.monotonic() - began

    def close(self) -> None:
        """Leave nothing behind, also where a shell or a tracer was started, and the daemon by that."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.output.close()


def write_config(
    folder: Path,
    url: str,
    app: str = "",
    daemon: str = "interval: 1h, grace: 3s",
    rest: str = "",
    days: int = 3,
) -> None:
    """Write the config of one app whose last `days` days are due."""
    if "listen" not in daemon:
        daemon = f"listen: off, {daemon}"
    schedule = app or 'report_time: "00:00", buffer: 0s'
    text = f"""\
apps:
  - {{name: shop, app_id: DAEMONAPP, secret_key: {KEY}, base_url: "{url}", since: {since(days)}, {schedule}}}
storage: {{archive: archive, ledger: "sqlite:///ledger.db", min_free: 0}}
http: {{rate: 0, attempts: 1, backoff: 0s}}
daemon: {{{daemon}}}
{rest}
"""
    path = folder / "config.yaml"
    path.touch(mode=0o600)
    path.write_text(text)

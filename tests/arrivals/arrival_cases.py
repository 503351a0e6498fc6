"""What the tests of arrivals share: instants that are moved by hand, and arrivals without a vendor."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import cli_tool
from zygote import Zygote

from reportsync.cli.failure import guarded
from reportsync.cli.main import cli
from reportsync.ledger import Ledger, records
from reportsync.model import ONE_DAY, Archive, Report
from reportsync.settings import Config

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
FIRST = date(2026, 1, 1)
KEY = "arrivals-key-0123456789"


class Instants:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **units: float) -> None:
        """Move on, or with negative numbers back."""
        self.now += timedelta(**units)


def add(ledger: Ledger, app: str = "shop", days: int = 1, first: int = 0, version: int = 1) -> None:
    """Record arrivals of `app`, `days` of them, from the day that is `first` days after FIRST."""
    for number in range(first, first + days):
        report = Report(app, FIRST + number * ONE_DAY)
        sha256 = hashlib.sha256(f"{report} {version}".encode()).hexdigest()
        archive = Archive(report, version, 1000 + number, sha256, 2)
        assert ledger.write(records.adopt_row, archive, NOW) is not None


def config_of(folder: Path, command: str, timeout: str = "30s") -> Config:
    """Return a config with a hook."""
    app = {
        "name": "shop",
        "app_id": "SHOP",
        "secret_key": KEY,
        "base_url": "https://api-01.moengage.com",
        "since": "2026-01-01",
    }
    return Config.model_validate(
        {
            "apps": [app],
            "storage": {
                "archive": str(folder / "archive"),
                "ledger": f"sqlite:///{folder}/ledger.db",
            },
            "hooks": {"arrival": command, "timeout": timeout},
        }
    )


def wait_until(reached: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Return what `reached` returns as soon as it is true; fail after `seconds`."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        found = reached()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not reached within {seconds} s")


class Place:
    """A folder with a config, and the commands run in it as processes of their own."""

    def __init__(self, folder: Path, zygote: Zygote) -> None:
        self.folder = folder
        self._commands = cli_tool.Place(folder, zygote)
        self.config = folder / "config.yaml"

    def write(
        self,
        hook: str | None = None,
        *,
        base: str = "https://api-01.moengage.com",
        since: date = FIRST,
        rest: str = "",
        timeout: str = "20s",
    ) -> None:
        """Write the config of one app; `hook` is the command line."""
        hooks = f"hooks: {{arrival: {json.dumps(hook)}, timeout: {timeout}}}\n" if hook else ""
        self.config.touch(mode=0o600)
        self.config.write_text(
            f"apps:\n  - {{name: shop, app_id: SHOP, secret_key: {KEY}, base_url: '{base}',"
            f" since: {since}, report_time: '00:00', buffer: 0s}}\n"
            "storage: {archive: archive, ledger: 'sqlite:///ledger.db', min_free: 0}\n"
            "http: {rate: 0, attempts: 1, backoff: 0s}\n"
            f"daemon: {{listen: off, interval: 1h, grace: 4s}}\n{hooks}{rest}"
        )

    def start(self, *args: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command, for signals and pipes."""
        words = [sys.executable, "-m", "reportsync", "--config", str(self.config), *args]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        return subprocess.Popen(words, cwd=self.folder, **options)

    def run(self, *args: str) -> tuple[int, str, str]:
        """Run a command; return exit code, stdout and stderr."""
        done = self._commands.run(*args)
        return done.code, done.out, done.err

    def call(self, *args: str) -> int:
        """Run a short command in this process and return its exit code."""
        words = ["--config", str(self.config), *args]
        return guarded(lambda: cli.main(args=words, standalone_mode=False))

    def json(self, *args: str) -> list[dict[str, Any]]:
        """Run a command that must succeed; return the objects on its lines."""
        code, out, err = self.run(*args, "--json")
        assert code == 0, err
        return [json.loads(line) for line in out.splitlines()]

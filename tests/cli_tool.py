"""What the tests of the commands share: a folder with a config, and ways to run commands in it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from zygote import Zygote, environment

from reportsync.sandbox import Sandbox, SandboxApp

PATIENCE = 50  # seconds for one command on a busy machine
HTTP = "http: {rate: 0, attempts: 1, backoff: 0s, deadline: 20s, workers: 4}\n"


def today() -> date:
    """Return today in UTC; every app of these tests lives there."""
    return datetime.now(UTC).date()


def ago(days: int) -> date:
    """Return the day so many days ago; 2 is the newest that is due at any time of day."""
    return today() - timedelta(days=days)


def name_of(day: date) -> str:
    """Return the file name of a day's archive."""
    return f"{day:%Y%m%d}.zip"


def stand_in(name: str, days: int, **more: Any) -> SandboxApp:
    """Return an app whose last `days` days, the newest of them due today or yesterday, have reports."""
    return SandboxApp(
        app_id=f"ID{name.upper().replace('-', '')}",
        secret_keys=(f"key-of-{name}-0123456789",),
        since=ago(days + 1),
        until=ago(2),
        name=name,
        **more,
    )


def block(app: SandboxApp, url: str, keys: Iterable[str] = (), extra: str = "") -> str:
    """Return the config of `app`; `until` keeps the number of due days the same all day long."""
    secret = ", ".join(keys or app.secret_keys)
    return (
        f"  - {{name: {app.name}, app_id: {app.app_id}, secret_key: [{secret}], base_url: '{url}',"
        f" since: {app.since}, until: {app.until}{extra}}}\n"
    )


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its one JSON object."""
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        """Its JSON objects, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def summary(self) -> dict[str, Any]:
        """Its last JSON object."""
        return self.events[-1]

    def outcomes(self) -> dict[tuple[str, str], str]:
        """Return the outcome of each (app, day) that it told of."""
        told = [event for event in self.events if event["event"] == "report"]
        found = {(event["app"], event["day"]): event["outcome"] for event in told}
        assert len(found) == len(told), "a report was told of twice"
        return found


class Place:
    """A folder with config, archive and ledger, and the commands run in it."""

    def __init__(self, folder: Path, zygote: Zygote) -> None:
        self.folder = folder
        self.config = folder / "config.yaml"
        self.archive = folder / "archive"
        self.ledger = folder / "ledger.db"
        self._zygote = zygote
        self._numbers = count()
        self._words = folder.with_name(f"{folder.name}-words")
        self._words.mkdir()

    def write(self, apps: str, *, http: str = HTTP, more: str = "") -> None:
        """Write the config: the blocks `apps`, and other top-level keys."""
        storage = f"storage: {{archive: {self.archive}, ledger: 'sqlite:///{self.ledger}', min_free: 0}}\n"
        self.config.touch(mode=0o600)
        self.config.write_text(f"apps:\n{apps}{storage}{http}{more}")

    def serve(self, sandbox: Sandbox, apps: Iterable[SandboxApp], **more: str) -> None:
        """Write the config for `apps` as the running `sandbox` has them."""
        self.write("".join(block(app, sandbox.url) for app in apps), **more)

    def run(
        self,
        *args: str,
        env: Mapping[str, str] | None = None,
        out: str | None = None,
        plain: bool = False,
    ) -> Done:
        """Run a command and return how it ended.

        `out` is a file for its stdout; `plain` takes from root what sets it over permission bits.
        """
        number = next(self._numbers)
        words = [self._words / f"{number}.{kind}" for kind in ("out", "err")]
        code = self._zygote.run(
            args=["--config", str(self.config), *args],
            cwd=str(self.folder),
            env=environment(env),
            out=out or str(words[0]),
            err=str(words[1]),
            plain=plain,
            limit=PATIENCE,
        )
        return Done(code, "" if out else words[0].read_text(), words[1].read_text())

    def start(self, *args: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command as a process of its own, for signals and pipes.

        `before` are the words of a command that wraps it; the other options are those of Popen.
        """
        before = options.pop("before", [])
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        env = environment(options.pop("env", None))
        command = [*before, *command_line(), "--config", str(self.config), *args]
        return subprocess.Popen(command, cwd=self.folder, text=True, env=env, **options)

    def zips(self) -> dict[str, str]:
        """Return {path below the archive: SHA-256} of all archives under final names."""
        found = self.archive.glob("*/*/*.zip")
        return {
            str(path.relative_to(self.archive)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in found
        }

    def everything(self) -> dict[str, tuple[int, int, str]]:
        """Return mode, mtime and content of all that lies in the folder, to see that nothing changed."""
        found = {}
        for path in [self.folder, *sorted(self.folder.rglob("*"))]:
            status = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            found[str(path.relative_to(self.folder))] = (
                status.st_mode,
                status.st_mtime_ns,
                content,
            )
        return found


def command_line() -> list[str]:
    """Return the words that start reportsync."""
    return [sys.executable, "-m", "reportsync"]


def finish(process: subprocess.Popen[str]) -> Done:
    """Wait for a started command."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Done(process.returncode, out or "", err or "")


def check_sums(archive: Path) -> int:
    """Check every SHA256SUMS with coreutils; return how many files are listed in all of them."""
    listed = 0
    for sums in archive.glob("*/*/SHA256SUMS"):
        subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=sums.parent, check=True)
        listed += len(sums.read_text().splitlines())
    return listed

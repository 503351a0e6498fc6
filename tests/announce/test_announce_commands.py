"""The commands with real receivers, as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from notice_receiver import Receiver, dead_port, eventually

from reportsync.sandbox import Fault, Sandbox, SandboxApp

ROOT = Path(__file__).resolve().parents[2]
SINCE = datetime.now(UTC).date() - timedelta(days=4)
UNTIL = SINCE + timedelta(days=2)
HOLE = SINCE + timedelta(days=1)
KEY = "hidden-key-of-shop-0123456789"
# Apprise 2.2 imports imghdr with its mail plugin on Python up to 3.12.
STRICT = "error,ignore:'imghdr' is deprecated:DeprecationWarning"


class Desk:
    """A folder with a config for one app of a sandbox, whose second of three days is absent."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.key = KEY

    def write(self, notify: str = "{}", more: str = "") -> None:
        """Write the config."""
        path = self.folder / "config.yaml"
        path.touch(mode=0o600)
        path.write_text(
            f"apps:\n  - {{name: shop, app_id: IDSHOP, secret_key: {self.key},"
            f" base_url: '{self.sandbox.url}', since: {SINCE}, until: {UNTIL}}}\n"
            "storage: {archive: archive, ledger: 'sqlite:///ledger.db', min_free: 0}\n"
            "http: {rate: 0, attempts: 1, backoff: 0s}\n"
            f"notify: {notify}\n{more}"
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command."""
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": STRICT}
        return subprocess.Popen(
            [sys.executable, "-m", "reportsync", *words],
            cwd=self.folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *words: str) -> tuple[int, str, str]:
        """Run a command; return exit code, stdout and stderr."""
        process = self.start(*words)
        out, err = process.communicate(timeout=50)
        return process.returncode, out, err


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    app = SandboxApp("IDSHOP", (KEY,), since=SINCE, until=UNTIL, holes=frozenset({HOLE}))
    with Sandbox([app]) as sandbox:
        yield Desk(tmp_path, sandbox)


@pytest.mark.slow
def test_sync_pings_tells_and_says_so_on_stderr_and_keeps_stdout_for_data(desk: Desk) -> None:
    with Receiver() as check, Receiver() as target:
        desk.write(f"{{healthchecks: '{check.check}', urls: ['{target.target}']}}")
        code, out, err = desk.run("sync", "--json")
        again = desk.run("sync", "--json")
    assert (code, again[0]) == (3, 3)
    assert check.signs == ["start", "fail", "start", "fail"]
    assert target.titles == [f"shop: {HOLE} is missing"]
    assert f"incident: shop: {HOLE} is missing\n" in err
    assert f"What to do: reportsync why shop {HOLE}\n" in err
    assert "incident" not in again[2]
    events = [json.loads(line)["event"] for line in out.splitlines()]
    assert events == ["report"] * 3 + ["summary"]
    status = json.loads(desk.run("status", "--json")[1])
    assert [one["key"] for one in status["incidents"]] == [f"late:shop:{HOLE}"]
    assert status["incidents"][0]["told"] is not None
    assert f"shop: {HOLE} is missing, since" in desk.run("status")[1]


@pytest.mark.slow
def test_row_37_success_is_told_when_a_person_has_waived_the_hole(desk: Desk) -> None:
    with Receiver() as check:
        desk.write(f"{{healthchecks: '{check.check}'}}")
        desk.run("sync")
        desk.run("waive", "shop", str(HOLE), "--reason", "never made")
        code, _, err = desk.run("sync")
    assert code == 0
    assert check.signs == ["start", "fail", "start", "success"]
    assert f"incident: over: shop: {HOLE} is missing" in err


@pytest.mark.slow
def test_a_backfill_tells_incidents_but_is_no_sign_of_life_of_the_schedule(desk: Desk) -> None:
    with Receiver() as check, Receiver() as target:
        desk.write(f"{{healthchecks: '{check.check}', urls: ['{target.target}']}}")
        assert desk.run("backfill", "--since", str(SINCE))[0] == 3
    assert check.heard == []
    assert target.titles == [f"shop: {HOLE} is missing"]


@pytest.mark.slow
def test_fault_42_targets_that_never_answer_cost_the_command_some_seconds_at_most(
    desk: Desk,
) -> None:
    with Receiver(hangs=True) as hanging:
        desk.write(f"{{healthchecks: '{hanging.check}', urls: ['{hanging.target}']}}")
        began = time.monotonic()
        code, out, err = desk.run("sync")
        took = time.monotonic() - began
    assert code == 3
    assert "2 stored, 1 missing" in out
    assert took < 35
    assert "not delivered" in err
    assert "hidden-path" not in err
    assert hanging.check not in err


@pytest.mark.slow
def test_fault_42_targets_that_refuse_change_nothing_but_a_warning(desk: Desk) -> None:
    port = dead_port()
    check, target = (
        f"http://127.0.0.1:{port}/ping/hidden-name",
        f"json://127.0.0.1:{port}/hidden-path",
    )
    desk.write(f"{{healthchecks: '{check}', urls: ['{target}']}}")
    code, _, err = desk.run("sync")
    assert code == 3
    assert "reportsync: not delivered: notify.healthchecks: no answer (ConnectionError)" in err
    assert "reportsync: not delivered: notify.urls[0]: the target did not take the notice" in err
    assert "hidden" not in err


@pytest.mark.slow
def test_verify_tells_damage_and_repair_its_end(desk: Desk) -> None:
    with Receiver() as target:
        desk.write(f"{{urls: ['{target.target}'], on: [damaged, recovered]}}")
        desk.run("sync")
        path = desk.folder / f"archive/shop/{UNTIL.year}/{UNTIL:%Y%m%d}.zip"
        path.chmod(0o600)
        path.write_bytes(b"damaged")
        assert desk.run("verify")[0] == 4
        assert desk.run("verify")[0] == 4
        assert desk.run("repair")[0] == 3
        assert desk.run("verify")[0] == 0
    title = "shop: 1 archive is damaged or lost"
    assert target.titles == [title, f"over: {title}"]


@pytest.mark.slow
def test_a_pass_that_cannot_begin_is_told(desk: Desk) -> None:
    with Receiver() as check, Receiver() as target:
        desk.write(f"{{healthchecks: '{check.check}', urls: ['{target.target}']}}")
        desk.run("sync")
        (desk.folder / "archive/.reportsync").unlink()
        code, _, err = desk.run("sync")
    assert code == 5
    assert check.signs[2:] == ["start", "fail"]
    assert target.titles[1:] == ["the archive or the ledger cannot be used"]
    assert "incident: the archive or the ledger cannot be used" in err


@pytest.mark.slow
def test_invariant_4_a_refused_key_shows_in_no_notice_ping_or_log(desk: Desk) -> None:
    desk.key = "canary-of-a-key-that-is-wrong"
    with Receiver() as check, Receiver() as target:
        desk.write(f"{{healthchecks: '{check.check}', urls: ['{target.target}']}}")
        code, out, err = desk.run("-vv", "sync")
    assert code == 77
    assert target.titles == ["shop: the key is refused"]
    said = out + err + "".join(one.body for one in [*check.heard, *target.heard])
    secrets = [desk.key, "ignature=", "hidden-path", "0f1e2d3c-4b5a-6978"]
    assert [secret for secret in secrets if secret in said] == []


@pytest.mark.slow
def test_a_daemon_pings_each_pass_tells_once_and_ends_in_time(desk: Desk) -> None:
    with Receiver() as check, Receiver() as target:
        notify = f"{{healthchecks: '{check.check}', urls: ['{target.target}']}}"
        desk.write(
            notify, "daemon: {interval: 1s, listen: off}\nlog: {level: debug, format: json}\n"
        )
        process = desk.start("-vv", "run")
        eventually(lambda: len(check.heard) >= 6, 40)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 143
    assert check.signs[:6] == ["start", "fail"] * 3
    assert target.titles == [f"shop: {HOLE} is missing"]
    told = [json.loads(line) for line in err.splitlines()]
    (incident,) = [one for one in told if one["event"] == "incident"]
    assert (incident["level"], incident["title"]) == ("warning", f"shop: {HOLE} is missing")
    assert "hidden-path" not in err
    assert "0f1e2d3c-4b5a-6978" not in err


@pytest.mark.slow
def test_fault_42_a_daemon_goes_on_beside_targets_that_never_answer(desk: Desk) -> None:
    with Receiver(hangs=True) as hanging:
        notify = f"{{healthchecks: '{hanging.check}', urls: ['{hanging.target}']}}"
        desk.write(notify, "daemon: {interval: 1s, listen: off, grace: 8s}\nlog: {format: json}\n")
        desk.sandbox.faults.add(Fault("404", day=UNTIL, times=1))
        process = desk.start("run")
        ledger = desk.folder / "ledger.db"
        eventually(lambda: ledger.exists() and len(_passes(ledger)) >= 3, 40)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 143
    assert time.monotonic() - began < 8


def _passes(ledger: Path) -> list[str]:
    """Return the ids of the passes that have ended."""
    try:
        with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=5)) as connection:
            rows = connection.execute("SELECT id FROM passes WHERE ended IS NOT NULL")
            return [row[0] for row in rows]
    except sqlite3.OperationalError:  # not made yet
        return []

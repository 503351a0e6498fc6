"""The units: accepted by systemd, with few rights, alike where they must be, and enough to work with."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from reportsync.sandbox import Sandbox, sample_apps, sample_config

Tool = Callable[[str], str]
UNITS = ("reportsync.service", "reportsync-backfill@.service")
PROGRAM = "/opt/reportsync/bin/reportsync"


@pytest.fixture(params=UNITS)
def unit(request: pytest.FixtureRequest, jobs: Path, tmp_path: Path) -> Path:
    """Return a copy of a unit whose program is one that exists here."""
    copy = tmp_path / str(request.param)
    text = (jobs / "systemd" / copy.name).read_text()
    assert f"ExecStart={PROGRAM} " in text
    copy.write_text(text.replace(PROGRAM, sys.executable))
    return copy


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program and return what it said."""
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


def settings(text: str) -> list[tuple[str, str]]:
    """Return a unit's settings in their order."""
    return [(m[1], m[2]) for m in re.finditer(r"^([A-Z]\w*)=(.*)$", text, re.MULTILINE)]


@pytest.mark.tool("systemd-analyze")
def test_systemd_takes_the_unit_without_a_word(unit: Path, tool: Tool) -> None:
    found = run(tool("systemd-analyze"), "verify", "--man=no", unit)
    assert [line for line in found.stderr.splitlines() if "reportsync" in line] == []
    assert found.returncode == 0


@pytest.mark.tool("systemd-analyze")
def test_a_setting_that_systemd_does_not_know_is_noticed(unit: Path, tool: Tool) -> None:
    unit.write_text(unit.read_text().replace("\nUMask=", "\nUMsk="))
    found = run(tool("systemd-analyze"), "verify", "--man=no", unit)
    assert "UMsk" in found.stderr


@pytest.mark.tool("systemd-analyze")
def test_the_exposure_is_at_most_1_2_of_10(unit: Path, tool: Tool) -> None:
    found = run(tool("systemd-analyze"), "security", "--offline=true", "--threshold=12", unit)
    assert found.returncode == 0, found.stdout
    (level,) = re.findall(r"Overall exposure level for .*: ([\d.]+)", found.stdout)
    assert float(level) <= 1.2


def test_both_units_and_the_command_on_call_share_user_folder_and_rights(jobs: Path) -> None:
    daemon, backfill = (settings((jobs / "systemd" / name).read_text()) for name in UNITS)
    shared = daemon[daemon.index(("User", "reportsync")) : -1]
    assert len(shared) > 25
    assert backfill[-len(shared) :] == shared
    script = (jobs / "systemd" / "reportsync").read_text()
    given = dict(re.findall(r"--property=(\w+)=(\S+)", script))
    assert given.keys() >= {"User", "Group", "StateDirectory", "UMask", "LoadCredential"}
    assert given.items() <= dict(shared).items()
    assert f'{PROGRAM} "$@"' in script


def test_no_core_dump_can_hold_a_key_and_no_key_stands_in_the_environment(jobs: Path) -> None:
    for name in UNITS:
        found = settings((jobs / "systemd" / name).read_text())
        assert ("LimitCORE", "0") in found
        assert not {"Environment", "EnvironmentFile"} & {key for key, _ in found}


def test_every_setting_of_the_daemon_has_its_reason_above_it(jobs: Path) -> None:
    lines = (jobs / "systemd" / "reportsync.service").read_text().splitlines()
    body = lines[lines.index("[Service]") : lines.index("[Install]")]
    for before, line in pairwise(body):
        if re.match(r"[A-Z]\w*=", line):
            given = before.startswith("#") or re.match(r"[A-Z]\w*=", before)
            assert given or line == "Type=notify", f"{line} has no reason"


def test_the_daemon_is_started_anew_unless_a_person_must_act(jobs: Path) -> None:
    found = dict(settings((jobs / "systemd" / "reportsync.service").read_text()))
    assert found["Type"] == "notify"
    assert found["Restart"] == "on-failure"
    assert found["SuccessExitStatus"] == "143"
    assert found["RestartPreventExitStatus"].split() == ["2", "78"]
    assert found["StartLimitIntervalSec"] == "0"
    assert found["ExecReload"] == "/bin/kill -HUP $MAINPID"


@pytest.mark.tool("systemd-sysusers")
def test_the_user_is_made_as_a_system_user_without_a_shell(
    jobs: Path, tmp_path: Path, tool: Tool
) -> None:
    (tmp_path / "etc").mkdir()
    made = run(tool("systemd-sysusers"), f"--root={tmp_path}", jobs / "systemd" / "sysusers.conf")
    assert made.returncode == 0, made.stderr
    (line,) = (tmp_path / "etc" / "passwd").read_text().splitlines()
    name, _, uid, gid, _, home, shell = line.split(":")
    assert (name, home) == ("reportsync", "/var/lib/reportsync")
    assert 0 < int(uid) < 1000
    assert int(gid) > 0
    assert shell.endswith("nologin")


def calls_in(tool: Tool, *names: str) -> set[str]:
    """Return the system calls that systemd's sets of calls stand for."""
    shown = run(tool("systemd-analyze"), "syscall-filter", "--no-pager", *names).stdout
    found: set[str] = set()
    for word in (line.strip() for line in shown.splitlines() if line.startswith("    ")):
        if word.startswith("@"):
            found |= calls_in(tool, word)
        elif not word.startswith("#"):
            found.add(word)
    return found


def allowed_calls(tool: Tool, unit: Path) -> set[str]:
    """Return the system calls that a unit may make."""
    allowed: set[str] = set()
    for key, value in settings(unit.read_text()):
        if key == "SystemCallFilter":
            named = calls_in(tool, *value.removeprefix("~").split())
            allowed = allowed - named if value.startswith("~") else allowed | named
    return allowed


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Yield the socket of a service manager that only listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(30)
        yield listening


def told(manager: socket.socket, wanted: str) -> set[str]:
    """Read messages until one has a field that begins with `wanted`; return all fields read."""
    fields: set[str] = set()
    give_up = time.monotonic() + 30
    while not any(field.startswith(wanted) for field in fields):
        assert time.monotonic() < give_up, f"no {wanted} in {fields}"
        fields |= set(manager.recv(4096).decode().split("\n"))
    return fields


@pytest.mark.tool("strace", "systemd-analyze")
@pytest.mark.slow
def test_the_daemon_says_what_the_unit_waits_for_and_makes_only_calls_that_it_allows(
    jobs: Path, tmp_path: Path, tool: Tool, manager: socket.socket
) -> None:
    apps = sample_apps(datetime.now(UTC).date(), days=3)
    config, trace = tmp_path / "config.yaml", tmp_path / "trace"
    config.touch(0o600)
    with Sandbox(apps) as sandbox:
        config.write_text(
            sample_config(sandbox.url, apps) + "daemon: {listen: '127.0.0.1:0', grace: 5s}\n"
        )
        # -D: the tracer is the grandchild, and the signals below reach the daemon itself.
        command = [tool("strace"), "-D", "-f", "-c", "-U", "name", "-o", str(trace)]
        command += [sys.executable, "-m", "reportsync", "--config", str(config), "run"]
        daemon = subprocess.Popen(
            command,
            cwd=Path(__file__).parents[2],
            env={"PATH": "/usr/bin:/bin", "NOTIFY_SOCKET": str(tmp_path / "notify")},
            stderr=subprocess.DEVNULL,
        )
        try:
            told(manager, "READY=1")
            assert "WATCHDOG=1" in told(manager, "STATUS=last pass") | told(manager, "WATCHDOG=1")
            daemon.send_signal(signal.SIGHUP)
            assert "RELOADING=1" in told(manager, "READY=1")
            daemon.send_signal(signal.SIGTERM)
            told(manager, "STOPPING=1")
            assert daemon.wait(20) == 143
        finally:
            daemon.kill()
            daemon.wait()
    made = traced(trace)
    assert made >= {"fsync", "connect", "flock"}
    if os.geteuid() == 0:
        made.discard("fchown")  # SQLite hands its journal to the ledger's owner, as root only
    assert made - allowed_calls(tool, jobs / "systemd" / "reportsync.service") == set()


def traced(trace: Path) -> set[str]:
    """Return the names in strace's table, once the tracer has written it."""
    give_up = time.monotonic() + 10
    while not trace.exists() or "total" not in (text := trace.read_text()):
        assert time.monotonic() < give_up, "strace wrote no table"
        time.sleep(0.05)
    return set(re.findall(r"^([a-z_]\w*)$", text, re.MULTILINE)) - {"syscall", "total"}

"""A daemon at DEBUG through every fault of the sandbox: no sink shows the key or a signature."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from canary import CANARY, plant_bug, refuse, refuse_files, signatures
from cli_tool import ago, block, stand_in
from daemon_process import Running, wait_until
from notice_receiver import Receiver

from reportsync.sandbox import Fault, Sandbox
from reportsync.sandbox.kinds import KINDS

ECHO = f"https://elsewhere.example/{CANARY}?Signature="
BARRED = {"refused": "401", "forbidden": "403", "moved": "redirect", "gone": "410"}
OTHERS = [kind for kind in KINDS if kind not in (*BARRED.values(), "late")]
APPS = [
    replace(stand_in(name, days), secret_keys=(CANARY,))
    for name, days in (("fine", 3), ("faulty", len(OTHERS)), *((name, 2) for name in BARRED))
]
ROUTES = ("/", "/apps/fine", "/apps/faulty", "/apps/refused", "/api/v1/status", "/metrics", "/healthz",
          "/readyz", "/nothing", f"/apps/{CANARY}x")  # fmt: skip
HOOK = """#!/bin/sh
{ env; echo "$0 $*"; tr '\\\\0' ' ' < /proc/$PPID/cmdline; } >> hook.log
"""


def all_signatures() -> list[str]:
    days = [ago(number) for number in range(2, len(OTHERS) + 3)]
    return [signed for app in APPS for signed in signatures(app.app_id, days)]


def faults() -> list[Fault]:
    of_days = [Fault(kind, app="faulty", day=ago(n)) for n, kind in enumerate(OTHERS, 2)]
    return of_days + [
        Fault(kind, app=name, to=ECHO + all_signatures()[0] if kind == "redirect" else None)
        for name, kind in BARRED.items()
    ]


def write_config(folder: Path, sandbox: Sandbox, receiver: Receiver) -> None:
    hook = folder / "hook"
    hook.write_text(HOOK)
    hook.chmod(0o700)
    text = "apps:\n" + "".join(block(app, sandbox.url) for app in APPS)
    text += f"""\
storage: {{archive: archive, ledger: "sqlite:///ledger.db", min_free: 0}}
http: {{rate: 0, attempts: 2, backoff: 0s, read_timeout: 1s, deadline: 3s, workers: 16, max_size: 16MiB}}
daemon: {{interval: 2s, grace: 3s, listen: "127.0.0.1:0"}}
log: {{level: debug, format: json}}
notify: {{healthchecks: "{receiver.check}", urls: ["{receiver.target}"]}}
hooks: {{arrival: "{hook} $PPID", timeout: 20s}}
"""
    path = folder / "config.yaml"
    path.touch(mode=0o600)
    path.write_text(text)


def page(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return f"{answer.headers}{answer.read().decode()}"
    except urllib.error.HTTPError as error:
        with error:
            return f"{error.headers}{error.read().decode()}"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start daemons that are ended with the test."""
    started: list[Running] = []

    def start(environ: dict[str, str] | None = None) -> Running:
        started.append(Running(tmp_path, [sys.executable], environ or {}))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.mark.slow
def test_canary_a_daemon_at_debug_shows_no_secret_in_any_sink(
    tmp_path: Path, running: Callable[..., Running], figure: Callable[[str], None]
) -> None:
    signed = all_signatures()
    with Sandbox(APPS, faults=faults()) as sandbox, Receiver() as receiver:
        write_config(tmp_path, sandbox, receiver)
        daemon = running()
        address = str(daemon.await_event("status page", seconds=60)["url"]).rstrip("/")
        proc = Path(f"/proc/{daemon.process.pid}")
        for name in ("cmdline", "environ"):
            refuse((proc / name).read_bytes(), name, signed)
        daemon.await_event("pass", seconds=120)
        # Ten failures in a row end an app's turn; each pass goes on with the days not asked for yet.
        wait_until(lambda: asked_for(sandbox) >= {*OTHERS, *BARRED.values()}, 120)
        wait_until(lambda: receiver.heard and "APP=fine" in hook_log(tmp_path), 60)
        for route in ROUTES:
            refuse(page(address + route).replace(f"{CANARY}x", ""), route, signed)
        code, _ = daemon.end()
        asked = asked_for(sandbox)
        heard = list(receiver.heard)
    assert code == 143
    assert asked >= {*OTHERS, *BARRED.values()}
    for one in heard:
        refuse(f"{one.path} {one.headers} {one.body}", "a notice or ping", signed)
    refuse_files(tmp_path, signed, besides=[tmp_path / "config.yaml"])
    assert {event["level"] for event in daemon.events()} >= {"debug"}, "it was at DEBUG"
    assert "Signature=***" in daemon.log.read_text()
    searched = [path for path in tmp_path.rglob("*") if path.is_file()]
    figure(
        f"canary in a daemon: {len(asked) - 1} kinds of fault, {len(signed)} signatures; searched: "
        f"{len(searched)} files, {len(ROUTES)} pages, {len(heard)} notices and pings; found: 0"
    )


def asked_for(sandbox: Sandbox) -> set[str | None]:
    return {request.fault for request in sandbox.requests}


def hook_log(folder: Path) -> str:
    path = folder / "hook.log"
    return path.read_text() if path.exists() else ""


@pytest.mark.slow
def test_canary_a_bug_in_the_daemon_shows_no_secret(
    tmp_path: Path, running: Callable[..., Running]
) -> None:
    with Sandbox(APPS[:1]) as sandbox, Receiver() as receiver:
        write_config(tmp_path, sandbox, receiver)
        daemon = running(plant_bug(tmp_path))
        wait_until(lambda: "RuntimeError" in daemon.log.read_text(), 60)
        daemon.end()
    assert "Signature=***" in daemon.log.read_text(), (
        "the bug's own text is there, without the secret"
    )
    refuse_files(tmp_path, all_signatures(), besides=[tmp_path / "config.yaml"])

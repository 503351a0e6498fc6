"""The daemon serves its page, and goes on where it cannot."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from urllib.error import HTTPError, URLError

import pytest
from daemon_process import Running, wait_until


@pytest.fixture
def port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(port: int, path: str) -> tuple[int, str]:
    """Return status and body; 0 while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except URLError:
        return 0, ""


def listening(port: int) -> str:
    return f"interval: 1h, grace: 3s, listen: '127.0.0.1:{port}'"


@pytest.mark.slow
def test_row_49_page_api_metrics_and_probes_are_served_by_the_daemon(
    start: Callable[..., Running], port: int
) -> None:
    running = start(daemon=listening(port))
    running.await_event("pass")
    wait_until(lambda: get(port, "/readyz")[0] == 200)
    assert get(port, "/healthz")[0] == 200
    assert "shop" in get(port, "/")[1]
    assert "shop" in get(port, "/apps/shop")[1]
    told = json.loads(get(port, "/api/v1/status")[1])
    asked = subprocess.run(
        [sys.executable, "-m", "reportsync", "--config", "config.yaml", "status", "--json"],
        cwd=running.folder,
        capture_output=True,
        check=True,
    )
    same = json.loads(asked.stdout)
    assert {**told, "now": None} == {**same, "now": None}


@pytest.mark.slow
def test_row_40_metrics_count_what_the_daemon_did(start: Callable[..., Running], port: int) -> None:
    running = start(daemon=listening(port))
    running.await_event("pass")
    wait_until(lambda: get(port, "/readyz")[0] == 200)
    text = get(port, "/metrics")[1]
    assert 'reportsync_attempts_total{app="shop",outcome="stored"} 3.0' in text
    assert 'reportsync_reports{app="shop",state="stored"} 3.0' in text
    assert "reportsync_last_pass_timestamp_seconds" in text


def test_fault_39_a_taken_port_is_told_and_the_work_goes_on(
    start: Callable[..., Running],
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        running = start(daemon=listening(taken.getsockname()[1]))
        assert running.await_event("pass")["stored"] == 3
        running.await_event("no status page for now")


@pytest.mark.slow
def test_the_page_is_there_again_after_a_reload_and_counts_on(
    start: Callable[..., Running], port: int
) -> None:
    running = start(daemon=listening(port))
    running.await_event("pass")
    running.send(signal.SIGHUP)
    running.await_event("started", 2)
    wait_until(lambda: get(port, "/readyz")[0] == 200)
    assert 'outcome="stored"} 3.0' in get(port, "/metrics")[1]

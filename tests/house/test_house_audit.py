"""The step of CI that looks the lock up in a feed of known vulnerabilities, against a feed on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from notice_receiver import dead_port

pytestmark = [pytest.mark.slow, pytest.mark.tool("pip-audit")]

KNOWN = {
    "id": "TEST-2026-1",
    "summary": "no real one",
    "details": "no real one",
    "published": "2026-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "urllib3", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}],
        }
    ],
}


@contextlib.contextmanager
def feed(bad: str | None, status: int = 200) -> Iterator[tuple[str, list[str]]]:
    """Serve a feed that knows something about the package `bad`; yield its address and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(query["package"]["name"])
            body = json.dumps({"vulns": [KNOWN]} if asked[-1] == bad else {}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/query", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def audit(root: Path, tool: Callable[[str], str]) -> Callable[[str], tuple[int, str]]:
    """Return the function that runs the step against a feed, and returns exit code and words."""
    path = os.pathsep.join([str(Path(tool("pip-audit")).parent), os.environ["PATH"]])

    def run(url: str) -> tuple[int, str]:
        command = [str(root / ".ci" / "audit"), "--osv-url", url]
        done = subprocess.run(
            command, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=150
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_a_lock_of_which_nothing_is_known_passes(
    audit: Callable[[str], tuple[int, str]], root: Path
) -> None:
    with feed(None) as (url, asked):
        code, said = audit(url)
    pins = (root / "requirements.lock").read_text().count("==")
    assert (code, said) == (0, f"{pins} pins looked up, 0 with a known vulnerability\n")
    assert len(asked) == pins > 20


def test_a_known_vulnerability_fails_the_step(audit: Callable[[str], tuple[int, str]]) -> None:
    with feed("urllib3") as (url, _):
        code, said = audit(url)
    assert code == 1
    assert "urllib3 2." in said
    assert "TEST-2026-1, mended in 99" in said


def test_a_feed_that_cannot_be_reached_is_said_plainly(
    audit: Callable[[str], tuple[int, str]],
) -> None:
    with feed(None, status=503) as (url, _):
        refused = audit(url)
    for code, said in (refused, audit(f"http://127.0.0.1:{dead_port()}/v1/query")):
        assert code == 0
        assert said.startswith("NOT AUDITED: the feed of known vulnerabilities could not be")
        assert "looked up" not in said


def test_any_other_failure_is_one(audit: Callable[[str], tuple[int, str]]) -> None:
    code, said = audit("no address at all")
    assert code not in (0, 124)
    assert "Traceback" in said

"""A real receiver of pings and notices on loopback: it keeps what comes, and can be slow or rude."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Heard:
    """One request."""

    path: str
    body: str
    headers: dict[str, str]

    @property
    def notice(self) -> dict[str, Any]:
        """What Apprise's json:// sends."""
        found: dict[str, Any] = json.loads(self.body)
        return found


class Receiver:
    """Listens on a port of its own while it is entered.

    `status` is what it answers; `hangs` makes it answer nothing until it is left.
    """

    def __init__(self, status: int = 200, *, hangs: bool = False) -> None:
        self.status = status
        self.hangs = hangs
        self.heard: list[Heard] = []
        self._released = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length).decode()
                receiver.heard.append(Heard(self.path, body, dict(self.headers)))
                if receiver.hangs:
                    receiver._released.wait(30)
                    return
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}
        )

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def check(self) -> str:
        """The URL of a Healthchecks check."""
        return f"http://127.0.0.1:{self.port}/ping/0f1e2d3c-4b5a-6978"

    @property
    def target(self) -> str:
        """The URL of an Apprise target; its path is a secret."""
        return f"json://127.0.0.1:{self.port}/hidden-path-of-notices"

    @property
    def titles(self) -> list[str]:
        """The titles of the notices that came, without our name."""
        return [str(one.notice["title"]).removeprefix("reportsync: ") for one in self.heard]

    @property
    def signs(self) -> list[str]:
        """What the pings said: start, success or fail."""
        words = [one.path.partition("?")[0].rsplit("/", 1)[-1] for one in self.heard]
        return [word if word in ("start", "fail") else "success" for word in words]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def dead_port() -> int:
    """Return a port that nobody listens on."""
    with Receiver() as receiver:
        return receiver.port


def eventually(reached: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Return what `reached` returns as soon as it is true; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not (found := reached()):
        assert time.monotonic() < end, "not reached in time"
        time.sleep(0.01)
    return found

"""The sandbox: a real HTTP server that answers as the vendor's API does, or as faults want."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable
from datetime import date
from functools import partial
from types import TracebackType
from typing import Any, Self

from reportsync.errors import UsageProblem
from reportsync.model import Clock, system_clock
from reportsync.sandbox.apps import SandboxApp
from reportsync.sandbox.book import FaultBook
from reportsync.sandbox.faults import Fault
from reportsync.sandbox.handler import Handler
from reportsync.sandbox.journal import Journal, Request
from reportsync.sandbox.vendor import Vendor


class Sandbox:
    """A stand-in for the vendor's API, to be used as a context manager or by `start` and `stop`.

    `apps` are those that it knows; `faults` can be changed while it runs. `clock` decides what is
    generated already and is what the Date header says. `latency` is in seconds, before each
    answer. `report_size` makes each archive at least so many bytes. `on_request` is called from
    the server's threads. Port 0 takes a free one; it stays the same when started again.
    """

    def __init__(
        self,
        apps: Iterable[SandboxApp],
        *,
        faults: Iterable[Fault] = (),
        clock: Clock = system_clock,
        host: str = "127.0.0.1",
        port: int = 0,
        latency: float = 0.0,
        report_size: int = 0,
        on_request: Callable[[Request], None] | None = None,
    ) -> None:
        self.faults = FaultBook(faults)
        self.journal = Journal(on_request)
        self._vendor = Vendor(apps, self.faults, self.journal, clock, latency, report_size)
        self._host, self._port = host, port
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """The `base_url` for a config; there is one once the sandbox was started."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def requests(self) -> tuple[Request, ...]:
        """What was asked so far, oldest first."""
        return self.journal.requests()

    def asked(self, app_id: str, day: date) -> int:
        """Return how often the report of `day` was asked for."""
        return self.journal.asked(app_id, day)

    def start(self) -> None:
        """Listen and serve in threads of its own, unless that is so already.

        Raises UsageProblem if the address is taken.
        """
        if self._server is not None:
            return
        server = _open(self._host, self._port, self._vendor)
        self._port, self._server = server.server_address[1], server
        server.start()

    def stop(self) -> None:
        """Close the listener and all connections, in mid-answer too; return when all is quiet."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _open(host: str, port: int, vendor: Vendor) -> _Server:
    try:
        return _Server((host, port), vendor)
    except (OSError, OverflowError) as error:
        raise UsageProblem(
            f"the sandbox cannot listen on {host}:{port}: {error}",
            hint="choose another with --port; 0 takes any free one",
        ) from error


class _Server(socketserver.ThreadingTCPServer):
    """Accepts connections, one thread each, and can close them all at once."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256
    server_address: tuple[str, int]

    def __init__(self, address: tuple[str, int], vendor: Vendor) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self._changed = threading.Condition()
        self._connections: set[Any] = set()
        self._stopping = threading.Event()
        super().__init__(address, partial(Handler, vendor=vendor, wait=self._stopping.wait))
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def start(self) -> None:
        self._accepting.start()

    def _accept(self) -> None:
        # Not serve_forever: it polls, and so either wakes often or stops late.
        while not self._stopping.is_set():
            self.handle_request()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changed:
            self._connections.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._changed:
                self._connections.discard(request)
                self._changed.notify_all()

    def stop(self) -> None:
        self._stopping.set()
        with socket.socket(self.address_family) as knock:
            knock.settimeout(1)
            knock.connect_ex(self.server_address)  # whatever comes of it, the thread is awake
        self._accepting.join()
        self.server_close()
        with self._changed:
            for connection in self._connections:
                with contextlib.suppress(OSError):  # the peer was first
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._connections, timeout=1)

"""The listener: a bounded number of short conversations, none of which can hold up the daemon."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.client import LineTooLong
from http.server import BaseHTTPRequestHandler
from typing import Any

from reportsync.address import listen_text
from reportsync.announce.log import Logger, logger
from reportsync.announce.metrics import Metrics
from reportsync.exhaustion import exhausted
from reportsync.model import Clock
from reportsync.settings import Config
from reportsync.web.board import Board
from reportsync.web.health import Liveness
from reportsync.web.site import GUARDS, TEXT, Answer, Asked, Site

CONNECTIONS = 32
"""More at once are turned away, unless one of them gives way."""

PATIENCE_SECONDS = 1.0
"""When there are too many, whoever has been at it for longest, and for longer than this, gives way."""

CONVERSATION_SECONDS = 20.0
"""Request and answer; whoever is slower is cut off."""

_SILENCE_SECONDS = 5.0
_LOOK_SECONDS = 1.0
_LONGEST_LINE = 16 * 1024
_LONGEST_HEAD = 64 * 1024  # bytes of all headers; http.client takes 6.5 MB


class StatusServer:
    """Serves the status page on `address` in threads of its own, until it is stopped.

    A taken address is a warning: it is tried again every `retry_every` seconds, and the daemon goes on.
    """

    def __init__(
        self,
        address: tuple[str, int],
        config: Config,
        metrics: Metrics,
        liveness: Callable[[], Liveness],
        clock: Clock,
        retry_every: float = 30.0,
    ) -> None:
        self._address = address
        self._board = Board(config, clock)
        self._site = Site(config, address[0], self._board, metrics, liveness, clock)
        self._retry_every = retry_every
        self._logger: Logger = logger()
        self._stopping = threading.Event()
        self._listener: _Listener | None = None
        self._thread = threading.Thread(target=self._run, name="status-page", daemon=True)

    @property
    def port(self) -> int | None:
        """The port that is listened on, None while there is none."""
        listener = self._listener
        return listener.server_address[1] if listener else None

    def start(self) -> None:
        """Begin to serve; return at once, whether or not the address could be had yet."""
        self._try_to_listen(warn=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the listener, cut off what is under way, and close the ledger; a second call is fine."""
        self._stopping.set()
        if self._listener is not None:
            self._listener.wake()
        if self._thread.ident is not None:
            self._thread.join()
        self._board.close()

    def _try_to_listen(self, *, warn: bool) -> None:
        where = listen_text(self._address)
        try:
            self._listener = _Listener(self._address, self._site, self._logger)
        except OSError as error:
            if warn:
                self._logger.warning(
                    "no status page for now",
                    reason=f"cannot listen on {where}: {error.strerror or error}",
                    remedy="set daemon.listen to a free address, or to off; it is tried again",
                )
        else:
            self._logger.info("status page", url=f"http://{self._listener.where}/")

    def _run(self) -> None:
        while self._listener is None:
            if self._stopping.wait(self._retry_every):
                return
            self._try_to_listen(warn=False)
        try:
            while not self._stopping.is_set():
                self._listener.serve_one()
        finally:
            self._listener.end()


class _Listener(socketserver.ThreadingTCPServer):
    """Accepts connections, one short-lived thread each."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64
    server_address: tuple[str, int]

    def __init__(self, address: tuple[str, int], site: Site, logger: Logger) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self.site = site
        self.logger = logger
        self._changed = threading.Condition()
        self._since: dict[Any, float] = {}
        self._answering: set[Any] = set()
        super().__init__(address, _Conversation)

    @property
    def where(self) -> str:
        """The address that is listened on, for people."""
        return listen_text(self.server_address[:2])

    def serve_one(self) -> None:
        """Wait for a connection and hand it to a thread; cut off those that take too long."""
        # With nothing under way there is nothing to look after, and the thread sleeps.
        self.timeout = _LOOK_SECONDS if self._since else None
        self.handle_request()
        self._cut_off(before=time.monotonic() - CONVERSATION_SECONDS)

    def wake(self) -> None:
        """End the wait of `serve_one`."""
        # On Linux this alone does it, also when the address is gone or a firewall drops the knock.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        with socket.socket(self.address_family) as knock:
            knock.settimeout(1)
            knock.connect_ex(self.server_address)  # whatever comes of it, the thread is awake

    def end(self) -> None:
        """Close everything; return when all is quiet, after a second at most."""
        self.server_close()
        self._cut_off(before=float("inf"))
        with self._changed:
            self._changed.wait_for(lambda: not self._since, timeout=1)

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection; one for which there is no descriptor or memory stays there for a while."""
        try:
            return super().get_request()
        except OSError as error:
            if exhausted(error):
                time.sleep(_LOOK_SECONDS)
            raise

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Turn a connection away when there are too many and none of them gives way."""
        if len(self._since) < CONNECTIONS or self._make_room():
            return True
        with contextlib.suppress(OSError):  # the client may be gone, which is as good
            request.setblocking(False)
            request.send(b"HTTP/1.1 503 Busy\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n")
        return False

    def _make_room(self) -> bool:
        """Cut off the conversation that has dragged on for longest; say if one has come to its end so.

        Else whoever holds as many connections as there may be, and says nothing, would shut out all others.
        """
        before = time.monotonic() - PATIENCE_SECONDS
        with self._changed:
            slow = [one for one, since in self._since.items() if since < before]
            oldest = next((one for one in slow if one not in self._answering), None)
            if oldest is None:
                return False
            with contextlib.suppress(OSError):  # the client was first
                oldest.shutdown(socket.SHUT_RDWR)
            return self._changed.wait_for(lambda: oldest not in self._since, timeout=0.5)

    @contextlib.contextmanager
    def answering(self, request: Any) -> Iterator[None]:
        """Have the conversation pass for busy in the body: to cut it off would end no thread."""
        self._answering.add(request)
        try:
            yield
        finally:
            self._answering.discard(request)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give the connection a thread, and remember since when it is there."""
        with self._changed:
            self._since[request] = time.monotonic()
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no more threads can be had
            self._forget(request)
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Hold the conversation."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._forget(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what a conversation died of: mostly a client that left."""
        self.logger.debug("status page: a request ended early", reason=repr(sys.exception()))

    def _forget(self, request: Any) -> None:
        with self._changed:
            self._since.pop(request, None)
            self._changed.notify_all()

    def _cut_off(self, before: float) -> None:
        with self._changed:
            for request, since in self._since.items():
                if since < before:
                    with contextlib.suppress(OSError):  # the client was first
                        request.shutdown(socket.SHUT_RDWR)


class _Head:
    """The headers as they come in, up to a limit for all of them together."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._left = _LONGEST_HEAD

    def readline(self, limit: int) -> bytes:
        line: bytes = self._stream.readline(min(limit, self._left + 1))
        self._left -= len(line)
        if self._left < 0:
            raise LineTooLong("header")
        return line


class _Conversation(BaseHTTPRequestHandler):
    """One request and its answer."""

    server: _Listener
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.1"  # else nonsense would be answered without a status line
    timeout = _SILENCE_SECONDS

    def version_string(self) -> str:
        """Name the program, and not its version or Python's."""
        return "reportsync"

    def end_headers(self) -> None:
        """Add what every answer has, those to nonsense too."""
        for name, value in GUARDS:
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep no access log: what is asked here changes nothing."""

    def handle(self) -> None:
        """Read one request and answer it."""
        self.close_connection = True
        self.raw_requestline = self.rfile.readline(_LONGEST_LINE + 1)
        if len(self.raw_requestline) > _LONGEST_LINE:
            self.requestline, self.request_version, self.command = "", "HTTP/1.1", "GET"
            self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG)
        elif self.raw_requestline and self._parse():
            with self.server.answering(self.connection):
                answer = self._answer()
            self._send(answer)

    def _parse(self) -> bool:
        stream: Any = self.rfile
        head: Any = _Head(stream)
        self.rfile = head
        try:
            return self.parse_request()
        finally:
            self.rfile = stream

    def _answer(self) -> Answer:
        asked = Asked(
            self.command,
            self.path,
            tuple(self.headers.get_all("Host", [])),
            self.headers.get("Accept", ""),
            old=self.request_version < "HTTP/1.1",
        )
        try:
            return self.server.site.answer(asked)
        except Exception:
            # A row that cannot be read, or a bug: it is told, and the daemon goes on.
            self.server.logger.exception("status page: an answer failed")
            return Answer(500, TEXT, b"this answer failed; the daemon's log says why\n")

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        length = ("Content-Length", str(len(answer.body)))
        kind = ("Content-Type", answer.content_type)
        for name, value in (kind, length, ("Connection", "close"), *answer.headers):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

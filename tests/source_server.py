"""A loopback server that says exactly the bytes a test wants it to say."""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import struct
import threading
import time
import zipfile
from collections.abc import Callable, Iterator


def make_zip(size: int = 3000) -> bytes:
    """Return a zip with one stored member of `size` bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("push.csv", bytes(n * n % 251 for n in range(size)))
    return file.getvalue()


ZIP = make_zip()


def answer(status: str = "200 OK", body: bytes = b"", *headers: str) -> bytes:
    """Return a whole response; it declares its length unless one of `headers` speaks of that."""
    framed = any(h.lower().startswith(("content-length", "transfer-encoding")) for h in headers)
    lines = [f"HTTP/1.1 {status}", *headers, *([] if framed else [f"Content-Length: {len(body)}"])]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class Talk:
    """One connection, from the server's side, after a request has come in."""

    def __init__(self, sock: socket.socket, server: RawServer, head: str) -> None:
        self.sock = sock
        self.head = head
        self.signature = head.partition("Signature=")[2].partition(" ")[0]
        self._server = server

    def say(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes, every: float = 0.01) -> None:
        """Say `data` byte by byte, again and again, until the client or the test has enough."""
        while True:
            for n in range(len(data)):
                self.say(data[n : n + 1])
                if self._server.ended.wait(every):
                    return

    def ended(self, wait: float) -> bool:
        """Wait so many seconds; return whether the test has enough of it meanwhile."""
        return self._server.ended.wait(wait)

    def hang(self) -> None:
        """Say nothing more, but keep the connection until the client goes."""
        while self.sock.recv(4096):
            pass

    def reset(self) -> None:
        """Let the connection end with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Script = Callable[[Talk], object]
"""Answers one request; a result of True keeps the connection for the next one."""


def says(data: bytes) -> Script:
    """Return a script that says `data` and closes."""
    return lambda talk: talk.say(data)


def keeps(data: bytes) -> Script:
    """Return a script that says `data` and keeps the connection."""

    def script(talk: Talk) -> bool:
        talk.say(data)
        return True

    return script


class RawServer:
    """Runs `script` for each request; one thread per connection."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.heads: list[str] = []
        self.times: list[float] = []
        self.connections = 0
        self.ended = threading.Event()
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._socks: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.ended.set()
        for sock in [self._listener, *self._socks]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                self._socks.append(sock)
                thread = threading.Thread(target=self._serve, args=(sock,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):  # the client may go at any time
            if self._tls is None:
                self._talk(sock)
                return
            with self._tls.wrap_socket(sock, server_side=True) as wrapped:
                self._socks.append(wrapped)
                self._talk(wrapped)

    def _talk(self, sock: socket.socket) -> None:
        going_on: object = True
        while going_on is True:
            head = b""
            while b"\r\n\r\n" not in head:
                piece = sock.recv(65536)
                if not piece:
                    return
                head += piece
            self.times.append(time.monotonic())
            self.heads.append(head.decode())
            going_on = self.script(Talk(sock, self, head.decode()))


@contextlib.contextmanager
def without_tls() -> Iterator[str]:
    """Yield an https URL at which one who says hello in TLS is answered in plain HTTP, once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk_plainly() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(1000)
                sock.sendall(answer("400 Bad Request"))

        thread = threading.Thread(target=talk_plainly)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()

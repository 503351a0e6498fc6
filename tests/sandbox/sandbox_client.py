"""The client side of the sandbox's tests: signatures of its own, and sockets without a library."""

from __future__ import annotations

import hashlib
import http.client
import socket
import subprocess
from dataclasses import dataclass
from datetime import UTC, date, datetime

from reportsync.sandbox import Sandbox, SandboxApp

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAY = date(2026, 11, 20)
APP = SandboxApp("APPONE", ("key-one",), since=date(2026, 11, 1), name="shop-de")
OTHER = SandboxApp("APPTWO", ("key-two",), since=date(2026, 11, 1), name="shop-in")


@dataclass(frozen=True, slots=True)
class Heard:
    """All bytes that came over one connection, and how it ended: `eof`, `reset` or `open`."""

    data: bytes
    end: str

    @property
    def head(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    @property
    def length(self) -> int:
        line = next(x for x in self.head.split(b"\r\n") if x.lower().startswith(b"content-length:"))
        return int(line.split(b":")[1])


def openssl_sha256(text: str) -> str:
    """Return the hex SHA-256 of `text` as the openssl command computes it."""
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-r"], input=text.encode(), capture_output=True, check=True
    )
    return done.stdout.split()[0].decode()


def target(app: SandboxApp = APP, day: date = DAY, key: str | None = None) -> str:
    """Return path and query of the signed request for a report."""
    name = f"{day.isoformat().replace('-', '')}.zip"
    text = f"{app.app_id}|{name}|{key or app.secret_keys[0]}"
    signature = hashlib.sha256(text.encode()).hexdigest()
    return f"/dailyCampaignReportDump/{app.app_id}/{name}?Signature={signature}"


def place(sandbox: Sandbox) -> tuple[str, int]:
    """Return the host and port that the sandbox listens on."""
    host, _, port = sandbox.url.removeprefix("http://").rpartition(":")
    return host.strip("[]"), int(port)


def ask(
    sandbox: Sandbox, path: str | None = None, method: str = "GET", body: str | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    """Return the answer to one request and its body, by http.client."""
    connection = http.client.HTTPConnection(*place(sandbox), timeout=5)
    try:
        connection.request(method, path or target(), body=body)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def status(sandbox: Sandbox, app: SandboxApp = APP, day: date = DAY) -> int:
    """Return the status of one signed request."""
    return ask(sandbox, target(app, day))[0].status


def hear(
    sandbox: Sandbox, path: str | None = None, *, closes: bool = False, patience: float = 5
) -> Heard:
    """Return what a raw socket hears after one request.

    Listens until the connection ends, or for `patience` seconds of silence; unless it `closes`, a
    moment after a whole answer is enough.
    """
    with socket.create_connection(place(sandbox), timeout=patience) as connection:
        connection.sendall(f"GET {path or target()} HTTP/1.1\r\nHost: sandbox\r\n\r\n".encode())
        data = bytearray()
        while True:
            if not closes and whole(bytes(data)):
                connection.settimeout(0.005)
            try:
                piece = connection.recv(2**20)
            except ConnectionResetError:
                return Heard(bytes(data), "reset")
            except TimeoutError:
                return Heard(bytes(data), "open")
            if not piece:
                return Heard(bytes(data), "eof")
            data += piece


def whole(data: bytes) -> bool:
    """Say whether `data` is an answer with all the bytes of its Content-Length."""
    heard = Heard(data, "")
    if b"\r\n\r\n" not in data:
        return False
    bodiless = heard.head.split()[1] in (b"204", b"304")
    return bodiless or len(heard.body) >= heard.length

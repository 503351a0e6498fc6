"""Send an answer over a socket: as it should be, or as one of the faults of the wire has it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus

from reportsync.sandbox.answers import Answer, Headers

_ONE_WRITE = 64 * 1024
_BODILESS = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Line:
    """The way to the client; `wait` sleeps for seconds and returns True when the sandbox stops."""

    connection: socket.socket
    wait: Callable[[float], bool]
    now: datetime


def head(answer: Answer, now: datetime, extra: Headers = (), *, length: bool = True) -> bytes:
    """Return status line and headers of `answer`, with the blank line that ends them."""
    lines = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        f"Date: {format_datetime(now.astimezone(UTC), usegmt=True)}",
        *(f"{name}: {value}" for name, value in answer.headers),
        *(f"{name}: {value}" for name, value in extra),
    ]
    if length and answer.status not in _BODILESS:
        lines.append(f"Content-Length: {len(answer.body)}")
    return "\r\n".join([*lines, "", ""]).encode()


def send(line: Line, answer: Answer, *, close: bool = False, body: bool = True) -> None:
    """Send `answer` as it should be; `close` announces the end of the connection."""
    data = head(answer, line.now, (("Connection", "close"),) if close else ())
    if not body:
        line.connection.sendall(data)
    elif len(answer.body) < _ONE_WRITE:
        line.connection.sendall(data + answer.body)
    else:
        line.connection.sendall(data)
        line.connection.sendall(answer.body)


def _half(answer: Answer) -> bytes:
    return answer.body[: len(answer.body) // 2]


def _close(line: Line, answer: Answer) -> None:
    """Leave: the connection is closed after every fault of the wire."""


def _silent(line: Line, answer: Answer) -> None:
    while line.connection.recv(4096):  # until the client goes, or the sandbox stops
        pass


def _http09(line: Line, answer: Answer) -> None:
    line.connection.sendall(b"campaign_id;sent\r\n1;7\r\n\r\n" + answer.body)


def _cut_headers(line: Line, answer: Answer) -> None:
    data = head(answer, line.now)
    line.connection.sendall(data[: data.index(b"Content-Length") + 9])


def _slowly(line: Line, data: bytes, every: float) -> None:
    for byte in data:
        line.connection.sendall(bytes([byte]))
        if line.wait(every):
            return


def _continue_flood(line: Line, answer: Answer) -> None:
    line.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)
    send(line, answer)


def _long_header(line: Line, answer: Answer) -> None:
    line.connection.sendall(head(answer, line.now, (("X-Long", "a" * 128 * 1024),)) + answer.body)


def _header_flood(line: Line, answer: Answer) -> None:
    flood = tuple((f"X-Header-{number}", "1") for number in range(1000))
    line.connection.sendall(head(answer, line.now, flood) + answer.body)


def _two_lengths(line: Line, answer: Answer) -> None:
    other = (("Content-Length", str(len(answer.body) + 10)),)
    line.connection.sendall(head(answer, line.now, other) + answer.body)


def _cut(line: Line, answer: Answer) -> None:
    line.connection.sendall(head(answer, line.now) + _half(answer))


def _cut_no_length(line: Line, answer: Answer) -> None:
    extra = (("Connection", "close"),)
    line.connection.sendall(head(answer, line.now, extra, length=False) + _half(answer))


def _over_long(line: Line, answer: Answer) -> None:
    line.connection.sendall(head(answer, line.now) + answer.body + b"PK and more")


def _bad_chunks(line: Line, answer: Answer) -> None:
    part = _half(answer)
    data = head(answer, line.now, (("Transfer-Encoding", "chunked"),), length=False)
    line.connection.sendall(data + b"%x\r\n%s\r\nzz\r\n" % (len(part), part))


def _reset(line: Line, answer: Answer) -> None:
    _cut(line, answer)
    line.wait(0.02)  # a reset may overtake what was just sent
    # To linger for no time is to close with a reset in place of an orderly end.
    line.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _hang(line: Line, answer: Answer) -> None:
    line.connection.sendall(head(answer, line.now))
    _silent(line, answer)


_STEADY: dict[str, Callable[[Line, Answer], None]] = {
    "close": _close, "silent": _silent, "http09": _http09, "cut-headers": _cut_headers,
    "continue-flood": _continue_flood, "long-header": _long_header,
    "header-flood": _header_flood, "two-lengths": _two_lengths, "cut": _cut,
    "cut-no-length": _cut_no_length, "over-long": _over_long, "bad-chunks": _bad_chunks,
    "reset": _reset, "hang": _hang,
}  # fmt: skip
WIRE_KINDS = frozenset(_STEADY) | {"slow-headers", "drip"}


def send_badly(line: Line, answer: Answer, kind: str, every: float) -> None:
    """Send `answer` with the wire's fault `kind`; the caller closes the connection afterwards.

    `every` is the time between two bytes in seconds, for those that are slow.
    """
    match kind:
        case "slow-headers":
            _slowly(line, head(answer, line.now), every)
            line.connection.sendall(answer.body)
        case "drip":
            line.connection.sendall(head(answer, line.now))
            _slowly(line, answer.body, every)
        case _:
            _STEADY[kind](line, answer)

"""Whatever a visitor sends: a status or a closed connection, and no flood in the log."""

from __future__ import annotations

import contextlib
import random
import socket
import time
from collections import Counter
from collections.abc import Callable

import pytest
from web_ledger import Served

ACCEPTS = (
    "*/*",
    "application/openmetrics-text; version=abc",
    "application/openmetrics-text;version=;q=nan",
    "text/plain;version=1.0.0;escaping=",
    "application/openmetrics-text;version=1.0.0;escaping=values;escaping=x",
    ";;;,,,=",
    "\xff" * 500,
)
TARGETS = (
    "/",
    "/metrics",
    "/apps/shop-de",
    "/api/v1/status",
    "/healthz",
    "/readyz",
    "/style.css",
    "/no",
)
SEEDS = [
    f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n".encode("latin-1")
    for target in TARGETS
    for accept in ACCEPTS
]
MOST = 10_000
SECONDS = 120  # on a machine that is very busy there are fewer


def mutated(chance: random.Random) -> bytes:
    """Return a request with one to six changes: another byte, fewer, more, or its beginning again."""
    data = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                del data[at : at + chance.randint(1, 8)]
            case 2:
                data[at:at] = bytes(chance.choices(b"\r\n :/\0\xff[%;", k=chance.randint(1, 5)))
            case 3:
                data[at:at] = data[: chance.randint(1, 60)]
    return bytes(data)


def answered(served: Served, request: bytes) -> str:
    """Return the status of the answer to raw bytes, or that the connection was closed."""
    assert served.server.port is not None
    with socket.create_connection(("127.0.0.1", served.server.port), timeout=20) as client:
        with contextlib.suppress(OSError):
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
        head = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := client.recv(65536):
                head = head or piece
    if not head:
        return "closed"
    assert head.startswith(b"HTTP/1.1 "), head[:80]
    return head[9:12].decode()


@pytest.mark.parametrize("accept", ACCEPTS)
def test_no_accept_header_makes_an_answer_fail(page: Served, accept: str) -> None:
    assert page.ask("/metrics", Accept=accept)[0] == 200


@pytest.mark.slow
def test_ten_thousand_mutated_requests_fail_no_answer(
    page: Served, quiet: list[dict[str, object]], figure: Callable[[str], None]
) -> None:
    chance, found, end = random.Random(8321), Counter[str](), time.monotonic() + SECONDS
    while found.total() < MOST and time.monotonic() < end:
        request = mutated(chance)
        status = answered(page, request)
        assert status != "500", request
        found[status] += 1
    assert found.total() >= 2000
    assert found.keys() >= {"200", "400", "403", "404", "405"}
    assert [event for event in quiet if event["log_level"] != "debug"] == []
    assert page.ask("/healthz")[0] in (200, 503)
    told = ", ".join(f"{status}: {count}" for status, count in sorted(found.items()))
    figure(f"mutated requests to the status page: {found.total()}, failed answers: 0 ({told})")

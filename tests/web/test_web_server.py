"""The listener: what it refuses, what it bears, and that it never holds up anybody."""

from __future__ import annotations

import contextlib
import errno
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from web_ledger import Clock, History, Served, alive, config_of, fill, serving

from reportsync.announce.metrics import Metrics
from reportsync.ledger.place import LOCK_WAIT
from reportsync.web import StatusServer, server


def speak(served: Served, data: bytes) -> bytes:
    """Send raw bytes and return all that comes back."""
    with contextlib.closing(connect(served)) as client:
        client.sendall(data)
        with contextlib.suppress(ConnectionResetError):
            return b"".join(iter(lambda: client.recv(65536), b""))
        return b""


def connect(served: Served) -> socket.socket:
    """Return a connection to the page."""
    assert served.server.port is not None
    return socket.create_connection(("127.0.0.1", served.server.port), timeout=10)


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Served]:
    """Yield a page of this test's own."""
    histories = [History("shop", date(2026, 7, 1))]
    config = config_of(tmp_path, histories)
    fill(config, histories)
    with serving(config) as served:
        yield served


def test_fault_39_a_foreign_host_is_refused_on_every_path(page: Served) -> None:
    for target in ("/", "/apps/shop-de", "/api/v1/status", "/metrics", "/healthz", "/style.css"):
        code, _, body = page.ask(target, Host="evil.example")
        assert code == 403
        assert b"shop" not in body
        assert page.ask(target, Host="localhost:1")[0] == 200


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", b"400"),
        (b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"GET /readyz HTTP/1.0\r\n\r\n", b"200"),
        (b"GET / HTTP/1.0\r\nHost: evil.example\r\n\r\n", b"403"),
        (b"GET / HTTP/9.1\r\nHost: localhost\r\n\r\n", b"505"),
        (b"NONSENSE\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 101 + b"\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 70_000 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + (b"A: " + b"b" * 3000 + b"\r\n") * 30 + b"\r\n", b"431"),
    ],
)
def test_a_request_gets_the_status_that_it_deserves(
    page: Served, request_: bytes, status: bytes
) -> None:
    answer = speak(page, request_)
    assert answer.split(b" ")[1] == status
    assert b"default-src 'none'" in answer


@pytest.mark.parametrize(
    "target",
    [
        "/../../etc/passwd", "/apps/../../etc/passwd", "/apps/%2e%2e%2fledger.db", "//evil.example/",
        "/style.css/..%2f..", "/static/style.css", "/apps/<script>alert(1)</script>", "/apps/shop-de/",
        "/apps/shop-de%00", "/apps/%0d%0aSet-Cookie:x=1", "/api/v1/status/" + "[" * 9000, "/;/evil",
        "/apps/\xe9\xff", "/?" + "&a=" * 4000,
    ],
)  # fmt: skip
def test_no_target_leads_to_a_file_or_comes_back_in_an_answer(page: Served, target: str) -> None:
    request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode("latin-1")
    head, _, body = speak(page, request).partition(b"\r\n\r\n")
    overview = target.startswith("/?")  # a query is not looked at
    assert head.startswith(b"HTTP/1.1 200 " if overview else b"HTTP/1.1 404 ")
    for word in (
        b"evil",
        b"<script",
        b"passwd",
        b"Set-Cookie",
        b"root:",
        b"Location",
        b"[[",
        b"&a=",
    ):
        assert word not in head + body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW"])
def test_only_get_and_head_are_answered(page: Served, method: str) -> None:
    code, headers, _ = page.ask("/", method)
    assert (code, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("target", ["/", "/apps/shop-de", "/metrics", "/nothing", "/icon.svg"])
def test_head_is_get_without_the_body(page: Served, target: str) -> None:
    got, asked = page.ask(target), page.ask(target, "HEAD")
    assert asked[2] == b""
    assert asked[0] == got[0]
    if target != "/metrics":  # which measures the process between the two
        assert asked[1]["Content-Length"] == got[1]["Content-Length"] == str(len(got[2]))


def test_every_answer_keeps_browsers_on_guard(page: Served) -> None:
    for target, method in [("/", "GET"), ("/nothing", "GET"), ("/metrics", "GET"), ("/", "POST")]:
        headers = page.ask(target, method)[1]
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self';")
        assert "unsafe" not in policy
        assert "script-src" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Server"] == "reportsync"
        assert "Access-Control-Allow-Origin" not in headers


def test_a_client_that_says_nothing_is_cut_off_and_others_are_served(
    alone: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server._Conversation, "timeout", 1.0)
    with contextlib.closing(connect(alone)) as silent:
        assert alone.ask("/healthz")[0] == 200
        assert silent.recv(1) == b""


def test_fault_39_a_client_that_drips_is_cut_off_after_a_whole_conversations_time(
    alone: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONVERSATION_SECONDS", 0.5)
    monkeypatch.setattr(server, "_LOOK_SECONDS", 0.1)
    began = time.monotonic()
    with contextlib.closing(connect(alone)) as dripping:
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 8:
                dripping.sendall(b"G")
                time.sleep(0.05)
        assert time.monotonic() - began < 8
    assert alone.ask("/healthz")[0] == 200


@pytest.mark.slow
def test_a_client_that_does_not_read_holds_one_thread_and_not_for_long(
    alone: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server._Conversation, "timeout", 1.0)
    monkeypatch.setattr(
        alone.server._site._pages, "style", b"x" * 64_000_000
    )  # more than sockets hold
    with contextlib.closing(connect(alone)) as deaf:
        deaf.sendall(b"GET /style.css HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.1)
        assert alone.ask("/healthz")[0] == 200
        wait_until(lambda: not alone.server._listener._since)  # type: ignore[union-attr]


def wait_until(true: object) -> None:
    """Wait until `true()` is; fail after five seconds."""
    end = time.monotonic() + 5
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


def test_too_many_connections_are_turned_away_and_the_page_recovers(
    alone: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONNECTIONS", 4)
    with contextlib.ExitStack() as held:
        for _ in range(4):
            held.enter_context(contextlib.closing(connect(alone)))
        wait_until(lambda: len(alone.server._listener._since) == 4)  # type: ignore[union-attr]
        answer = speak(alone, b"")
        assert answer.startswith(b"HTTP/1.1 503 Busy\r\n")
    wait_until(lambda: not alone.server._listener._since)  # type: ignore[union-attr]
    assert alone.ask("/healthz")[0] == 200


def test_who_holds_all_connections_and_says_nothing_shuts_nobody_out(
    alone: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONNECTIONS", 4)
    monkeypatch.setattr(server, "PATIENCE_SECONDS", 0.1)
    with contextlib.ExitStack() as held:
        silent = [held.enter_context(contextlib.closing(connect(alone))) for _ in range(4)]
        wait_until(lambda: len(alone.server._listener._since) == 4)  # type: ignore[union-attr]
        time.sleep(0.15)
        for client in silent:
            assert alone.ask("/healthz")[0] == 200
            if client is silent[0]:
                assert client.recv(1) == b""  # it gave way; the others may stay for now
        assert len(alone.server._listener._since) <= 4  # type: ignore[union-attr]


def test_many_at_once_are_all_answered(page: Served) -> None:
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda: codes.append(page.ask("/apps/shop-india")[0]))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200] * 20


def test_fault_39_a_taken_port_is_a_warning_and_the_page_comes_when_it_is_free(
    tmp_path: Path, quiet: list[dict[str, object]]
) -> None:
    config = config_of(tmp_path, [History("shop", date(2026, 7, 1))])
    taken = socket.create_server(("127.0.0.1", 0))
    address = taken.getsockname()
    page = StatusServer(address, config, Metrics(), alive, Clock(), retry_every=0.05)
    page.start()
    try:
        assert page.port is None
        (told,) = quiet
        assert told["log_level"] == "warning"
        assert told["reason"] == f"cannot listen on 127.0.0.1:{address[1]}: Address already in use"
        time.sleep(0.2)
        assert len(quiet) == 1
        taken.close()
        wait_until(lambda: page.port is not None)
        assert page.port == address[1]
    finally:
        taken.close()
        page.stop()


def test_stopping_is_quick_whatever_is_under_way(alone: Served) -> None:
    with contextlib.closing(connect(alone)) as silent:
        wait_until(lambda: alone.server._listener._since)  # type: ignore[union-attr]
        began = time.monotonic()
        alone.server.stop()
        assert time.monotonic() - began < 2
        assert silent.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            connect(alone)
        alone.server.stop()


@pytest.mark.slow
def test_stopping_does_not_wait_for_a_ledger_that_another_process_holds(alone: Served) -> None:
    path = alone.config.storage.ledger.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with contextlib.closing(connect(alone)) as asking:
            asking.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            wait_until(alone.server._board._lock.locked)
            stopping = threading.Thread(target=alone.server.stop, daemon=True)
            stopping.start()
            stopping.join(LOCK_WAIT / 2)
            assert not stopping.is_alive()
        other.execute("ROLLBACK")


def test_stopping_is_quick_though_the_address_that_was_listened_on_is_gone(alone: Served) -> None:
    assert alone.server._listener is not None
    alone.server._listener.server_address = ("127.0.0.1", 1)  # nobody can be reached there any more
    stopping = threading.Thread(target=alone.server.stop, daemon=True)
    stopping.start()
    stopping.join(5)
    assert not stopping.is_alive()


def test_stopping_a_page_that_never_got_its_port_is_quick(tmp_path: Path) -> None:
    config = config_of(tmp_path, [History("shop", date(2026, 7, 1))])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        page = StatusServer(taken.getsockname(), config, Metrics(), alive, Clock())
        page.start()
        began = time.monotonic()
        page.stop()
        assert time.monotonic() - began < 1


def test_a_page_that_was_never_started_can_be_stopped(tmp_path: Path) -> None:
    config = config_of(tmp_path, [History("shop", date(2026, 7, 1))])
    server = StatusServer(("127.0.0.1", 0), config, Metrics(), alive, Clock())
    server.stop()
    assert server.port is None


def test_the_page_can_listen_again_at_once_where_it_just_did(alone: Served) -> None:
    assert alone.ask("/healthz")[0] == 200
    port = alone.server.port
    assert port is not None
    alone.server.stop()
    with serving(alone.config, ("127.0.0.1", port)) as again:
        assert again.server.port == port
        assert again.ask("/healthz")[0] == 200


def test_the_page_listens_on_ipv6_loopback(tmp_path: Path) -> None:
    config = config_of(tmp_path, [History("shop", date(2026, 7, 1))])
    page = StatusServer(("::1", 0), config, Metrics(), alive, Clock())
    page.start()
    try:
        assert page.port
        with socket.create_connection(("::1", page.port), timeout=5) as client:
            client.sendall(b"GET /readyz HTTP/1.1\r\nHost: [::1]:%d\r\n\r\n" % page.port)
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    finally:
        page.stop()


@pytest.mark.slow
def test_a_connection_for_which_there_is_no_descriptor_is_not_tried_without_end(
    alone: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = threading.Semaphore(0)

    def accept(_: socket.socket) -> tuple[socket.socket, object]:
        tried.release()
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket.socket, "accept", accept)
    with contextlib.closing(connect(alone)):
        assert tried.acquire(timeout=10)
        assert not all(tried.acquire(timeout=0.1) for _ in range(20))
        monkeypatch.undo()
    wait_until(lambda: alone.ask("/readyz")[0] == 200)


@pytest.mark.slow
def test_an_idle_page_does_not_wake_up(alone: Served) -> None:
    assert alone.ask("/healthz")[0] == 200
    listener = alone.server._listener
    assert listener is not None
    wait_until(lambda: not listener._since and listener.timeout is None)
    assert alone.ask("/healthz")[0] == 200

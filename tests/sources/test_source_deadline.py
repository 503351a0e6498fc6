"""Whatever a server does with its time, an exchange ends at its deadline or when it is cut."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from sampling import sampled
from source_client import Client, MakeClient, Serve, app_at
from source_server import ZIP, Script, Talk, answer, keeps

from reportsync.errors import Stopped, TransientFault
from reportsync.sources.deadline import Watch, Watchdog
from reportsync.sources.resolve import Address, addresses
from reportsync.stop import Stop

SOON = timedelta(seconds=0.15)
HEAD = answer("200 OK", b"", f"Content-Length: {10**9}")


def then_hang(data: bytes) -> Script:
    def script(talk: Talk) -> None:
        talk.say(data)
        talk.hang()

    return script


def then_drip(data: bytes, drops: bytes) -> Script:
    def script(talk: Talk) -> None:
        talk.say(data)
        talk.drip(drops)

    return script


WAYS_TO_WASTE_TIME = {
    "no answer at all": Talk.hang,
    "slow status line": lambda talk: talk.drip(b"HTTP/1.1 200 " + b"x" * 9999),
    "endless headers": then_drip(b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    "headers, then nothing": then_hang(HEAD),
    "body hangs": then_hang(HEAD + ZIP),
    "one byte at a time": then_drip(HEAD, ZIP),
    "one byte at a time without a length": then_drip(b"HTTP/1.1 200 OK\r\n\r\n", ZIP),
    "chunk by chunk": then_drip(answer("200 OK", b"", "Transfer-Encoding: chunked"), b"1\r\nP\r\n"),
    "endless trailer": then_drip(
        answer("200 OK", b"4\r\nPK\3\4\r\n0\r\n", "Transfer-Encoding: chunked"), b"x: y\r\n"
    ),
    "interim answers": lambda talk: talk.drip(b"HTTP/1.1 100 Continue\r\n\r\n", 0.001),
    "a refusal that hangs": then_hang(answer("404 Not Found", b"{", "Content-Length: 100")),
    "a page that drips": then_drip(HEAD, b"<html>"),
}


@pytest.mark.parametrize("way", WAYS_TO_WASTE_TIME)
def test_fault_05_wasted_time_ends_at_the_deadline(
    way: str, serve: Serve, client: MakeClient
) -> None:
    server = serve(WAYS_TO_WASTE_TIME[way])
    began = time.monotonic()
    with pytest.raises(TransientFault, match="did not finish within the deadline") as caught:
        client(deadline=SOON).fetch(app_at(server))
    assert 0.14 < time.monotonic() - began < 1.9
    assert "http.deadline" in (caught.value.hint or "")


@pytest.mark.parametrize("way", sampled(WAYS_TO_WASTE_TIME, 4))
def test_a_stop_cuts_what_is_under_way_after_its_grace(
    way: str, serve: Serve, client: MakeClient
) -> None:
    server, asking = serve(WAYS_TO_WASTE_TIME[way]), client()
    timer = threading.Timer(0.2, asking.stop.request, [0.05])
    began = time.monotonic()
    timer.start()
    with pytest.raises(Stopped):
        asking.fetch(app_at(server))
    assert 0.24 < time.monotonic() - began < 1.9
    timer.join()


def test_fault_05_silence_between_two_reads_ends_at_the_read_timeout(
    serve: Serve, client: MakeClient
) -> None:
    for waste in (Talk.hang, then_hang(HEAD + ZIP)):
        asking = client(read_timeout=SOON)
        with pytest.raises(TransientFault, match="sent nothing for"):
            asking.fetch(app_at(serve(waste)))


def test_fault_05_a_tls_handshake_that_hangs_is_told_from_a_silent_server(
    serve: Serve, client: MakeClient
) -> None:
    # The server takes the connection, and then nothing: a middlebox, or a port that speaks no TLS.
    server = serve(Talk.hang)
    asking = client(connect_timeout=SOON)
    with pytest.raises(TransientFault) as caught:
        asking.fetch(app_at(server.url.replace("http:", "https:")))
    place = server.url.removeprefix("http://")
    assert caught.value.message.startswith(f"no TLS connection to {place} within ")


def test_fault_05_the_deadline_holds_on_a_kept_connection_too(
    serve: Serve, client: MakeClient
) -> None:
    answers = iter([keeps(answer("200 OK", ZIP)), then_hang(HEAD)])
    server = serve(lambda talk: next(answers)(talk))
    asking, app = client(deadline=SOON), app_at(server)
    asking.fetch(app)
    with pytest.raises(TransientFault, match="deadline"):
        asking.fetch(app)
    assert server.connections == 1


def test_fault_05_a_hanging_connect_ends_at_the_deadline(client: MakeClient) -> None:
    asking = client(connect_timeout=timedelta(seconds=20), deadline=SOON)
    with full_listener() as url, pytest.raises(TransientFault, match="deadline"):
        asking.fetch(app_at(url))


def test_a_stop_cuts_a_hanging_connect(client: MakeClient) -> None:
    asking = client(connect_timeout=timedelta(seconds=20), deadline=timedelta(seconds=20))
    with full_listener() as url:
        assert seconds_to_stop(asking, lambda: asking.fetch(app_at(url))) < 1.9


def test_a_stop_cuts_a_silent_dns(client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = threading.Event()

    def no_answer(*_: object, flags: int = 0) -> object:
        if not flags:
            silent.wait(10)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_answer)
    asking = client()
    app = app_at("https://stop.example")
    assert seconds_to_stop(asking, lambda: asking.fetch(app)) < 1.9
    silent.set()


def test_a_cut_before_the_connection_is_made_is_not_forgotten(
    serve: Serve, client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, asking = serve(then_drip(HEAD, ZIP)), client()

    def cut_meanwhile(host: str, port: int, seconds: float, watch: Watch) -> list[Address]:
        asking.stop.request()
        while not watch.cut:
            time.sleep(0.001)
        return addresses(host, port, seconds, watch)

    monkeypatch.setattr("reportsync.sources.wire.addresses", cut_meanwhile)
    began = time.monotonic()
    with pytest.raises(Stopped):
        asking.fetch(app_at(server))
    assert time.monotonic() - began < 1.9


def test_nothing_is_begun_after_a_stop(serve: Serve, client: MakeClient) -> None:
    server, asking = serve(keeps(answer("200 OK", ZIP))), client()
    asking.stop.request(10)
    with pytest.raises(Stopped):
        asking.fetch(app_at(server))
    with pytest.raises(Stopped):
        asking.source.await_turn(app_at(server))
    assert server.heads == []


def test_a_download_may_end_within_the_grace_of_a_stop(serve: Serve, client: MakeClient) -> None:
    asking = client()

    def script(talk: Talk) -> bool:
        talk.say(answer("200 OK", ZIP[:10], f"Content-Length: {len(ZIP)}"))
        asking.stop.request(10)
        talk.say(ZIP[10:])
        return True

    assert asking.fetch(app_at(serve(script))).size == len(ZIP)
    assert bytes(asking.sink) == ZIP


def test_waiting_for_a_turn_ends_at_once_with_a_stop(client: MakeClient) -> None:
    asking, app = client(rate=0.02), app_at("http://127.0.0.1:1")
    asking.source.await_turn(app)
    assert seconds_to_stop(asking, lambda: asking.source.await_turn(app)) < 1.9


def test_fault_23_a_deadline_holds_although_a_thread_could_not_be_had_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_more_threads(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    watchdog = Watchdog(Stop())
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more_threads)
        with pytest.raises(RuntimeError), watchdog.watch(60):
            pass
    cut = threading.Event()
    with watchdog.watch(0.05) as watch:
        watch.guard(cut.set)
        assert cut.wait(5)
    watchdog.close()


def test_a_watch_that_ended_in_time_is_not_cut_later() -> None:
    dog, cut = Watchdog(Stop()), threading.Event()
    with dog.watch(0.05) as watch:
        watch.guard(cut.set)
    with dog.watch(5) as later:
        time.sleep(0.1)
        assert not later.cut
    assert not cut.is_set() and not watch.cut
    dog.close()


def test_a_guard_that_comes_after_the_cut_is_called_at_once() -> None:
    dog, cut = Watchdog(Stop()), threading.Event()
    with dog.watch(0.02) as watch:
        while not watch.cut:
            time.sleep(0.005)
        watch.guard(cut.set)
        assert cut.is_set() and watch.timed_out
    dog.close()


def test_a_shorter_watch_beside_a_longer_one_ends_first() -> None:
    dog = Watchdog(Stop())
    ended: list[str] = []

    def watched(name: str, seconds: float) -> None:
        event = threading.Event()
        with dog.watch(seconds) as watch:
            watch.guard(event.set)
            event.wait(5)
            ended.append(name)

    threads = [
        threading.Thread(target=watched, args=args) for args in (("long", 0.3), ("short", 0.05))
    ]
    for thread in threads:
        thread.start()
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert ended == ["short", "long"]
    dog.close()


class full_listener:  # noqa: N801
    """A listener whose queue is full: it answers no further connection."""

    def __enter__(self) -> str:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self._clients = [socket.socket() for _ in range(2)]
        for sock in self._clients:
            sock.setblocking(False)
            sock.connect_ex(self._listener.getsockname())
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        for sock in [*self._clients, self._listener]:
            sock.close()


def seconds_to_stop(asking: Client, act: Callable[[], object]) -> float:
    """Return how long `act` took to raise Stopped after the end was asked for."""
    asked: list[float] = []

    def ask() -> None:
        asked.append(time.monotonic())
        asking.stop.request()

    timer = threading.Timer(0.05, ask)
    timer.start()
    with pytest.raises(Stopped):
        act()
    timer.join()
    return time.monotonic() - asked[0]

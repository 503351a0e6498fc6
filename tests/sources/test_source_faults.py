"""Every fault on the wire and in an answer ends in the right class, with a plain line to show."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import resource
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from source_client import DAY, KEY, MakeClient, Serve, app_at
from source_faults import FAULTS, REDIRECTS, of_row, reason
from source_server import ZIP, Talk, answer, keeps, says

from reportsync.errors import (
    AppRefused,
    KeyRefused,
    NotThereYet,
    OwnFault,
    TooLarge,
    TransientFault,
)
from reportsync.sources.daily import signature

SIGNATURE = signature("APP1", "20260302.zip", KEY)


def check(name: str, serve: Serve, client: MakeClient) -> None:
    """Ask a server with the fault `name`; the error has its class and says what it should."""
    fault, server, asking = FAULTS[name], serve(FAULTS[name].script), client()
    with pytest.raises(fault.error) as caught:
        asking.fetch(app_at(server))
    assert type(caught.value) is fault.error
    assert re.search(fault.says, caught.value.message)
    assert "\n" not in caught.value.message and len(caught.value.message) < 500
    assert len(server.heads) == 1
    if fault.row not in (6, 15):
        assert asking.events == [] and asking.sink == b""


@pytest.mark.parametrize("name", of_row(4))
def test_fault_04_answers_without_a_head_are_no_reports(
    name: str, serve: Serve, client: MakeClient
) -> None:
    check(name, serve, client)


@pytest.mark.parametrize("name", of_row(6))
def test_fault_06_bodies_that_do_not_come_to_their_end_are_faults(
    name: str, serve: Serve, client: MakeClient
) -> None:
    check(name, serve, client)


@pytest.mark.parametrize("name", of_row(7))
def test_fault_07_header_floods_are_bounded(name: str, serve: Serve, client: MakeClient) -> None:
    check(name, serve, client)


@pytest.mark.parametrize("name", of_row(8))
def test_fault_08_a_body_that_is_no_zip_is_refused_with_its_reason(
    name: str, serve: Serve, client: MakeClient
) -> None:
    check(name, serve, client)


@pytest.mark.parametrize("name", of_row(9))
def test_fault_09_a_refused_key_is_told_from_all_else(
    name: str, serve: Serve, client: MakeClient
) -> None:
    check(name, serve, client)


@pytest.mark.parametrize("name", of_row(10))
def test_fault_10_404_and_400_mean_not_there_yet(
    name: str, serve: Serve, client: MakeClient
) -> None:
    check(name, serve, client)


@pytest.mark.parametrize("name", of_row(11, 12))
def test_fault_12_servers_in_trouble_are_transient(
    name: str, serve: Serve, client: MakeClient
) -> None:
    check(name, serve, client)


@pytest.mark.parametrize("name", of_row(13))
def test_fault_13_a_barred_way_needs_a_person(name: str, serve: Serve, client: MakeClient) -> None:
    check(name, serve, client)


@pytest.mark.parametrize("name", of_row(15))
def test_fault_15_encodings_nobody_asked_for_are_undone_or_refused(
    name: str, serve: Serve, client: MakeClient
) -> None:
    check(name, serve, client)


@pytest.mark.parametrize("name", of_row(43))
def test_fault_43_what_the_vendor_echoes_loses_the_signature(
    name: str, serve: Serve, client: MakeClient
) -> None:
    check(name, serve, client)


@pytest.mark.parametrize(("location", "told"), REDIRECTS.items())
def test_fault_14_redirects_are_named_and_never_followed(
    location: str, told: str, serve: Serve, client: MakeClient
) -> None:
    target = serve(says(answer("200 OK", ZIP)))
    location = location.replace("http://other.example", target.url)
    server = serve(says(answer("307 Temporary Redirect", ZIP, f"Location: {location}")))
    with pytest.raises(AppRefused, match="redirects are not followed") as caught:
        client().fetch(app_at(server))
    assert f"points to {told.replace('http://other.example', target.url)};" in caught.value.message
    assert target.heads == [] and len(server.heads) == 1
    assert caught.value.status == 307


def test_fault_14_a_redirect_loop_is_asked_once(serve: Serve, client: MakeClient) -> None:
    server = serve(lambda talk: talk.say(answer("301 Moved", b"", f"Location: {talk.head[4:99]}")))
    with pytest.raises(AppRefused):
        client().fetch(app_at(server))
    assert len(server.heads) == 1


def test_fault_01_a_name_that_does_not_resolve_is_transient(client: MakeClient) -> None:
    with pytest.raises(TransientFault, match=r"no-such-host\.invalid") as caught:
        client().fetch(app_at("https://no-such-host.invalid"))
    assert re.search(r"does not resolve|no answer from the DNS", caught.value.message)


def test_fault_01_a_silent_dns_ends_at_the_connect_timeout(
    client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent, calls = threading.Event(), []
    real = socket.getaddrinfo

    def no_answer(host: str, port: int, family: int, kind: int, flags: int = 0) -> Any:
        if flags & socket.AI_NUMERICHOST:
            return real(host, port, family, kind, flags=flags)
        calls.append(host)
        silent.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", no_answer)
    asking = client(connect_timeout=timedelta(milliseconds=80))
    before = threading.active_count()
    try:
        for _ in range(3):
            with pytest.raises(TransientFault, match=r"no answer from the DNS about slow\.example"):
                asking.fetch(app_at("https://slow.example"))
        # One look-up is shared by all who wait for it; beside it there is the watchdog.
        assert calls == ["slow.example"]
        assert threading.active_count() <= before + 2
    finally:
        silent.set()


def test_fault_01_an_answer_of_no_address_and_an_impossible_name_are_transient(
    client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TransientFault, match="does not resolve"):
        client().fetch(app_at(f"https://{'x' * 70}.example"))
    real = socket.getaddrinfo

    def none_found(host: str, port: int, family: int, kind: int, flags: int = 0) -> Any:
        return real(host, port, family, kind, flags=flags) if flags else []

    monkeypatch.setattr(socket, "getaddrinfo", none_found)
    with pytest.raises(TransientFault, match=r"empty\.example does not resolve"):
        client().fetch(app_at("https://empty.example"))


def test_fault_02_a_refused_connection_names_host_and_port(client: MakeClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TransientFault, match=f"connection refused by 127.0.0.1:{port}$"):
        client().fetch(app_at(f"http://127.0.0.1:{port}"))


def test_fault_02_a_hanging_connect_ends_at_the_connect_timeout(client: MakeClient) -> None:
    # A listener whose queue is full ignores further connections.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, socket.socket() as first:
        first.connect(listener.getsockname())
        with socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(listener.getsockname())
            port = listener.getsockname()[1]
            with pytest.raises(TransientFault, match=f"no connection to 127.0.0.1:{port} within"):
                client(connect_timeout=timedelta(milliseconds=80)).fetch(
                    app_at(f"http://127.0.0.1:{port}")
                )


def test_fault_02_no_route_is_transient(client: MakeClient) -> None:
    with pytest.raises(TransientFault, match=r"no connection to \[?::ffff:255|no connection to"):
        client(connect_timeout=timedelta(milliseconds=80)).fetch(app_at("https://255.255.255.255"))


NOW = datetime(2026, 3, 3, 4, 0, tzinfo=UTC)
PAUSES = [
    (["Retry-After: 7"], 7),
    (["Retry-After: 0"], 0),
    (["Retry-After: -30"], 0),
    (["Retry-After: 99999999999999999999999"], 86400),
    (["Retry-After: " + "9" * 5000], 86400),
    (["Retry-After: soon"], None),
    (["Retry-After: \xb2"], None),
    (["Retry-After: "], None),
    (["Retry-After: Tue, 03 Mar 2026 04:01:00 GMT"], 60),
    (["Retry-After: Tue, 03 Mar 2026 03:01:00 GMT"], 0),
    (["Retry-After: Tue, 03 Mar 2026 09:01:00 GMT", "Date: Tue, 03 Mar 2026 09:00:30 GMT"], 30),
    (["Retry-After: Fri, 31 Feb 2026 09:01:00 GMT"], None),
    ([f"x-ratelimit-reset: {int(NOW.timestamp()) + 45}"], 45),
    ([f"x-ratelimit-reset: {int(NOW.timestamp()) - 45}"], 0),
    (["x-ratelimit-reset: 99999999999999"], 86400),
    (["x-ratelimit-reset: never"], None),
    (["x-envoy-ratelimited: true"], None),
    (["Retry-After: junk", f"x-ratelimit-reset: {int(NOW.timestamp()) + 9}"], 9),
]


@pytest.mark.parametrize(("headers", "seconds"), PAUSES, ids=lambda value: str(value)[:60])
def test_fault_11_the_asked_pause_is_honoured_and_clamped(
    headers: list[str], seconds: int | None, serve: Serve, client: MakeClient
) -> None:
    server = serve(says(answer("429 Too Many Requests", b"", *headers)))
    with pytest.raises(TransientFault) as caught:
        client(clock=lambda: NOW).fetch(app_at(server))
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert caught.value.retry_after == expected
    assert caught.value.status == 429


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504])
def test_fault_11_other_passing_troubles_may_ask_for_a_pause_too(
    status: int, serve: Serve, client: MakeClient
) -> None:
    server = serve(says(answer(f"{status} x", b"", "Retry-After: 3")))
    with pytest.raises(TransientFault) as caught:
        client().fetch(app_at(server))
    assert caught.value.retry_after == timedelta(seconds=3)


def test_fault_11_a_long_pause_of_the_host_costs_no_request(
    serve: Serve, client: MakeClient
) -> None:
    server = serve(says(answer("503 Busy", b"", "Retry-After: 300")))
    asking, app = client(), app_at(server)
    with pytest.raises(TransientFault):
        asking.fetch(app)
    with pytest.raises(TransientFault, match=r"left alone; (5m|4m59s) of that") as caught:
        asking.source.await_turn(app)
    assert timedelta(seconds=298) < (caught.value.retry_after or timedelta(0)) <= timedelta(300)
    with pytest.raises(TransientFault, match="left alone"):
        asking.source.prepare_turn(app)
    other = app_at("http://127.0.0.1:1")
    asking.source.prepare_turn(other)
    asking.source.await_turn(other)  # at once
    assert len(server.heads) == 1


def test_fault_11_a_short_pause_is_waited_for_even_by_who_waits_for_a_turn(
    serve: Serve, client: MakeClient
) -> None:
    reset = f"x-ratelimit-reset: {int(NOW.timestamp()) + 1}"
    server = serve(says(answer("429 Too Many Requests", b"", reset)))
    asking = client(clock=lambda: NOW + timedelta(seconds=0.6), rate=5.0)
    app, turns = app_at(server), list[float]()

    def wait_for_turn() -> None:
        asking.source.await_turn(app)
        turns.append(time.monotonic())

    wait_for_turn()
    waiting = threading.Thread(target=wait_for_turn)
    waiting.start()
    with pytest.raises(TransientFault) as caught:
        asking.fetch(app)
    refused = time.monotonic()
    waiting.join()
    assert caught.value.retry_after == timedelta(seconds=0.4)
    assert 0.38 < turns[1] - refused < 1.0


def test_fault_22_running_out_of_descriptors_is_said_plainly(
    serve: Serve, client: MakeClient
) -> None:
    server, other = serve(keeps(answer("200 OK", ZIP))), serve(says(b""))
    asking = client()
    asking.fetch(app_at(server))
    with no_descriptor_left():
        for place in (other, server):  # a new connection and a kept one
            with pytest.raises(OwnFault, match="Too many open files"):
                asking.fetch(app_at(place))


@pytest.mark.parametrize("url", ["https://reports.invalid", "https://127.0.0.1:9"])
def test_fault_22_no_descriptor_for_a_look_up_or_for_the_authorities_is_ours_to_mend(
    client: MakeClient, url: str
) -> None:
    asking, app = client(), app_at(url)
    with no_descriptor_left(), pytest.raises(OwnFault, match="Too many open files") as caught:
        asking.fetch(app)
    assert "ulimit -n" in str(caught.value.hint)


@contextlib.contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Take every descriptor that is free, under a limit that leaves few of them."""
    limits, taken = resource.getrlimit(resource.RLIMIT_NOFILE), [os.dup(0)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 8, limits[1]))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for descriptor in taken:
            os.close(descriptor)


def test_fault_12_one_slow_app_leaves_the_others_alone(serve: Serve, client: MakeClient) -> None:
    slow, quick = serve(Talk.hang), serve(keeps(answer("200 OK", ZIP)))
    asking = client(deadline=timedelta(seconds=0.4))
    errors: list[Exception] = []

    def ask_slow() -> None:
        try:
            asking.fetch(app_at(slow, name="slow"))
        except TransientFault as error:
            errors.append(error)

    thread = threading.Thread(target=ask_slow)
    thread.start()
    for _ in range(20):
        assert asking.fetch(app_at(quick)).size == len(ZIP)
    assert errors == []
    thread.join()
    assert "deadline" in str(errors[0])


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "gzip, gzip"])
def test_fault_15_an_encoded_zip_arrives_whole(
    encoding: str, serve: Serve, client: MakeClient
) -> None:
    encode = zlib.compress if encoding == "deflate" else gzip.compress
    body = encode(ZIP) if "," not in encoding else gzip.compress(encode(ZIP))
    server, asking = serve(says(answer("200 OK", body, f"Content-Encoding: {encoding}"))), client()
    received = asking.fetch(app_at(server))
    assert bytes(asking.sink) == ZIP and received.size == len(ZIP)
    assert asking.events == ["accepted", None]  # the declared length is not the archive's


def test_fault_15_a_truncated_gzip_never_looks_like_more_than_it_is(
    serve: Serve, client: MakeClient
) -> None:
    server = serve(says(answer("200 OK", gzip.compress(ZIP)[:-60], "Content-Encoding: gzip")))
    asking = client()
    received = asking.fetch(app_at(server))  # the zip check behind finds that the end is missing
    assert received.size == len(asking.sink) < len(ZIP)
    assert ZIP.startswith(asking.sink)


def test_fault_15_a_gzip_bomb_is_cut_at_the_cap_in_little_memory(
    serve: Serve, client: MakeClient
) -> None:
    plain = b"PK" + bytes(64 * 2**20)
    body = gzip.compress(plain, 9)
    server = serve(says(answer("200 OK", body, "Content-Encoding: gzip")))
    del plain
    asking = client(max_size=8 * 2**20)
    asking.write = lambda data, /: asking.events.append(len(data))  # type: ignore[method-assign]
    app = app_at(server)
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match=r"http\.max_size is 8MiB"):
            asking.fetch(app)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(n for n in asking.events[2:] if isinstance(n, int)) <= 8 * 2**20
    assert peak < 3 * 2**20


def test_a_bomb_that_is_no_zip_is_looked_at_for_64_kib(serve: Serve, client: MakeClient) -> None:
    body = gzip.compress(b"x" * 50_000_000, 9)
    server, asking = serve(says(answer("200 OK", body, "Content-Encoding: gzip"))), client()
    app = app_at(server)
    tracemalloc.start()
    try:
        with pytest.raises(TransientFault, match="xxxxx"):
            asking.fetch(app)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * 2**20


def test_fault_43_vendor_text_comes_out_clean_and_short(serve: Serve, client: MakeClient) -> None:
    nasty = "<script>alert(1)</script>\n\x1b[31mred\u202eevil\u200b" + "A" * 10_000_000
    server = serve(says(answer("404 Not Found", reason(nasty))))
    with pytest.raises(NotThereYet) as caught:
        client().fetch(app_at(server))
    assert "<script>alert(1)</script>" in caught.value.message  # escaping is the page's
    assert not re.search("[\n\x1b\u202e\u200b]", caught.value.message)
    assert len(caught.value.message) < 400


def test_fault_43_html_entities_and_controls_in_a_title_are_cleaned(
    serve: Serve, client: MakeClient
) -> None:
    page = b"<html><title>&#27;[1m&#8238;Log&#x0a;in</title>"
    with pytest.raises(TransientFault) as caught:
        client().fetch(app_at(serve(says(answer("200 OK", page)))))
    assert "web page: [1m Log in; a captive portal" in caught.value.message


def test_fault_09_a_key_is_refused_whatever_the_body(serve: Serve, client: MakeClient) -> None:
    server = serve(says(answer("401 Unauthorized", b"x" * 200_000)))
    with pytest.raises(KeyRefused) as caught:
        client().fetch(app_at(server))
    assert caught.value.status == 401 and "secret_key" in (caught.value.hint or "")
    assert str(DAY) not in caught.value.message and SIGNATURE in server.heads[0]

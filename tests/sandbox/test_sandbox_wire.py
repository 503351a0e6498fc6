"""Each fault as it comes over the wire."""

from __future__ import annotations

import gzip
import http.client
import io
import json
import socket
import struct
import subprocess
import threading
import time
import zipfile
import zlib
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import pytest
from sandbox_client import APP, DAY, NOW, Heard, ask, hear, place, status, target

from reportsync.sandbox import KINDS, Fault, Request, Sandbox, parse_faults
from reportsync.sandbox.broken import BREAK
from reportsync.sandbox.kinds import Family
from reportsync.sandbox.wire import WIRE_KINDS

PLAIN_STATUSES = [400, 401, 403, 404, 408, 410, 429, 500, 502, 503, 504]


def of(family: Family) -> set[str]:
    """Return the kinds of a family."""
    return {name for name, kind in KINDS.items() if kind.family is family}


def test_every_kind_of_the_table_is_served_by_some_module() -> None:
    assert of(Family.BODY) == set(BREAK) | {"changed", "206"}
    assert of(Family.WIRE) == WIRE_KINDS
    assert {str(code) for code in PLAIN_STATUSES} < of(Family.ANSWER)
    assert of(Family.TIME) == {"late"}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "late"])
@pytest.mark.slow
def test_each_fault_changes_what_a_client_hears_and_the_next_request_is_right(
    sandbox: Sandbox, kind: str
) -> None:
    right = hear(sandbox)
    sandbox.faults.add(Fault(kind, times=1, every=0))
    stays = kind in {"silent", "hang"}
    heard = hear(sandbox, closes=kind in WIRE_KINDS, patience=0.1 if stays else 5)
    assert (heard.data == right.data) == (kind in {"drip", "slow-headers"})
    assert (heard.end == "open") == (kind not in WIRE_KINDS or stays)
    assert hear(sandbox) == right
    assert [request.fault for request in sandbox.requests] == [None, kind, None]


@pytest.mark.parametrize("code", PLAIN_STATUSES)
def test_a_status_comes_with_a_reason_as_json(sandbox: Sandbox, code: int) -> None:
    sandbox.faults.add(Fault(str(code)))
    response, body = ask(sandbox)
    assert (response.status, response.headers["Content-Type"]) == (code, "application/json")
    assert json.loads(body)["error"]["message"]


@pytest.mark.parametrize(
    ("word", "sent"),
    [("5", "5"), ("huge", "999999999999"), ("negative", "-5"), ("text", "soon"), ("1.5", "1.5")],
)
def test_retry_after_is_sent_as_wished(sandbox: Sandbox, word: str, sent: str) -> None:
    sandbox.faults.add(*parse_faults(f"429:retry_after={word}"))
    response, _ = ask(sandbox)
    assert (response.status, response.headers["Retry-After"]) == (429, sent)


def test_retry_after_can_be_a_date_and_a_reset_can_be_given(sandbox: Sandbox) -> None:
    sandbox.faults.add(*parse_faults("503:retry_after=date,ratelimit=30"))
    headers = ask(sandbox)[0].headers
    assert (parsedate_to_datetime(headers["Retry-After"]) - NOW).total_seconds() == 5
    assert int(headers["x-ratelimit-reset"]) == int(NOW.timestamp()) + 30


def test_errors_and_pages_can_come_with_status_200(sandbox: Sandbox) -> None:
    sandbox.faults.replace(Fault("json-200"))
    response, body = ask(sandbox)
    assert (response.status, json.loads(body)["status"]) == (200, "fail")
    sandbox.faults.replace(Fault("html-200"))
    response, body = ask(sandbox)
    assert (response.headers["Content-Type"], b"<title>" in body) == ("text/html", True)
    sandbox.faults.replace(Fault("empty-200"))
    response, body = ask(sandbox)
    assert (response.status, response.headers["Content-Length"], body) == (200, "0", b"")


def test_204_and_304_have_no_body_and_206_has_a_part(sandbox: Sandbox) -> None:
    whole = ask(sandbox)[1]
    for kind in ("204", "304"):
        sandbox.faults.replace(Fault(kind))
        heard = hear(sandbox)
        assert (heard.head.split()[1], heard.body) == (kind.encode(), b"")
        assert b"Content-Length" not in heard.head
    sandbox.faults.replace(Fault("206"))
    response, body = ask(sandbox)
    assert (response.status, body) == (206, whole[: len(whole) // 2])
    assert response.headers["Content-Range"] == f"bytes 0-{len(body) - 1}/{len(whole)}"


def test_hostile_text_holds_markup_escapes_and_bidi_marks(sandbox: Sandbox) -> None:
    for kind, least, most in (("hostile-text", 50, 200), ("huge-text", 10_000_000, 11_000_000)):
        sandbox.faults.replace(Fault(kind))
        response, body = ask(sandbox)
        reason = json.loads(body)["error"]["message"]
        assert (response.status, least < len(reason) < most) == (400, True)
        assert all(mark in reason for mark in ("<script>", "\r\n", "\x1b", "\u202e"))


@pytest.mark.parametrize(
    ("to", "location"),
    [
        ("", "https://elsewhere.example/"),
        ("to=http", "http://elsewhere.example/"),
        ("to=file", "file:///etc/hostname"),
        ("to=loop", target().partition("?")[0]),
        ("to=link-local", "http://169.254.169.254/latest/meta-data/"),
        ("to=http://127.0.0.1:9/x?y=1", "http://127.0.0.1:9/x?y=1"),
    ],
)
def test_a_redirect_leads_where_it_should_without_the_signature(
    sandbox: Sandbox, to: str, location: str
) -> None:
    sandbox.faults.add(*parse_faults(f"redirect:{to}"))
    response, _ = ask(sandbox)
    assert (response.status, response.headers["Location"]) == (302, location)


def content(data: bytes) -> dict[str, bytes]:
    """Return the members of a zip, each read with its CRC checked."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_changed_content_is_a_whole_zip_with_other_numbers(sandbox: Sandbox) -> None:
    first = ask(sandbox)[1]
    sandbox.faults.add(*parse_faults("changed:times=1;changed:revision=3"))
    second, third = ask(sandbox)[1], ask(sandbox)[1]
    assert len({first, second, third}) == 3
    assert content(first).keys() == content(second).keys()
    assert content(first) != content(second)


def served(sandbox: Sandbox, kind: str) -> bytes:
    """Return the body, of the declared length, that is sent under a fault of the body."""
    sandbox.faults.replace(Fault(kind))
    response, body = ask(sandbox)
    assert response.status == 200
    assert response.headers["Content-Type"] == "application/zip"
    assert int(response.headers["Content-Length"]) == len(body)
    return body


def test_a_bad_crc_is_the_only_thing_wrong(sandbox: Sandbox) -> None:
    right = ask(sandbox)[1]
    with zipfile.ZipFile(io.BytesIO(served(sandbox, "bad-crc"))) as archive:
        assert archive.namelist() == list(content(right))
        assert archive.testzip() == archive.namelist()[0]


def test_truncated_joined_and_padded_archives_hold_the_right_bytes_first(sandbox: Sandbox) -> None:
    right = ask(sandbox)[1]
    assert served(sandbox, "truncated-zip") == right[: len(right) * 2 // 3]
    assert served(sandbox, "joined") == right + right
    longer = served(sandbox, "extra-bytes")
    assert longer.startswith(right)
    assert len(longer) > len(right)
    assert not zipfile.is_zipfile(io.BytesIO(served(sandbox, "not-zip")))


def test_an_encrypted_archive_wants_a_password(sandbox: Sandbox) -> None:
    with pytest.raises(RuntimeError, match="password required"):
        content(served(sandbox, "encrypted"))


@pytest.mark.tool("unzip")
def test_unzip_agrees_about_encrypted_and_damaged_archives(
    sandbox: Sandbox, tool: Callable[[str], str], tmp_path: object
) -> None:
    for kind, code in (("encrypted", 82), ("bad-crc", 2), ("truncated-zip", 9), ("changed", 0)):
        file = f"{tmp_path}/{kind}.zip"
        with open(file, "wb") as target_file:  # noqa: PTH123
            target_file.write(served(sandbox, kind))
        done = subprocess.run([tool("unzip"), "-P", "no", "-tqq", file], capture_output=True)
        assert (kind, done.returncode) == (kind, code)


def test_an_empty_archive_is_valid(sandbox: Sandbox) -> None:
    assert content(served(sandbox, "empty-zip")) == {}


@pytest.mark.slow
def test_bombs_are_small_and_inflate_to_64_mib_whatever_they_declare(sandbox: Sandbox) -> None:
    for kind, declared in (("bomb", 64 * 2**20), ("lying-bomb", 1000)):
        body = served(sandbox, kind)
        assert len(body) < 100_000
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            (member,) = archive.infolist()
            assert member.file_size == declared
        name_and_extra = struct.unpack_from("<HH", body, 26)
        data = body[30 + sum(name_and_extra) :][: member.compress_size]
        assert len(zlib.decompress(data, -15)) == 64 * 2**20


@pytest.mark.slow
def test_gzip_encoding_is_announced_and_whole_or_cut_or_a_bomb(sandbox: Sandbox) -> None:
    right = ask(sandbox)[1]
    assert gzip.decompress(served(sandbox, "gzip")) == right
    with pytest.raises(EOFError):
        gzip.decompress(served(sandbox, "gzip-cut"))
    bomb = served(sandbox, "gzip-bomb")
    assert (len(bomb) < 100_000, len(gzip.decompress(bomb))) == (True, 64 * 2**20)
    assert ask(sandbox)[0].headers["Content-Encoding"] == "gzip"


def fail(sandbox: Sandbox, kind: str, **options: float) -> Heard:
    """Return what a raw socket hears under a fault of the wire."""
    sandbox.faults.replace(Fault(kind, **options))  # type: ignore[arg-type]
    return hear(sandbox, closes=True, patience=0.1 if kind in {"silent", "hang"} else 5)


def test_a_closed_connection_says_nothing_and_a_silent_one_stays_open(sandbox: Sandbox) -> None:
    assert fail(sandbox, "close") == Heard(b"", "eof")
    assert fail(sandbox, "silent") == Heard(b"", "open")
    assert [request.status for request in sandbox.requests] == [None, None]


def test_http09_has_no_status_line(sandbox: Sandbox) -> None:
    right = ask(sandbox)[1]
    heard = fail(sandbox, "http09")
    assert heard.data.endswith(right)
    assert not heard.data.startswith(b"HTTP")
    with pytest.raises(http.client.BadStatusLine):
        ask(sandbox)


def test_headers_can_be_cut_in_the_middle_of_one(sandbox: Sandbox) -> None:
    heard = fail(sandbox, "cut-headers")
    assert heard.end == "eof"
    assert heard.data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert heard.data.endswith(b"\r\nContent-L")


def test_slow_headers_and_a_dripping_body_are_right_but_slow(sandbox: Sandbox) -> None:
    right = hear(sandbox)
    tail = len(right.head) // 2
    for kind, kept in (("slow-headers", tail), ("drip", len(right.head) + 4 + 20)):
        sandbox.faults.replace(Fault(kind, every=0.002))
        with socket.create_connection(place(sandbox), timeout=5) as connection:
            started = time.monotonic()
            connection.sendall(f"GET {target()} HTTP/1.1\r\n\r\n".encode())
            heard = b""
            while len(heard) < kept:
                heard += connection.recv(4096)
            assert time.monotonic() - started >= 0.002 * 19
            assert right.data.startswith(heard)
            assert len(heard) < len(right.data) / 2


def test_a_thousand_interim_answers_come_before_the_right_one(sandbox: Sandbox) -> None:
    right = hear(sandbox)
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert fail(sandbox, "continue-flood").data == interim * 1000 + right.data


def test_header_floods_are_too_much_for_http_client(sandbox: Sandbox) -> None:
    for kind in ("long-header", "header-flood"):
        sandbox.faults.replace(Fault(kind))
        with pytest.raises(http.client.HTTPException, match="header"):
            ask(sandbox)
    assert fail(sandbox, "header-flood").head.count(b"\r\n") > 1000
    assert max(map(len, fail(sandbox, "long-header").head.split(b"\r\n"))) > 100_000


def test_two_lengths_differ(sandbox: Sandbox) -> None:
    heard = fail(sandbox, "two-lengths")
    lengths = [int(x.split()[1]) for x in heard.head.split(b"\r\n") if x.startswith(b"Content-L")]
    assert lengths == [len(heard.body) + 10, len(heard.body)]


def test_a_cut_body_is_shorter_than_declared(sandbox: Sandbox) -> None:
    right = ask(sandbox)[1]
    heard = fail(sandbox, "cut")
    assert (heard.end, heard.length, heard.body) == ("eof", len(right), right[: len(right) // 2])
    with pytest.raises(http.client.IncompleteRead):
        ask(sandbox)


def test_a_cut_body_without_length_looks_complete_to_http_client(sandbox: Sandbox) -> None:
    right = ask(sandbox)[1]
    heard = fail(sandbox, "cut-no-length")
    assert b"Content-Length" not in heard.head
    assert heard.body == ask(sandbox)[1] == right[: len(right) // 2]


def test_an_over_long_body_goes_on_after_its_length(sandbox: Sandbox) -> None:
    right = ask(sandbox)[1]
    heard = fail(sandbox, "over-long")
    assert heard.length == len(right) < len(heard.body)
    assert heard.body.startswith(right)


def test_bad_chunks_break_off(sandbox: Sandbox) -> None:
    heard = fail(sandbox, "bad-chunks")
    assert b"Transfer-Encoding: chunked" in heard.head
    assert heard.body.endswith(b"\r\nzz\r\n")
    with pytest.raises(http.client.IncompleteRead):
        ask(sandbox)


def test_a_reset_comes_in_the_body(sandbox: Sandbox) -> None:
    right = ask(sandbox)[1]
    heard = fail(sandbox, "reset")
    assert (heard.end, heard.body) == ("reset", right[: len(right) // 2])


def test_a_hanging_body_never_begins(sandbox: Sandbox) -> None:
    right = ask(sandbox)[1]
    heard = fail(sandbox, "hang")
    assert (heard.end, heard.length, heard.body) == ("open", len(right), b"")


@pytest.mark.tool("curl")
@pytest.mark.parametrize(
    ("kind", "code"),
    [("cut", 18), ("close", 52), ("reset", 56), ("bad-chunks", 56), ("http09", 1), ("hang", 28)],
)
def test_curl_names_the_fault(
    sandbox: Sandbox, tool: Callable[[str], str], kind: str, code: int
) -> None:
    sandbox.faults.add(Fault(kind))
    url = sandbox.url + target()
    done = subprocess.run([tool("curl"), "-s", "-m", "0.3", url], capture_output=True)
    assert done.returncode == code


@pytest.mark.parametrize("kind", ["drip", "slow-headers", "hang", "silent"])
def test_stopping_is_quick_with_connections_in_mid_answer(kind: str) -> None:
    sandbox = Sandbox([APP], faults=[Fault(kind, every=60)], clock=lambda: NOW)
    sandbox.start()
    idle = socket.create_connection(place(sandbox))
    busy = [socket.create_connection(place(sandbox)) for _ in range(5)]
    for connection in busy:
        connection.sendall(f"GET {target()} HTTP/1.1\r\n\r\n".encode())
    while len(sandbox.requests) < 5:
        time.sleep(0.001)
    started = time.monotonic()
    sandbox.stop()
    assert time.monotonic() - started < 0.3
    for connection in (idle, *busy):
        with connection:
            while connection.recv(65536):
                pass


def leave(connection: socket.socket) -> None:
    """Reset the connection from the client's side."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_clients_that_leave_in_mid_answer_do_no_harm(
    sandbox: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    sandbox.faults.add(Fault("drip", every=0.01, times=2), Fault("drip", every=60, times=1))
    for _ in range(3):
        connection = socket.create_connection(place(sandbox))
        connection.sendall(f"GET {target()} HTTP/1.1\r\n\r\n".encode())
        connection.recv(100)
        leave(connection)
    time.sleep(0.05)
    assert status(sandbox) == 200
    assert sandbox.asked("APPONE", DAY) == 4
    sandbox.stop()
    assert capfd.readouterr() == ("", "")


def test_stopping_goes_on_when_a_client_has_left_unnoticed() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold(_: Request) -> None:
        begun.set()
        go_on.wait(5)

    sandbox = Sandbox([APP], clock=lambda: NOW, on_request=hold)
    sandbox.start()
    connection = socket.create_connection(place(sandbox))
    connection.sendall(f"GET {target()} HTTP/1.1\r\n\r\n".encode())
    assert begun.wait(5)
    leave(connection)
    threading.Timer(0.05, go_on.set).start()
    started = time.monotonic()
    sandbox.stop()
    assert 0.02 < time.monotonic() - started < 0.5

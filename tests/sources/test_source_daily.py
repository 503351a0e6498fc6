"""The Daily Campaign Report API: address, signature, keys, and what reaches the sink."""

from __future__ import annotations

import base64
import gc
import threading
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from source_client import DAY, KEY, Client, MakeClient, Serve, app_at, client_of
from source_faults import chunked, reason
from source_server import ZIP, RawServer, Talk, answer, keeps, make_zip, says

import reportsync
from reportsync.errors import (
    AppRefused,
    KeyRefused,
    NotThereYet,
    StorageError,
    TooLarge,
    TransientFault,
)
from reportsync.sources import Received
from reportsync.sources.daily import report_url, signature

WHOLE = keeps(answer("200 OK", ZIP))


def test_the_signature_is_a_plain_sha256_of_id_name_and_key() -> None:
    # printf '%s' 'APP1|20260302.zip|sandbox-key-no-secret' | sha256sum
    expected = "9c09a2abe6c9b7f2a2ead998b90727f3f36aefb95c1fd34c6cef74bb75d01577"
    assert signature("APP1", "20260302.zip", "sandbox-key-no-secret") == expected
    assert signature("A", "n", "schlüssel") != signature("A", "n", "schlussel")


def test_the_request_is_what_the_vendor_documents(serve: Serve, client: MakeClient) -> None:
    server = serve(WHOLE)
    client().fetch(app_at(server))
    first, *lines = server.heads[0].rstrip().split("\r\n")
    signed = signature("APP1", "20260302.zip", KEY)
    assert first == f"GET /dailyCampaignReportDump/APP1/20260302.zip?Signature={signed} HTTP/1.1"
    headers = dict(line.split(": ") for line in lines)
    assert headers.pop("Host") == f"127.0.0.1:{server.port}"
    assert headers == {
        "User-Agent": f"reportsync/{reportsync.__version__}",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
    }


def test_a_base_url_may_carry_a_path_and_the_displayed_address_has_no_signature(
    serve: Serve, client: MakeClient
) -> None:
    server = serve(WHOLE)
    app = app_at(f"{server.url}/v1")
    client().fetch(app)
    assert server.heads[0].startswith("GET /v1/dailyCampaignReportDump/APP1/20260302.zip?Sig")
    assert report_url(app, DAY) == f"{server.url}/v1/dailyCampaignReportDump/APP1/20260302.zip"


def test_a_zip_reaches_the_sink_byte_for_byte(serve: Serve, client: MakeClient) -> None:
    date_line = "Date: Tue, 03 Mar 2026 04:05:06 GMT"
    server, asking = serve(says(answer("200 OK", ZIP, date_line))), client()
    received = asking.fetch(app_at(server))
    at = datetime(2026, 3, 3, 4, 5, 6, tzinfo=UTC)
    assert received == Received(status=200, size=len(ZIP), server_time=at, requests=1)
    assert bytes(asking.sink) == ZIP
    assert asking.events == ["accepted", len(ZIP)]


@pytest.mark.parametrize(
    "said",
    [
        chunked(ZIP[:1], ZIP[1:2000], ZIP[2000:]),
        b"HTTP/1.1 200 OK\r\nDate: junk\r\n\r\n" + ZIP,
        b"HTTP/1.0 200 OK\r\n\r\n" + ZIP,
    ],
    ids=["chunked", "until the end", "http 1.0"],
)
def test_a_zip_without_a_declared_length_arrives(
    said: bytes, serve: Serve, client: MakeClient
) -> None:
    asking = client()
    received = asking.fetch(app_at(serve(says(said))))
    assert bytes(asking.sink) == ZIP and received.server_time is None
    assert asking.events == ["accepted", None]


@pytest.mark.parametrize("interim", ["100 Continue", "102 Processing", "103 Early Hints", "199 ?"])
def test_fault_07_the_answer_is_the_one_behind_the_interim_ones(
    interim: str, serve: Serve, client: MakeClient
) -> None:
    """Taken for the answer, one would leave the real one in the kept connection, for the next day."""
    other = make_zip(99)
    said = iter([ZIP, other])

    def script(talk: Talk) -> bool:
        talk.say(f"HTTP/1.1 {interim}\r\nLink: </x>\r\n\r\n".encode())
        time.sleep(0.1)
        talk.say(answer("200 OK", next(said)))
        return True

    server, first, second = serve(script), client(), client()
    first.fetch(app_at(server))
    assert bytes(first.sink) == ZIP
    second.source.close()
    second.source = first.source
    second.fetch(app_at(server))
    assert (bytes(second.sink), server.connections) == (other, 1)


def test_accepted_is_called_while_the_body_is_still_coming(
    serve: Serve, client: MakeClient
) -> None:
    asking, accepted = client(), threading.Event()

    def script(talk: Talk) -> None:
        talk.say(answer("200 OK", ZIP[:1], f"Content-Length: {len(ZIP)}"))
        talk.say(ZIP[1:2])
        assert accepted.wait(5)
        talk.say(ZIP[2:])

    server = serve(script)
    received = asking.source.fetch(app_at(server), DAY, asking.open_sink, accepted.set)
    assert received.size == len(ZIP) and bytes(asking.sink) == ZIP


def test_a_large_archive_comes_in_bounded_pieces(serve: Serve, client: MakeClient) -> None:
    data, asking, pieces = make_zip(3_000_000), client(), list[int]()
    asking.write = lambda data, /: pieces.append(len(data))  # type: ignore[method-assign]
    asking.fetch(app_at(serve(says(answer("200 OK", data)))))
    assert sum(pieces) == len(data) and max(pieces) <= 256 * 1024


def test_connections_are_kept_and_cookies_are_not(serve: Serve, client: MakeClient) -> None:
    server, asking = serve(keeps(answer("200 OK", ZIP, "Set-Cookie: a=b; Path=/"))), client()
    for _ in range(5):
        asking.fetch(app_at(server))
    assert server.connections == 1 and len(server.heads) == 5
    assert not any("ookie" in head for head in server.heads)


def test_a_connection_goes_on_after_an_answer_that_was_read_to_its_end(
    serve: Serve, client: MakeClient
) -> None:
    answers = [answer("404 Not Found", reason("no")), answer("204 No Content"), answer("200 OK")]
    answers += [answer("404 Not Found", b"x" * 70_000), answer("200 OK", ZIP)]
    queue = iter(answers)
    server, asking = serve(lambda talk: keeps(next(queue))(talk)), client()
    for kind in (NotThereYet, TransientFault, TransientFault, NotThereYet):
        with pytest.raises(kind):
            asking.fetch(app_at(server))
    assert server.connections == 1
    asking.fetch(app_at(server))  # the long refusal was not read to its end
    assert server.connections == 2


def test_closing_the_source_closes_its_connections_at_once(
    serve: Serve, client: MakeClient
) -> None:
    ended = threading.Event()

    def answer_and_see_the_end(talk: Talk) -> None:
        talk.say(answer("200 OK", ZIP))
        talk.hang()
        ended.set()

    scripts = iter([says(b""), answer_and_see_the_end])
    server, asking = serve(lambda talk: next(scripts)(talk)), client()
    gc.disable()  # what an earlier fault left behind may hold on to the pool
    try:
        with pytest.raises(TransientFault):
            asking.fetch(app_at(server))
        asking.fetch(app_at(server))
        assert not ended.wait(0.05)
        asking.source.close()
        assert ended.wait(1)
    finally:
        gc.enable()


def test_many_threads_share_the_source(serve: Serve, client: MakeClient) -> None:
    server, asking = serve(WHOLE), client(workers=4)
    sizes: list[int] = []

    def ask() -> None:
        own = Client(asking.source, asking.stop)
        for _ in range(10):
            own.fetch(app_at(server))
        sizes.append(len(own.sink))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [10 * len(ZIP)] * 4
    assert server.connections <= 4 and len(server.heads) == 40


# Two keys.


def accepting(*keys: str) -> object:
    good = {signature("APP1", f"2026030{n}.zip", key) for key in keys for n in range(10)}

    def script(talk: Talk) -> bool:
        whole = talk.signature in good
        talk.say(answer("200 OK", ZIP) if whole else answer("401 No", reason("bad signature")))
        return True

    return script


def test_the_second_key_is_tried_when_the_first_is_refused_and_remembered(
    serve: Serve, client: MakeClient
) -> None:
    server, asking = serve(accepting("new")), client()
    app = app_at(server, "old", "new")
    assert asking.fetch(app).requests == 2
    assert asking.fetch(app, date(2026, 3, 3)).requests == 1
    assert len(server.heads) == 3
    server.script = accepting("old")  # type: ignore[assignment]
    assert asking.fetch(app).requests == 2
    assert bytes(asking.sink) == ZIP * 3 and asking.events == ["accepted", len(ZIP)] * 3


def test_when_both_keys_are_refused_the_key_is_refused(serve: Serve, client: MakeClient) -> None:
    server, asking = serve(accepting()), client()
    with pytest.raises(KeyRefused, match="bad signature"):
        asking.fetch(app_at(server, "old", "new"))
    assert len(server.heads) == 2 and asking.events == []


def test_a_key_that_hears_not_there_yet_is_a_key_that_works(
    serve: Serve, client: MakeClient
) -> None:
    good = signature("APP1", "20260302.zip", "new")

    def script(talk: Talk) -> bool:
        talk.say(answer("404 No" if talk.signature == good else "401 No"))
        return True

    server, asking = serve(script), client()
    for _ in range(2):
        with pytest.raises(NotThereYet):
            asking.fetch(app_at(server, "old", "new"))
    assert len(server.heads) == 3


def test_the_second_key_waits_for_its_turn(serve: Serve, client: MakeClient) -> None:
    server, asking = serve(accepting("new")), client(rate=10.0)
    app = app_at(server, "old", "new")
    asking.source.await_turn(app)
    asking.fetch(app)
    assert server.times[1] - server.times[0] > 0.08


# The sink and its limits.


def test_an_archive_declared_too_large_is_refused_before_writing(
    serve: Serve, client: MakeClient
) -> None:
    server = serve(says(answer("200 OK", ZIP, "Content-Length: 5000000")))
    asking = client(max_size=4096)
    with pytest.raises(TooLarge, match=r"5000000 bytes or more; http\.max_size is 4KiB") as caught:
        asking.fetch(app_at(server))
    assert asking.events == ["accepted"] and asking.sink == b""
    assert caught.value.status == 200 and "http.max_size" in (caught.value.hint or "")


def test_an_archive_that_grows_too_large_is_cut_off(serve: Serve, client: MakeClient) -> None:
    data = make_zip(1_000_000)
    server, asking = serve(says(b"HTTP/1.1 200 OK\r\n\r\n" + data)), client(max_size=600_000)
    with pytest.raises(TooLarge):
        asking.fetch(app_at(server))
    assert len(asking.sink) <= 600_000


@pytest.mark.parametrize("where", ["open_sink", "write"])
def test_trouble_of_the_store_passes_unharmed(where: str, serve: Serve, client: MakeClient) -> None:
    server, asking = serve(WHOLE), client()
    full = StorageError("no space left")

    def fail(*_: object) -> None:
        raise full

    setattr(asking, where, fail)
    with pytest.raises(StorageError) as caught:
        asking.fetch(app_at(server))
    assert caught.value is full
    with client_of() as again:
        assert again.fetch(app_at(server)).size == len(ZIP)


def test_the_band_width_is_kept(serve: Serve, client: MakeClient) -> None:
    data = make_zip(600_000)
    asking = client(bandwidth=2_000_000)
    server = serve(says(answer("200 OK", data)))
    began = time.monotonic()
    asking.fetch(app_at(server))
    assert 0.16 < time.monotonic() - began < 1.0  # all but the last 256 KiB at 2 MB/s
    assert bytes(asking.sink) == data


# Proxies, and what does not come from the environment.


def test_a_proxy_of_the_settings_is_used_and_gets_its_password(
    serve: Serve, client: MakeClient
) -> None:
    proxy = serve(WHOLE)
    asking = client(proxy=f"http://user:pass%20word@127.0.0.1:{proxy.port}")
    asking.fetch(app_at("http://127.0.0.1:9"))
    assert proxy.heads[0].startswith("GET http://127.0.0.1:9/dailyCampaignReportDump/APP1/")
    credentials = base64.b64encode(b"user:pass word").decode()
    assert f"Proxy-Authorization: Basic {credentials}" in proxy.heads[0]


def test_a_proxy_that_wants_a_password_needs_a_person(serve: Serve, client: MakeClient) -> None:
    proxy = serve(says(answer("407 Proxy Authentication Required")))
    asking = client(proxy=f"http://127.0.0.1:{proxy.port}")
    for url in ("http://127.0.0.1:9", "https://reports.example"):
        with pytest.raises(AppRefused, match="answered 407") as caught:
            asking.fetch(app_at(url))
        assert "http.proxy" in (caught.value.hint or "")
    assert proxy.heads[1].startswith("CONNECT reports.example:443 ")
    assert "Signature" not in proxy.heads[1]


def test_a_proxy_in_trouble_is_transient(serve: Serve, client: MakeClient) -> None:
    proxy = serve(says(answer("502 Bad Gateway")))
    address = f"127.0.0.1:{proxy.port}"
    with pytest.raises(TransientFault, match="the proxy answered 502"):
        client(proxy=proxy.url).fetch(app_at("https://reports.example"))
    proxy.close()
    with pytest.raises(TransientFault, match=f"connection refused by {address}"):
        client(proxy=f"http://{address}").fetch(app_at("https://reports.example"))


def test_proxies_and_passwords_of_the_environment_are_not_used(
    serve: Serve, client: MakeClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server: RawServer = serve(WHOLE)
    client().fetch(app_at(server))
    assert "Authorization" not in server.heads[0]

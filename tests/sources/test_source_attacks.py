"""Who controls the network or the server gets no answer taken for another one, and no weak TLS spoken."""

from __future__ import annotations

import ssl
import threading
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_client import MakeClient, Serve, app_at
from source_server import ZIP, Talk, answer
from test_source_tls import Authority

from reportsync.errors import NotThereYet, TransientFault
from reportsync.sources.headers import LONGEST_PAUSE, asked_pause, http_date

NOT_THERE = answer("404 Not Found", b'{"title": "ReportNotFound"}')


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_apps(
    serve: Serve, client: MakeClient
) -> None:
    pushed = threading.Event()

    def push(talk: Talk) -> bool:
        talk.say(NOT_THERE)
        if not pushed.is_set():
            time.sleep(0.05)  # when the client has found the connection quiet, and has kept it
            talk.say(answer("200 OK", ZIP))
            pushed.set()
        return True

    server, asking = serve(push), client()
    with pytest.raises(NotThereYet):
        asking.fetch(app_at(server))
    assert pushed.wait(5)
    for name in ("second", "third"):
        with pytest.raises(NotThereYet):
            asking.fetch(app_at(server, name=name, app_id=name.upper()))
    assert asking.sink == b""
    assert server.connections == 2


@pytest.mark.tool("openssl")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_fault_03_a_connection_that_is_talked_down_to_old_tls_is_not_made(
    version: ssl.TLSVersion, tmp_path: Path, serve: Serve, client: MakeClient
) -> None:
    authority = Authority(tmp_path)
    context = authority.context("old", "IP:127.0.0.1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that is the point
        context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    server = serve(lambda talk: talk.say(answer("200 OK", ZIP)), tls=context)
    with pytest.raises(TransientFault, match="the TLS connection to"):
        client(ca_file=authority.file).fetch(app_at(server))
    assert server.heads == []


DATE_WORDS = st.sampled_from(
    [
        "Mon,",
        "01",
        "Jan",
        "0001",
        "9999",
        "2026",
        "00:00:00",
        "99:99",
        "-9999",
        "+2359",
        "GMT",
        "-",
        "(",
        "1e9",
    ]
)


@given(st.one_of(st.text(max_size=60), st.lists(DATE_WORDS, max_size=8).map(" ".join)))
def test_fault_11_no_header_of_time_upsets_or_stops_us(text: str) -> None:
    found = http_date(text)
    assert found is None or found.tzinfo is UTC
    for name in ("retry-after", "x-ratelimit-reset", "date"):
        headers = {name: text, **({"retry-after": "1"} if name == "date" else {})}
        pause = asked_pause(headers, datetime(2026, 3, 2, tzinfo=UTC))
        assert pause is None or timedelta(0) <= pause <= LONGEST_PAUSE

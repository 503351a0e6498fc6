"""One canary through every fault, at DEBUG: neither key nor signature comes out anywhere."""

from __future__ import annotations

import gc
import logging
import traceback
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from source_client import DAY, Client, MakeClient, Serve, app_at, client_of
from source_faults import FAULTS
from source_server import ZIP, Talk, answer, keeps, without_tls

from reportsync.errors import ReportsyncError
from reportsync.settings import App
from reportsync.sources.daily import report_url, signature

CANARY = "canary-key-4711-do-not-show"
SIGNED = signature("APP1", "20260302.zip", CANARY)


def traces(error: BaseException) -> Iterator[str]:
    """Yield all that can be read of `error` and of those that hang on it."""
    todo, seen = [error], set[int]()
    while todo:
        link = todo.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield from (str(link), repr(link), repr(link.args), repr(vars(link)))
        yield "".join(traceback.format_exception(link))
        todo += [one for one in (link.__cause__, link.__context__, *link.args)
                 if isinstance(one, BaseException)]  # fmt: skip


def assert_silent(error: BaseException, log: str) -> None:
    for text in (*traces(error), log):
        assert CANARY not in text.lower()
        assert SIGNED not in text.lower()


def open_files() -> int:
    gc.collect()
    return sum(1 for _ in Path("/dev/fd").iterdir())


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(("urllib3", "requests")):
            caplog.set_level(logging.DEBUG, logger=name)
    return caplog


def fail(asking: Client, app: App) -> ReportsyncError:
    with pytest.raises(ReportsyncError) as caught:
        asking.fetch(app)
    return caught.value


@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_shows_the_key_or_the_signature(
    name: str, serve: Serve, client: MakeClient, everything: pytest.LogCaptureFixture
) -> None:
    error = fail(client(), app_at(serve(FAULTS[name].script), CANARY))
    assert error.__cause__ is None and error.__context__ is None
    assert_silent(error, everything.text)
    assert "urllib3" in everything.text


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1",
        "https://127.0.0.1:1",
        "https://nowhere.invalid",
        "http://localhost:99999",
    ],
)
def test_no_failed_connection_shows_the_key_or_the_signature(
    url: str, client: MakeClient, everything: pytest.LogCaptureFixture
) -> None:
    app = app_at("http://localhost", CANARY).model_copy(update={"base_url": url})
    error = fail(client(), app)
    assert error.__cause__ is None and error.__context__ is None
    assert_silent(error, everything.text)


def test_no_failed_handshake_shows_the_key_or_the_signature(
    client: MakeClient, everything: pytest.LogCaptureFixture
) -> None:
    with without_tls() as url:
        error = fail(client(), app_at(url, CANARY))
    assert error.__cause__ is None and error.__context__ is None
    assert_silent(error, everything.text)


def test_no_deadline_or_stop_shows_the_key_or_the_signature(
    serve: Serve, client: MakeClient, everything: pytest.LogCaptureFixture
) -> None:
    server = serve(Talk.hang)
    for short in ("deadline", "read_timeout"):
        asking = client(**{short: timedelta(seconds=0.05)})
        assert_silent(fail(asking, app_at(server, CANARY)), everything.text)


def test_a_success_shows_neither_key_nor_signature(
    serve: Serve, client: MakeClient, everything: pytest.LogCaptureFixture
) -> None:
    app = app_at(serve(keeps(answer("200 OK", ZIP))), CANARY)
    received = client().fetch(app)
    assert "Signature=***" in everything.text
    for text in (everything.text, repr(received), report_url(app, DAY), repr(app)):
        assert CANARY not in text and SIGNED not in text


def test_no_fault_leaks_a_descriptor(serve: Serve) -> None:
    servers = [serve(fault.script) for fault in FAULTS.values()]
    before = open_files()
    with client_of() as asking:
        for server in servers:
            fail(asking, app_at(server))
    for server in servers:
        server.close()
    assert open_files() <= before - len(servers)

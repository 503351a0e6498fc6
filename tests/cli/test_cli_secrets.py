"""A secret is searched in every sink; hostile text of the vendor does no harm in any of them."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from canary import CANARY, plant_bug, refuse, refuse_files, shows, signatures
from cli_tool import HTTP, Done, Place, ago, block, finish, stand_in

from reportsync.sandbox import Fault, Sandbox

APP = replace(stand_in("one", 14), secret_keys=(CANARY,))
KINDS = (
    "404", "500", "cut", "close", "empty-200", "html-200", "bad-crc", "encrypted", "hostile-text",
    "two-lengths", "gzip-cut",
)  # fmt: skip


DAYS = [ago(number) for number in range(2, 16)]
SIGNATURES = signatures(APP.app_id, DAYS)


def everywhere(place: Place, done: Done) -> None:
    refuse(done.out, "stdout", SIGNATURES)
    refuse(done.err, "stderr", SIGNATURES)
    refuse_files(place.folder, SIGNATURES, besides=[place.config])


def work_and_look(place: Place) -> None:
    for words in (["sync"], ["backfill", "--since=-20d", "--json"], ["check"], ["config", "show"]):
        everywhere(place, place.run("-vv", *words))
    for words in (["status"], ["plan"], ["why", "one", "-3d"]):
        everywhere(place, place.run("-vv", *words))


@pytest.mark.slow
def test_canary_no_fault_of_a_report_brings_the_secret_into_any_sink(place: Place) -> None:
    faults = [Fault(kind, day=ago(number)) for number, kind in enumerate(KINDS, 2)]
    with Sandbox([APP], faults=faults) as sandbox:
        place.write(block(APP, sandbox.url), http=HTTP.replace("1,", "2,", 1))
        work_and_look(place)
        assert {request.fault for request in sandbox.requests} >= set(KINDS)


@pytest.mark.parametrize("kind", ["401", "redirect"])
@pytest.mark.slow
def test_canary_no_refusal_brings_the_secret_into_any_sink(place: Place, kind: str) -> None:
    with Sandbox([APP], faults=[Fault(kind)]) as sandbox:
        place.write(block(APP, sandbox.url))
        work_and_look(place)
        assert {request.fault for request in sandbox.requests} == {kind}


def test_canary_a_secret_that_the_server_echoes_is_masked(place: Place) -> None:
    app = replace(stand_in("one", 2), secret_keys=(CANARY,))
    echo = f"https://elsewhere.example/{CANARY}?Signature={SIGNATURES[0]}"
    with Sandbox([app], faults=[Fault("redirect", to=echo)]) as sandbox:
        place.write(block(app, sandbox.url))
        done = place.run("-vv", "sync")
        everywhere(place, done)
    assert "elsewhere.example" in done.err


@pytest.mark.slow
def test_canary_argv_and_environment_of_the_process_hold_no_secret(place: Place) -> None:
    app = replace(stand_in("one", 3), secret_keys=(CANARY,))
    with Sandbox([app], latency=1.0) as sandbox:
        place.write(block(app, sandbox.url))
        process = place.start("sync")
        while not sandbox.journal.most_at_once():
            time.sleep(0.01)
        seen = [Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
        everywhere(place, finish(process))
    assert b"sync" in seen[0].split(b"\0")
    assert not any(shows(data, SIGNATURES) for data in seen)


def test_canary_a_bug_shows_no_secret(place: Place) -> None:
    place.write(block(APP, "http://127.0.0.1:9"))
    assert place.run("sync").code == 3
    with closing(sqlite3.connect(place.ledger)) as connection, connection:
        connection.execute(f"UPDATE reports SET last_outcome = '{CANARY}'")
    done = place.run("status")
    assert done.code in (1, 5)
    everywhere_but_ledger = (done.out, done.err)
    for text in everywhere_but_ledger:
        refuse(text, "a traceback", SIGNATURES)


@pytest.mark.parametrize("words", [["sync"], ["backfill", "--since=-5d", "--json"], ["check"]])
@pytest.mark.slow
def test_canary_the_traceback_of_a_bug_in_a_download_shows_no_secret(
    place: Place, words: list[str]
) -> None:
    place.write(block(APP, "http://127.0.0.1:9"))
    done = finish(place.start("-vv", *words, env=plant_bug(place.folder)))
    assert done.code == 1
    assert "RuntimeError" in done.err and "this is a bug" in done.err
    everywhere(place, done)


@pytest.mark.parametrize("kind", ["hostile-text", "huge-text"])
@pytest.mark.slow
def test_fault_43_hostile_text_of_the_vendor_is_harmless_and_short_everywhere(
    place: Place, kind: str
) -> None:
    app = stand_in("one", 2)
    with Sandbox([app], faults=[Fault(kind, day=ago(2))]) as sandbox:
        place.serve(sandbox, [app])
        told, asked = place.run("-vv", "sync"), place.run("backfill", "--since=-9d", "--json")
        looks = [place.run(*words) for words in (["status"], ["plan"], ["why", "one", "-2d"])]
        objects = [place.run(*words, "--json") for words in (["status"], ["why", "one", "-2d"])]
    assert (told.code, asked.code) == (3, 3)
    assert [line for line in told.err.splitlines() if line.startswith(("X-Fake", " X-Fake"))] == []
    for done in (told, asked, *looks, *objects):
        text = done.out + done.err
        assert not set(text) & {"\x1b", "\x07", "\r", "\u202e", "\u2066", "\x9b"}
        assert max(map(len, text.splitlines())) < 2000
    assert any("<script>" in done.out for done in looks), "shown as it is: this is no web page"
    (reason,) = {event["reason"] for event in asked.events if event["event"] == "report"}
    assert len(reason) <= 400
    with closing(sqlite3.connect(place.ledger)) as connection:
        kept = [
            row[0] for row in connection.execute("SELECT reason FROM attempts WHERE reason NOTNULL")
        ]
    assert kept
    assert all(len(text) <= 400 and text.isprintable() for text in kept)
    assert all(json.loads(done.out)["version"] == 1 for done in objects)

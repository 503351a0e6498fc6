"""Signals: one orderly end at any moment, and the summary says the same as the exit code."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from cli_tool import Place, ago, finish, stand_in

from reportsync.sandbox import Fault, Sandbox

APP = stand_in("one", 30)
PROMPT = 15  # seconds, on a machine that is busy with other tests; the timeouts are far longer
SLOW_HTTP = (
    "http: {rate: 0, attempts: 3, backoff: 30s, deadline: 300s, read_timeout: 100s, workers: 3}\n"
)


def wait_for(sandbox: Sandbox, count: int, process: subprocess.Popen[str]) -> None:
    """Return once `count` reports were asked for."""
    give_up = time.monotonic() + 30
    while len(sandbox.requests) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up
        time.sleep(0.01)
    time.sleep(0.05)


def wait_until_working(process: subprocess.Popen[str]) -> None:
    """Return once the command's work has begun, in a thread to which no signal goes."""
    give_up = time.monotonic() + 30
    while not any(map(_keeps_term_off, Path(f"/proc/{process.pid}/task").glob("*/status"))):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up
        time.sleep(0.01)


def _keeps_term_off(task: Path) -> bool:
    blocked = re.search(r"^SigBlk:\s*(\w+)", task.read_text(), re.M)
    return blocked is not None and bool(int(blocked[1], 16) & 1 << signal.SIGTERM - 1)


def leftovers(place: Place) -> list[str]:
    return [path.name for path in place.archive.rglob("*.part")]


@pytest.mark.parametrize(
    ("moment", "command", "number"),
    [
        ("drip", ["sync"], signal.SIGINT),
        ("drip", ["backfill", "--since=-60d"], signal.SIGTERM),
        ("slow-headers", ["sync"], signal.SIGTERM),
        ("silent", ["backfill", "--since=-60d"], signal.SIGINT),
        ("500", ["sync"], signal.SIGTERM),
    ],
)
@pytest.mark.slow
def test_fault_26_a_signal_ends_the_work_at_any_moment(
    place: Place, moment: str, command: list[str], number: int
) -> None:
    code = 128 + number
    slow = 0.3 if moment == "500" else 0.0
    faults = [Fault(moment, day=(ago(12), ago(9)))]
    with Sandbox([APP], faults=faults, latency=slow) as sandbox:
        place.serve(sandbox, [APP], http=SLOW_HTTP)
        process = place.start(*command, "--json")
        # How many are asked for at once is the width's affair: here it is enough that one is.
        wait_for(sandbox, 7 + 1, process)
        time.sleep(2 * slow)  # and that the 500 has come, after which it waits
        began = time.monotonic()
        process.send_signal(number)
        done = finish(process)
        assert time.monotonic() - began < PROMPT
        assert (done.code, done.summary["exit"]) == (code, code), done.err
        assert done.summary["event"] == "summary"
        stored = {day for (_, day), outcome in done.outcomes().items() if outcome == "stored"}
        assert len(stored) == done.summary["stored"] == len(place.zips())
        assert leftovers(place) == []
        sandbox.faults.clear()
        rerun = place.run("backfill", "--since=-60d", "--json")
    assert rerun.code == 0, "claims are free again"
    assert rerun.summary["stored"] == 30 - len(stored), "and nothing is done twice"
    assert len(place.zips()) == 30


@pytest.mark.slow
def test_fault_26_a_second_signal_ends_at_once_and_loses_nothing(place: Place) -> None:
    with Sandbox([APP], faults=[Fault("silent", day=(ago(12), ago(9)))]) as sandbox:
        place.serve(sandbox, [APP], http=SLOW_HTTP)
        process = place.start("sync")
        wait_for(sandbox, 8, process)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        done = finish(process)
        assert done.code in (130, 143)
        sandbox.faults.clear()
        rerun = place.run("backfill", "--since=-60d")
    assert rerun.code == 0
    assert place.run("verify", "--json").summary["ok"] == 30


@pytest.mark.slow
def test_fault_26_a_second_signal_ends_what_the_first_has_to_wait_for(place: Place) -> None:
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        assert place.run("sync").code == 0
        with closing(sqlite3.connect(place.ledger, isolation_level=None)) as ledger:
            ledger.execute("BEGIN EXCLUSIVE")  # which is waited for, for longer than is PROMPT
            process = place.start("sync")
            wait_until_working(process)
            process.send_signal(signal.SIGTERM)
            assert process.stderr is not None
            assert "a second one ends at once" in process.stderr.readline()
            time.sleep(1)
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            assert finish(process).code == 143
            assert time.monotonic() - began < PROMPT


@pytest.mark.slow
def test_fault_26_what_waits_between_two_requests_ends_too(place: Place) -> None:
    with Sandbox([APP], faults=[Fault("429", retry_after="50")]) as sandbox:
        place.serve(sandbox, [APP], http=SLOW_HTTP)
        process = place.start("sync", "--json")
        wait_for(sandbox, 1, process)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        done = finish(process)
    assert time.monotonic() - began < PROMPT
    assert (done.code, done.summary["exit"], done.summary["missing"]) == (143, 143, 30)


@pytest.mark.slow
def test_fault_26_who_waits_for_anothers_claim_can_be_ended(place: Place) -> None:
    with Sandbox([APP], faults=[Fault("silent", day=ago(2))]) as sandbox:
        place.serve(sandbox, [APP], http=SLOW_HTTP)
        first = place.start("backfill", "--since=-2d", "--json")
        wait_for(sandbox, 1, first)
        second = place.start("backfill", "--since=-2d")
        assert second.stderr
        assert second.stderr.readline().startswith("waiting for 1 report that other processes")
        second.send_signal(signal.SIGINT)
        done = finish(second)
        assert done.code == 130
        assert done.out.startswith("stopped before the end: 0 asked for, 0 stored, 1 missing")
        first.send_signal(signal.SIGINT)
        assert finish(first).code == 130
        assert sandbox.asked(APP.app_id, ago(2)) == 1


@pytest.mark.slow
def test_fault_28_a_claim_is_waited_for_and_the_exit_code_is_of_the_final_state(
    place: Place,
) -> None:
    app = stand_in("one", 1)
    with Sandbox([app], latency=1.5) as sandbox:
        place.serve(sandbox, [app])
        first = place.start("sync", "--json")
        give_up = time.monotonic() + 20
        while not sandbox.asked(app.app_id, ago(2)) and time.monotonic() < give_up:
            time.sleep(0.01)
        second = place.run("backfill", "--since=-9d", "--json")
        done = finish(first)
        assert sandbox.asked(app.app_id, ago(2)) == 1
    assert (done.code, second.code) == (0, 0)
    assert (done.summary["stored"], second.summary["asked"], second.summary["missing"]) == (1, 0, 0)


def test_fault_25_a_claim_of_a_dead_process_is_taken_over_at_once(place: Place) -> None:
    with Sandbox([APP], faults=[Fault("silent", day=ago(2), times=1)]) as sandbox:
        place.serve(sandbox, [APP], http=SLOW_HTTP)
        process = place.start("backfill", "--since=-2d")
        wait_for(sandbox, 1, process)
        os.kill(process.pid, signal.SIGKILL)
        assert finish(process).code == -signal.SIGKILL
        began = time.monotonic()
        done = place.run("backfill", "--since=-2d", "--json")
    assert time.monotonic() - began < PROMPT
    assert done.outcomes() == {("one", str(ago(2))): "stored"}


@pytest.mark.parametrize("words", [["verify", "--json"], ["repair", "-n"], ["check"]])
@pytest.mark.slow
def test_fault_26_other_long_commands_end_too(place: Place, words: list[str]) -> None:
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP], http=SLOW_HTTP)
        place.run("sync")
        if words == ["check"]:
            sandbox.faults.add(Fault("silent"))
        else:  # opening a pipe for reading waits until somebody writes
            path = max(place.archive.glob("one/*/*.zip"))
            path.unlink()
            os.mkfifo(path)
        process = place.start(*words)
        time.sleep(1.2)
        process.send_signal(signal.SIGTERM)
        done = finish(process)
    if words == ["check"]:
        assert done.code == 143
    else:
        assert done.code in (5, 143), "a pipe in an archive's place hangs nobody"

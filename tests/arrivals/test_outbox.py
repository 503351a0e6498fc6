"""The hook as it is run from the outbox: its fields, its pauses, its end, and what survives a crash."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from arrival_cases import NOW, Instants, add, config_of, wait_until

from reportsync.errors import LedgerError
from reportsync.ledger import Ledger, claims, deliveries, tables
from reportsync.service import hooks
from reportsync.service.hooks import Outbox, Ran, Runner, run_pending
from reportsync.stop import Stop

Script = Callable[[str], str]
Make = Callable[..., Outbox]


@pytest.fixture(autouse=True)
def expecting(lite: Ledger) -> None:
    """Have every arrival of these tests delivered."""
    lite.write(deliveries.begin)


def ran(outbox: Outbox, **more: Any) -> Ran:
    """Run the hook for what is next, which there must be."""
    found = outbox.run_next(**more)
    assert found is not None
    return found


def test_row_41_the_hook_is_given_the_arrivals_fields_twice(
    lite: Ledger, outbox: Make, script: Script, tmp_path: Path
) -> None:
    add(lite)
    add(lite, version=2)
    told = tmp_path / "told"
    box = outbox(script(f"cat >> {told}; env | grep ^REPORTSYNC_ | sort >> {told}.env"))
    assert (ran(box).error, ran(box).error, box.run_next()) == (None, None, None)
    first, second = (json.loads(line) for line in told.read_text().splitlines())
    path = tmp_path / "archive" / "shop" / "2026" / "20260101.zip"
    assert first == {
        "version": 1,
        "id": 1,
        "app": "shop",
        "day": "2026-01-01",
        "file_version": 1,
        "path": str(path),
        "bytes": 1000,
        "sha256": first["sha256"],
        "members": 2,
        "flags": [],
        "stored": "2026-03-01T04:00:00Z",
    }
    assert (second["id"], second["file_version"]) == (2, 2)
    assert second["path"] == str(path.with_suffix(".v2.zip"))
    variables = (tmp_path / "told.env").read_text().splitlines()[:10]
    assert variables == [
        "REPORTSYNC_APP=shop",
        "REPORTSYNC_BYTES=1000",
        "REPORTSYNC_DAY=2026-01-01",
        "REPORTSYNC_FLAGS=",
        "REPORTSYNC_ID=1",
        "REPORTSYNC_MEMBERS=2",
        f"REPORTSYNC_PATH={path}",
        f"REPORTSYNC_SHA256={first['sha256']}",
        "REPORTSYNC_STORED=2026-03-01T04:00:00Z",
        "REPORTSYNC_VERSION=1",
    ]


def test_fault_41_a_failing_hook_is_run_again_with_growing_pauses_until_it_exits_0(
    lite: Ledger, outbox: Make, script: Script, clock: Instants, tmp_path: Path
) -> None:
    add(lite, days=2)
    log = tmp_path / "log"
    body = f"echo $REPORTSYNC_ID >> {log}; [ $REPORTSYNC_ID = 2 ] || [ $(wc -l < {log}) -gt 3 ]"
    box = outbox(script(body))
    for tries, minutes in ((1, 1), (2, 2), (3, 4)):
        once = ran(box)
        assert (once.tries, once.error) == (tries, "exit 1")
        assert once.next_attempt == clock() + timedelta(minutes=minutes)
        clock.forward(minutes=minutes, seconds=-1)
        assert box.run_next() is None
        clock.forward(seconds=1)
    assert [ran(box).error, ran(box).error, box.run_next()] == [None, None, None]
    assert log.read_text().split() == ["1", "1", "1", "1", "2"]
    assert lite.read(deliveries.hook_state) == deliveries.HookState()


def test_fault_41_a_hanging_hook_is_a_failure_like_others(
    lite: Ledger, outbox: Make, script: Script
) -> None:
    add(lite)
    once = ran(outbox(script("echo stuck; sleep 60"), timeout="1s"))
    assert once.error == "took longer than 1s: stuck"
    found = lite.read(deliveries.failing_hook)
    assert found is not None and found.error == once.error


def test_a_hook_that_does_not_exist_is_a_failure_like_others(lite: Ledger, outbox: Make) -> None:
    add(lite)
    once = ran(outbox("/nowhere/load --all"))
    assert once.error == "cannot be started: No such file or directory"
    assert once.next_attempt == NOW + timedelta(minutes=1)


def test_a_stopped_hook_counts_as_not_run(
    lite: Ledger, outbox: Make, script: Script, tmp_path: Path
) -> None:
    add(lite)
    stop = Stop()
    threading.Timer(0.3, lambda: stop.request(grace=5)).start()
    assert ran(outbox(script("sleep 60"), stop=stop)).stopped
    assert lite.read(deliveries.failing_hook) is None
    assert ran(outbox(script("exit 0"))).error is None


def test_an_orphan_of_a_dead_owner_is_ended_before_its_arrival_is_delivered_again(
    lite: Ledger, outbox: Make, script: Script, tmp_path: Path, clock: Instants
) -> None:
    add(lite)
    child = subprocess.Popen(["sleep", "60"], process_group=0)
    code = f"""
from datetime import datetime, timedelta
from reportsync.ledger import claims, deliveries, open_writing
with open_writing("sqlite:///{tmp_path}/ledger.db") as ledger:
    now = datetime.fromisoformat({NOW.isoformat()!r})
    ledger.write(deliveries.queue, now)
    taken = ledger.write(deliveries.take, now=now, lease=timedelta(minutes=6), turns={{}})
    ledger.write(deliveries.started, taken, claims.name_process({child.pid}))
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    assert ran(outbox(script("exit 0"))).error is None
    assert child.wait(5) == -signal.SIGKILL


def test_a_process_that_took_the_number_of_an_orphan_is_left_alone(
    lite: Ledger, outbox: Make, script: Script
) -> None:
    add(lite)
    child = subprocess.Popen(["sleep", "60"], process_group=0)
    another = claims.name_process(child.pid).rpartition(" ")[0] + " 1"
    dead = claims.name_process(child.pid).split(" ")
    dead[3:] = ["999999999", "1"]
    lite.write(deliveries.queue, NOW)
    owned = {"owner": " ".join(dead), "token": "t", "lease_end": NOW + timedelta(minutes=5)}
    lite.write(
        lambda connection: connection.execute(
            tables.deliveries.update().values(process=another, **owned)
        )
    )
    assert ran(outbox(script("exit 0"))).error is None
    assert child.poll() is None
    child.kill()
    child.wait()


def test_a_process_of_another_machine_is_left_alone_when_its_lease_has_ended(
    lite: Ledger, outbox: Make, script: Script
) -> None:
    add(lite)
    child = subprocess.Popen(["sleep", "60"], process_group=0)
    lite.write(deliveries.queue, NOW)
    there = {"owner": "another boot ns 1 1", "process": f"another boot ns {child.pid} 1"}
    ended = {"token": "t", "lease_end": NOW}
    lite.write(
        lambda connection: connection.execute(tables.deliveries.update().values(**there, **ended))
    )
    assert ran(outbox(script("exit 0"))).error is None
    assert child.poll() is None
    child.kill()
    child.wait()


def test_pending_deliveries_are_run_once_each_and_an_app_until_its_first_failure(
    lite: Ledger, script: Script, clock: Instants, tmp_path: Path
) -> None:
    add(lite, "bad", 3)
    add(lite, "shop", 3)
    config = config_of(tmp_path, script("[ $REPORTSYNC_APP = shop ]"))
    told: list[Ran] = []

    def tell(one: Ran) -> None:
        told.append(one)
        clock.forward(hours=1)  # what failed would be due again

    run_pending(config, lite, Stop(), clock, tell)
    assert [(one.arrival, one.error) for one in told] == [
        (1, "exit 1"),
        (4, None),
        (5, None),
        (6, None),
    ]
    assert lite.read(deliveries.hook_state).waiting == 3


def test_no_run_begins_after_the_time_for_pending_ones(
    lite: Ledger, script: Script, clock: Instants, tmp_path: Path
) -> None:
    add(lite, days=9)
    told: list[Ran] = []
    config = config_of(tmp_path, script("sleep 0.4"), timeout="1s")
    began = time.monotonic()
    run_pending(config, lite, Stop(), clock, told.append)
    assert 0 < len(told) <= 3
    assert time.monotonic() - began < 5
    assert lite.read(deliveries.hook_state).waiting == 9 - len(told)


def test_a_stop_leaves_pending_deliveries_for_later(
    lite: Ledger, script: Script, clock: Instants, tmp_path: Path
) -> None:
    add(lite, days=2)
    stop = Stop()
    stop.request()
    run_pending(config_of(tmp_path, script("exit 0")), lite, stop, clock, lambda one: None)
    assert lite.read(deliveries.hook_state).waiting == 2


def test_the_daemons_thread_goes_on_after_a_fault_of_the_ledger(
    lite: Ledger, outbox: Make, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "_PAUSE_AFTER_TROUBLE", 0.05)
    add(lite, days=2)
    ledger_file, aside = tmp_path / "ledger.db", tmp_path / "aside.db"
    stop, told, troubles = Stop(), list[Ran](), list[Exception]()

    def tell(one: Ran) -> None:
        told.append(one)
        if len(told) == 1:
            ledger_file.rename(aside)  # noticed before the next commit

    def trouble(error: Exception) -> None:
        troubles.append(error)
        aside.rename(ledger_file)

    runner = Runner(outbox(script("exit 0"), stop=stop), stop, tell, trouble)
    runner.start()
    wait_until(lambda: len(told) == 2)
    stop.request()
    assert runner.join(5)
    assert [type(error) for error in troubles] == [LedgerError]
    assert [one.arrival for one in told] == [1, 2]


def test_the_daemons_thread_goes_on_after_a_run_that_could_not_be_told(
    lite: Ledger, outbox: Make, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "_PAUSE_AFTER_TROUBLE", 0.05)
    add(lite, days=2)
    stop, told, troubles = Stop(), list[Ran](), list[Exception]()

    def tell(one: Ran) -> None:
        told.append(one)
        raise MemoryError

    runner = Runner(outbox(script("exit 0"), stop=stop), stop, tell, troubles.append)
    runner.start()
    wait_until(lambda: len(troubles) == 2)
    stop.request()
    assert runner.join(5)
    assert [one.arrival for one in told] == [1, 2]


def test_i4_no_secret_reaches_hook_or_ledger(
    lite: Ledger, outbox: Make, script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_KEY", "arrivals-key-0123456789")
    add(lite)
    seen = tmp_path / "seen"
    body = f"(cat; env; tr '\\0' ' ' < /proc/$$/cmdline; cat /proc/$PPID/cmdline) > {seen}; exit 1"
    ran(outbox(script(body)))
    assert "arrivals-key" not in seen.read_text()
    assert b"arrivals-key" not in (tmp_path / "ledger.db").read_bytes()


def test_the_thread_reads_the_ledger_while_it_has_nothing_to_do_and_writes_nothing(
    lite: Ledger, outbox: Make, script: Script, tmp_path: Path
) -> None:
    before = (tmp_path / "ledger.db").stat().st_mtime_ns
    box = outbox(script("exit 0"))
    assert [box.run_next() for _ in range(5)] == [None] * 5
    assert (tmp_path / "ledger.db").stat().st_mtime_ns == before

"""Many processes at once, and processes that are killed: the tree ends as if nothing had happened."""

from __future__ import annotations

import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from cli_tool import Place, Zygote, ago, check_sums, finish, stand_in

from reportsync.sandbox import Fault, Sandbox

APP = stand_in("one", 300)
HTTP = "http: {rate: 0, attempts: 2, backoff: 0s, deadline: 20s, workers: 8}\n"


@pytest.fixture
def make_place(tmp_path: Path, zygote: Zygote) -> Callable[[str], Place]:
    """Return a function that makes a further place."""

    def make(name: str) -> Place:
        folder = tmp_path / name
        folder.mkdir()
        return Place(folder, zygote)

    return make


def rows(place: Place) -> list[tuple[str, str]]:
    """Return (final name, SHA-256) of every archive that the ledger holds."""
    with closing(sqlite3.connect(place.ledger)) as connection:
        found = connection.execute(
            "SELECT app, day, version, sha256 FROM archives WHERE held"
        ).fetchall()
    return [
        (
            f"{app}/{day[:4]}/{day.replace('-', '')}{'' if version == 1 else f'.v{version}'}.zip",
            sha256,
        )
        for app, day, version, sha256 in found
    ]


@pytest.mark.slow
def test_fault_28_four_backfills_at_once_ask_for_each_report_once(place: Place) -> None:
    with Sandbox([APP], latency=0.01) as sandbox:
        place.serve(sandbox, [APP], http=HTTP)
        processes = [place.start("backfill", "--since=-400d", "--json") for _ in range(4)]
        done = [finish(process) for process in processes]
        asked = [sandbox.asked(APP.app_id, ago(number)) for number in range(2, 302)]
        assert sandbox.journal.doubled() == frozenset()
    assert [one.code for one in done] == [0] * 4, [one.err for one in done]
    assert asked == [1] * 300
    assert sum(one.summary["stored"] for one in done) == 300
    assert all(one.summary["missing"] == 0 for one in done)
    assert check_sums(place.archive) == 300
    assert dict(rows(place)) == place.zips()


@pytest.mark.slow
def test_fault_28_two_backfills_at_once_share_the_work(place: Place) -> None:
    app = stand_in("one", 24)
    with Sandbox([app], latency=0.05) as sandbox:
        place.serve(sandbox, [app])
        processes = [place.start("backfill", "--since=-90d", "--json") for _ in range(2)]
        done = [finish(process) for process in processes]
        asked = [sandbox.asked(app.app_id, ago(number)) for number in range(2, 26)]
    assert [one.code for one in done] == [0, 0]
    assert asked == [1] * 24
    assert sum(one.summary["stored"] for one in done) == 24


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_fault_25_kill_9_at_random_moments_converges_to_the_undisturbed_run(
    make_place: Callable[[str], Place], seed: int
) -> None:
    chance = random.Random(seed)
    calm, wild = make_place("calm"), make_place("wild")
    with Sandbox([APP], latency=0.003) as sandbox:
        calm.serve(sandbox, [APP], http=HTTP)
        wild.serve(sandbox, [APP], http=HTTP)
        assert calm.run("backfill", "--since=-400d").code == 0
        kills = 0
        for _ in range(12):
            process = wild.start("backfill", "--since=-400d")
            before = len(sandbox.requests)
            while len(sandbox.requests) == before and process.poll() is None:
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 0.25))
            process.kill()  # which is no error where it has come to its end
            kills += finish(process).code == -signal.SIGKILL
            assert set(rows(wild)) <= set(wild.zips().items()), "each stored row has its file"
            assert set(wild.zips().items()) <= set(calm.zips().items()), "what is visible is whole"
        done = wild.run("backfill", "--since=-400d", "--json")
    assert kills >= 3
    assert done.code == 0, done.err
    assert wild.zips() == calm.zips()
    assert dict(rows(wild)) == wild.zips()
    assert [path for path in wild.archive.rglob("*") if path.name.endswith(".part")] == []
    assert check_sums(wild.archive) == 300
    assert wild.run("verify", "--json").summary["ok"] == 300


@pytest.mark.slow
def test_fault_25_a_killed_backfill_resumes_with_nothing_redone(place: Place) -> None:
    app = stand_in("one", 30)
    with Sandbox([app], faults=[Fault("silent", day=(ago(20), ago(17)), times=4)]) as sandbox:
        place.serve(sandbox, [app])
        process = place.start("backfill", "--since=-90d")
        give_up = time.monotonic() + 40
        while len(sandbox.requests) < 15 + 4 and time.monotonic() < give_up:
            time.sleep(0.01)
        time.sleep(0.1)
        process.kill()
        finish(process)
        before = {day: sandbox.asked(app.app_id, day) for day in days()}
        stored = len(place.zips())
        done = place.run("backfill", "--since=-90d", "--json")
        after = {day: sandbox.asked(app.app_id, day) for day in days()}
    assert stored == 15
    assert (done.code, done.summary["stored"] + done.summary["adopted"]) == (0, 15)
    assert [after[day] - before[day] for day in days()[:15]] == [0] * 15
    assert check_sums(place.archive) == 30


def days() -> list[date]:
    """Return the thirty days, newest first."""
    return [ago(number) for number in range(2, 32)]

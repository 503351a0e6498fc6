"""Verifying goes round: what was verified longest ago comes first, whoever verifies, whatever clocks did."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from pass_world import Here, ago, stand_in, sync, verified
from sqlalchemy.dialects import sqlite

from reportsync.ledger import queries, rounds, tables
from reportsync.model import Report
from reportsync.sandbox import Sandbox
from reportsync.service.judge import Checked, Found
from reportsync.service.status import status
from reportsync.service.verify import verify
from reportsync.service.world import World

DAYS = 8
APP = stand_in("one", DAYS)


@contextmanager
def worlds(here: Here, *others: str) -> Iterator[tuple[World, World]]:
    """Open the world of a filled archive twice, as two processes do."""
    apps = [APP, *(stand_in(name, DAYS) for name in others)]
    with (
        Sandbox(apps, clock=here.clock) as sandbox,
        here.world(sandbox, *apps) as one,
        here.world(sandbox, *apps) as other,
    ):
        assert sync(one)[0].exit == 0
        here.clock.forward(hours=1)
        yield one, other


def oldest(world: World, count: int, tell: Callable[[], None] = lambda: None) -> list[date]:
    """Verify the `count` verified longest ago, and return their days."""
    found: list[Checked] = []

    def take_in(one: Checked) -> None:
        found.append(one)
        tell()

    verify(world, None, None, count, take_in)
    assert {one.found for one in found} <= {Found.OK}
    return [one.archive.report.day for one in found]


def test_row_35_two_who_go_round_at_once_do_not_do_the_same_twice(here: Here) -> None:
    with worlds(here) as (one, other):
        second: list[date] = []

        def meanwhile() -> None:
            if not second:
                second.extend(oldest(other, 3))

        first = oldest(one, 3, meanwhile)
        assert len({*first, *second}) == 6
        here.clock.forward(hours=1)
        assert not {*oldest(one, 2)} & {*first, *second}, "they are the ones verified longest ago"


def test_row_35_as_many_as_are_asked_for_are_verified_and_none_twice(here: Here) -> None:
    with worlds(here) as (one, _):
        assert len(oldest(one, 100)) == len(set(oldest(one, 100))) == DAYS


def test_row_35_ties_go_by_arrival_and_a_round_is_complete(here: Here) -> None:
    with worlds(here) as (one, _):
        rounds = []
        for _ in range(4):
            rounds.append(oldest(one, 2))
            here.clock.forward(seconds=1)
        assert sorted(day for days in rounds for day in days) == [
            ago(number) for number in reversed(range(DAYS))
        ]
        here.clock.forward(seconds=1)
        assert oldest(one, 2) == rounds[0]


def test_fault_33_what_a_clock_that_was_ahead_verified_is_verified_again_first(here: Here) -> None:
    with worlds(here) as (one, _):
        here.clock.forward(days=3650)
        dreamt = oldest(one, 2)
        here.clock.forward(days=-3650)
        assert set(oldest(one, 2)) == set(dreamt)
        (app,) = status(one.ledger, one.config.apps, here.clock())["apps"]
        assert app["verified_since"] < "2027"


@pytest.mark.slow
def test_row_35_coverage_is_that_of_the_archive_verified_longest_ago(here: Here) -> None:
    with worlds(here, "two") as (one, _):
        began = status(one.ledger, one.config.apps, here.clock())["apps"]
        assert len(verified(one, ["one"])) == DAYS
        first, second = status(one.ledger, one.config.apps, here.clock())["apps"]
        assert first["verified_since"] == "2026-11-23T13:00:00Z" > began[0]["verified_since"]
        assert second["verified_since"] == began[1]["verified_since"]


def test_a_round_reads_no_more_of_the_ledger_than_it_verifies(here: Here) -> None:
    with worlds(here) as (one, _):
        (last,) = one.ledger.read(queries.versions_of, Report("one", ago(1)))
        for after in (None, last):
            query, given = rounds.round_query(rounds.Round(here.clock()), after)
            query = query.params({**given, "most": 100})
            text = query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
            explain = sa.text(f"EXPLAIN QUERY PLAN {text}")
            (plan,) = one.ledger.read(lambda view, explain=explain: view.execute(explain).all())
            assert "USING INDEX archives_verified" in plan[-1], "in its order, without a sort"


@pytest.mark.slow
def test_what_another_is_reading_is_not_waited_for(here: Here) -> None:
    with worlds(here) as (one, _), one.store.reserved(Report("one", ago(7)), 1) as mine:
        assert mine
        assert len(oldest(one, DAYS)) == DAYS - 1


@pytest.mark.slow
@pytest.mark.tool("strace")
def test_fault_21_a_read_error_of_the_disk_neither_moves_nor_reopens_an_archive(
    here: Here, tool: Callable[[str], str], tmp_path: Path
) -> None:
    with worlds(here) as (one, _):
        path = one.store.path(Report("one", ago(2)))
        config = tmp_path / "config.yaml"
        config.touch(0o600)
        config.write_text(
            "apps: [{name: one, app_id: IDONE, secret_key: key-of-one-0123456789,"
            f" base_url: 'http://127.0.0.1:9', since: {ago(7)}, until: {ago(0)}}}]\n"
            f"storage: {{archive: {here.archive}, min_free: 0,"
            f" ledger: 'sqlite:///{here.folder}/ledger.db'}}\n"
        )
        for command in ("verify", "repair"):
            done = subprocess.run(
                [
                    tool("strace"), "-f", "-o", "/dev/null", "-P", str(path),
                    "-e", "inject=read,pread64:error=EIO",
                    sys.executable, "-m", "reportsync", "--config", str(config), command,
                ],
                capture_output=True, text=True, cwd=Path(__file__).parents[2],
            )  # fmt: skip
            assert (done.returncode, "Input/output error" in done.stderr) == (5, True), done.stderr
            assert "see dmesg" in done.stderr
        assert path.exists()
        assert one.ledger.read(queries.lost_reports, ["one"]) == []
        rows = sa.select(tables.archives.c.held)
        assert one.ledger.read(lambda view: set(view.execute(rows).scalars())) == {True}
        assert len(verified(one)) == DAYS

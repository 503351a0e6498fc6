"""What a pass, a look and a record cost does not grow with the history: counted in SQLite's own steps."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy import event

from benchmarks.history import History, fill, newest_due
from reportsync.announce.metrics import Metrics
from reportsync.incidents import Seen
from reportsync.ledger import claims, hot, open_writing, queries, records, upkeep
from reportsync.ledger.claims import Claim
from reportsync.ledger.rounds import Round
from reportsync.model import ONE_DAY, Archive, Attempt, Outcome, Report
from reportsync.plan import Ask
from reportsync.service.health import health
from reportsync.service.passes import Order, run_pass
from reportsync.service.review import review_now
from reportsync.service.status import status
from reportsync.service.verify import longest_ago
from reportsync.service.world import World, open_world
from reportsync.settings import App, Config
from reportsync.stop import Stop
from reportsync.store import Store
from reportsync.web.board import Board
from reportsync.web.site import Site

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
APPS = 5
SHORT, LONG = 40, 400  # days; more of them than the strip of the page has
SMALL_TABLES = {"alembic_version", "apps", "claims", "deliveries", "facts", "stale_sums", "waivers"}
"""No row of them tells of a day: they have as many as there are apps, or things under way."""


class Count:
    """What SQLite was asked, by any of this process's engines, and how many steps it took."""

    def __init__(self) -> None:
        self.steps = 0
        self.statements: list[tuple[str, Any]] = []

    def step(self) -> None:
        self.steps += 1

    @contextmanager
    def counting(self) -> Iterator[None]:
        def note(_: Any, __: Any, statement: str, parameters: Any, *more: Any) -> None:
            self.statements.append((statement, parameters))

        def note_hot(view: Any, ready: Any, values: Any, run: Any = hot._run) -> Any:
            self.statements.append((ready.text, ready.parameters(values)))
            return run(view, ready, values)

        def watch(driver: Any, *more: Any) -> None:
            driver.set_progress_handler(self.step, 1)

        def leave(driver: Any, *more: Any) -> None:
            if driver is not None:
                driver.set_progress_handler(None, 0)

        kinds = [
            (sa.Engine, "before_cursor_execute", note),
            (sa.Pool, "checkout", watch),
            (sa.Pool, "checkin", leave),
        ]
        for kind in kinds:
            event.listen(*kind)
        try:
            with mock.patch.object(hot, "_run", note_hot):
                yield
        finally:
            for kind in kinds:
                event.remove(*kind)


def clock() -> datetime:
    return NOW


@contextmanager
def years(folder: Path, days: int) -> Iterator[World]:
    """Open a world whose apps have so many days, all of them stored."""
    history = History(APPS, days, newest_due(NOW))
    ledger = f"sqlite:///{folder}/ledger.db"
    folder.mkdir()
    with open_writing(ledger) as opened:
        opened.write(upkeep.remember_archive, Store(folder / "archive", 0).open(None))
    fill(folder / "ledger.db", history, passes_a_day=4)
    apps = [
        App(
            name=name,
            app_id=f"ID{number}",
            secret_key=(SecretStr("no-real-key"),),
            base_url="http://127.0.0.1:1",
            since=history.since,
        )
        for number, name in enumerate(history.names)
    ]
    storage = {"archive": folder / "archive", "ledger": ledger, "min_free": "0"}
    config = Config.model_validate({"apps": apps, "storage": storage})
    with open_world(config, Stop(), clock, lambda: 0.0) as world:
        run(world)  # which makes the day's backup
        yield world


def run(world: World) -> None:
    order = Order("run", world.config.apps, Ask(), 8, refill=True)
    assert run_pass(world, order).exit == 0
    world.ledger.write(review_now, world.config, Seen(), NOW)


def run_with_damage(world: World) -> None:
    """Run a pass while a damaged archive is not mended yet."""
    name, day = world.config.apps[0].name, newest_due(NOW)
    seen = Seen(damaged=frozenset({Archive(Report(name, day), 1, 9, "", 1)}))
    world.ledger.write(review_now, world.config, seen, NOW)
    run(world)


def look(world: World) -> None:
    found = status(world.ledger, world.config.apps, NOW)
    assert {app["missing"] for app in found["apps"]} == {0}
    assert all(app["verified_since"] for app in found["apps"])


def show(world: World) -> None:
    """Look at everything as the page, Prometheus and the container's health check do."""
    board, metrics = Board(world.config, clock), Metrics()
    Site(world.config, "127.0.0.1", board, metrics, lambda: pytest.fail("not asked"), clock)
    assert b"reportsync_oldest_verified" in metrics.exposition()[0]
    board.close()
    assert health(world.ledger, world.config.daemon, NOW).healthy


def verify(world: World) -> None:
    names = tuple(app.name for app in world.config.apps)
    for about in (Round(NOW), Round(NOW, names), Round(NOW, names[-1:])):
        rows = longest_ago(world, about)
        assert len([next(rows) for _ in range(10)]) == 10


def record(world: World) -> None:
    """Have a day become due, and store it as a collector does."""
    (app, *_), later = world.config.apps, NOW + ONE_DAY
    report = Report(app.name, newest_due(later))
    ledger, lease = world.ledger, timedelta(minutes=11)
    ledger.write(records.cover_due, world.config.apps, later)
    claim = ledger.write(claims.take, report, now=later, lease=lease, wanted_at=later, again=False)
    assert isinstance(claim, Claim)
    attempt = Attempt(report, later, later, Outcome.STORED, requests=1)
    archive = Archive(report, 1, 4096, "0" * 64, 8)
    assert ledger.write(records.record_archive, claim, attempt, archive).arrival is not None


Work = Callable[[World], None]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, World]]:
    """Yield a world with a short history and one with ten times as much."""
    folder = tmp_path_factory.mktemp("years")
    with years(folder / "short", SHORT) as short, years(folder / "long", LONG) as long:
        yield short, long


@pytest.mark.parametrize("work", [run, look, show, verify, run_with_damage, record])
def test_ten_times_the_history_costs_no_more(worlds: tuple[World, World], work: Work) -> None:
    short, long = (count(world, work) for world in worlds)
    assert short.steps > 100
    assert len(long.statements) == len(short.statements) > 3
    assert long.steps <= short.steps * 1.2, (short.steps, long.steps)


def count(world: World, *works: Work) -> Count:
    counted = Count()
    with counted.counting():
        for work in works:
            work(world)
    return counted


def plans(path: Path, statements: list[tuple[str, Any]]) -> set[tuple[str, str]]:
    """Return each step of SQLite's plan for `statements`, with the statement."""
    found = set()
    with closing(sqlite3.connect(path)) as connection:
        for statement, parameters in statements:
            if statement.split()[0] in {"SELECT", "INSERT", "UPDATE", "DELETE"}:
                values = parameters[0] if isinstance(parameters, list) else parameters
                rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
                found |= {(row[3], statement) for row in rows.fetchall()}
    return found


def page_of_an_app(world: World) -> None:
    name = world.config.apps[0].name
    world.ledger.read(queries.days_of, name)
    world.ledger.read(queries.latest_attempts, name, 20)


def test_no_table_that_grows_by_the_day_is_read_from_end_to_end(
    worlds: tuple[World, World],
) -> None:
    asked = count(worlds[0], run, look, show, verify, run_with_damage, page_of_an_app).statements
    path = worlds[0].ledger.path
    assert path is not None
    found = plans(path, asked)
    assert any("archives_app_verified" in step for step, _ in found)
    partial = re.compile(r"USING (COVERING )?INDEX (reports_missing|incidents_(open|untold))$")
    whole = {
        (step, statement)
        for step, statement in found
        if step.startswith("SCAN") and not partial.search(step)
    }
    assert {one for one in whole if one[0].split()[1] not in SMALL_TABLES} == set()

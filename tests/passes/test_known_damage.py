"""What a verification has found damaged or lost is mended by the next pass, and by no other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pass_world import Heard, Here, ago, backfill, covered, stand_in, verified

from reportsync.ledger import incidents
from reportsync.model import Outcome, Report
from reportsync.plan import Ask
from reportsync.sandbox import Sandbox
from reportsync.service import known_damage
from reportsync.service.judge import judge
from reportsync.service.mending import Mended
from reportsync.service.passes import Order, Summary, run_pass
from reportsync.service.review import review_now
from reportsync.service.seen import seen_in
from reportsync.service.world import World
from reportsync.settings import App

NAMES = ("one", "two")
APPS = tuple(stand_in(name, 4) for name in NAMES)


class Told(Heard):
    """Hears what was mended, too."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[str] = []

    def mended(self, one: Mended) -> None:
        self.steps.append(one.action)


@contextmanager
def filled(here: Here) -> Iterator[tuple[World, Sandbox]]:
    """Open a world in which four days of two apps are stored."""
    with Sandbox(APPS, clock=here.clock) as sandbox, here.world(sandbox, *APPS) as world:
        assert passed(world)[0].exit == 0
        here.clock.forward(hours=1)
        yield world, sandbox


def passed(world: World, apps: tuple[App, ...] | None = None) -> tuple[Summary, Told]:
    told = Told()
    order = Order("sync", apps or world.config.apps, Ask(), 4)
    return run_pass(world, order, told), told


def path_of(world: World, app: str, days_ago: int) -> Path:
    return world.store.path(Report(app, ago(days_ago)))


def spoil(path: Path) -> None:
    path.chmod(0o640)
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def found_bad(world: World) -> None:
    """Verify everything, and open the incident of what is not right."""
    world.ledger.write(review_now, world.config, seen_in(verified(world)), world.clock())


def test_a_pass_mends_what_is_known_tells_each_step_and_fetches_it(here: Here) -> None:
    with filled(here) as (world, _):
        spoil(path_of(world, "one", 2))
        path_of(world, "two", 3).unlink()
        assert passed(world)[1].steps == [], "nobody has found it yet"
        found_bad(world)
        summary, told = passed(world)
        assert (summary.stored, summary.exit) == (2, 0)
        assert told.steps == ["set aside", "reopen", "reopen"]
        assert set(told.outcomes.values()) == {Outcome.STORED}
        found_bad(world)
        assert passed(world)[1].steps == []


def test_damage_of_apps_that_a_pass_is_not_about_is_left_alone(here: Here) -> None:
    with filled(here) as (world, _):
        path_of(world, "two", 3).unlink()
        found_bad(world)
        assert passed(world, world.config.apps[:1])[1].steps == []
        assert backfill(world, ago(1), ago(1))[0].asked == 0
        assert covered(world)["two"].stored == 4
        assert passed(world)[0].stored == 1


@pytest.mark.parametrize("obstacle", ["link", "folder"])
def test_what_cannot_be_read_holds_up_no_other(here: Here, obstacle: str) -> None:
    with filled(here) as (world, sandbox):
        first = path_of(world, "one", 3)
        first.unlink()
        if obstacle == "link":
            first.symlink_to("/etc/hostname")
        else:
            first.mkdir()
        path_of(world, "two", 3).unlink()
        both = frozenset(Report(app, ago(3)) for app in NAMES)
        seen = replace(seen_in([]), damaged=both)
        world.ledger.write(review_now, world.config, seen, world.clock())
        asked = len(sandbox.requests)
        summary, told = passed(world)
        assert (summary.stored, summary.exit) == (1, 0)
        assert told.steps == ["leave alone", "reopen"]
        assert len(sandbox.requests) == asked + 1
        assert os.path.lexists(first)


def test_a_pass_mends_for_a_while_and_the_next_goes_on(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_damage, "SECONDS", -1.0)
    with filled(here) as (world, _):
        for app in NAMES:
            path_of(world, app, 3).unlink()
        found_bad(world)
        stored = []
        for _ in range(3):
            here.clock.forward(minutes=5)
            stored.append(passed(world)[0].stored)
        assert stored == [1, 1, 0]


def test_an_incident_that_a_wrong_clock_opened_has_nothing_read_in_every_pass(here: Here) -> None:
    with filled(here) as (world, _):
        report = Report("one", ago(2))
        seen = replace(seen_in([]), damaged=frozenset({report}))
        ahead = world.clock() + timedelta(days=300)
        world.ledger.write(review_now, world.config, seen, ahead)
        assert world.ledger.read(incidents.known_damage, NAMES, ahead) == [report]
        assert world.ledger.read(incidents.known_damage, NAMES, world.clock()) == []


def test_what_is_whole_again_is_read_once(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def judged(*args: object) -> object:
        read.append(args[1])
        return judge(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(known_damage, "judge", judged)
    with filled(here) as (world, sandbox):
        path = path_of(world, "one", 2)
        right = path.read_bytes()
        path.unlink()
        found_bad(world)
        path.write_bytes(right)
        here.clock.forward(hours=1)
        asked = len(sandbox.requests)
        assert [passed(world)[1].steps for _ in range(2)] == [[], []]
        assert (len(read), len(sandbox.requests)) == (1, asked)

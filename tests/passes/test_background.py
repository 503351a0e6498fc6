"""The daemon's verifier, look by look: what is left alone, what is told together, when it rests."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
from pass_world import Here, ago, stand_in, sync

from reportsync.errors import StorageError
from reportsync.model import Report
from reportsync.sandbox import Sandbox
from reportsync.service.background import LOOK_SECONDS, REST_SECONDS, Events, Verifier
from reportsync.service.judge import Checked
from reportsync.service.mending import Mended
from reportsync.service.verify import MOST_UNREADABLE
from reportsync.service.world import World
from reportsync.store import Store

DAYS = 14
APP = stand_in("one", DAYS)


@dataclass
class Heard:
    """What the verifier told."""

    checked: list[Checked] = field(default_factory=list)
    amiss: list[Sequence[Checked]] = field(default_factory=list)
    mended: list[Mended] = field(default_factory=list)
    reopened: list[None] = field(default_factory=list)

    def events(self) -> Events:
        def trouble(error: Exception) -> None:
            raise error

        return Events(
            self.checked.append,
            self.amiss.append,
            self.mended.append,
            lambda: self.reopened.append(None),
            trouble,
        )


@contextmanager
def due(here: Here) -> Iterator[World]:
    """Open a world in which every archive is due to be verified."""
    with (
        Sandbox([APP], clock=here.clock) as sandbox,
        here.world(sandbox, APP) as world,
    ):
        assert sync(world)[0].exit == 0
        here.clock.forward(days=60)
        yield world


def test_what_is_found_at_once_is_told_together_and_fetched_by_one_pass(here: Here) -> None:
    with due(here) as world:
        for number in range(DAYS):
            world.store.path(Report("one", ago(number))).unlink()
        heard = Heard()
        Verifier(world, heard.events()).look()
        assert sum(len(found) for found in heard.amiss) == len(heard.mended) == DAYS
        assert len(heard.amiss) == len(heard.reopened) < DAYS / 2


def test_what_cannot_be_mended_now_wakes_the_verifier_no_more_than_others(here: Here) -> None:
    with due(here) as world:
        path = world.store.path(Report("one", ago(2)))
        path.unlink()
        path.mkdir()
        heard = Heard()
        verifier = Verifier(world, heard.events())
        assert [verifier.look() for _ in range(3)] == [LOOK_SECONDS] * 3
        assert (len(heard.checked), len(heard.amiss)) == (DAYS, 1)


def test_what_belongs_to_no_app_of_the_config_is_left_to_verifying_by_hand(here: Here) -> None:
    with due(here) as world:
        world.store.path(Report("one", ago(2))).unlink()
        config = world.config.model_copy(
            update={"apps": [app.model_copy(update={"name": "two"}) for app in world.config.apps]}
        )
        heard = Heard()
        assert Verifier(replace(world, config=config), heard.events()).look() == LOOK_SECONDS
        assert (heard.checked, heard.amiss) == ([], [])


def test_a_disk_that_gives_nothing_is_left_alone_for_a_while(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(*_: object) -> tuple[int, str]:
        raise StorageError("cannot read", hint="a disk that is dying")

    with due(here) as world:
        heard = Heard()
        verifier = Verifier(world, heard.events())
        with monkeypatch.context() as broken:
            broken.setattr(Store, "digest", dead)
            assert [verifier.look() for _ in range(3)] == [LOOK_SECONDS] * 3
        assert len(heard.checked) == MOST_UNREADABLE
        assert verifier.trouble is not None
        later = time.monotonic() + REST_SECONDS + 1
        monkeypatch.setattr(time, "monotonic", lambda: later)
        verifier.look()
        assert len(heard.checked) == DAYS, (
            "the others are tried before those that could not be read"
        )

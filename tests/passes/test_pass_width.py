"""Passes against hosts that take any number at once, few, or one in a while: how wide they get."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pass_world import Heard, Here, ago, backfill, stand_in
from source_server import ZIP, RawServer, Talk, answer

from reportsync.calendar import DayWord
from reportsync.plan import Ask
from reportsync.service.passes import Order, run_pass
from reportsync.service.world import World
from reportsync.settings import Config

REFUSAL = answer("429 Too Many Requests", b'{"error": "slow down"}')
WHOLE = answer("200 OK", ZIP, "Content-Type: application/zip")


class Host:
    """A server that takes `seconds` for a report and refuses more than `takes` at once."""

    def __init__(self, seconds: float, takes: int = 999) -> None:
        self.at_once: list[int] = []  # under way when each request came, itself included
        self.refused = 0
        self.hands: list[int] = []  # workers of the pass when each came
        self._seconds = seconds
        self._takes = takes
        self._under_way = 0
        self._lock = threading.Lock()
        self.server = RawServer(self._answer)

    @property
    def url(self) -> str:
        return self.server.url

    def _answer(self, talk: Talk) -> bool:
        with self._lock:
            self._under_way += 1
            self.at_once.append(self._under_way)
            names = [thread.name for thread in threading.enumerate()]
            self.hands.append(sum(name.startswith("collect-") for name in names))
            well = self._under_way <= self._takes
        time.sleep(self._seconds if well else self._seconds / 4)
        with self._lock:
            self._under_way -= 1
            self.refused += not well
        talk.say(WHOLE if well else REFUSAL)
        return True


class Wide(Heard):
    """Keeps the widths it is told of, too."""

    def __init__(self) -> None:
        super().__init__()
        self.widths: list[int] = []

    def width(self, host: str, width: int) -> None:
        self.widths.append(width)


class Hasty(Here):
    """Has its requests repeated sooner than a config can say."""

    def config(self, *args: Any, **kwargs: Any) -> Config:
        config = super().config(*args, **kwargs)
        http = config.http.model_copy(update={"backoff": timedelta(milliseconds=50)})
        return config.model_copy(update={"http": http})


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Hasty(tmp_path)


@contextmanager
def world_at(here: Here, host: Host, days: int) -> Iterator[World]:
    app = stand_in("one", days)
    try:
        with here.world(host, app) as world:  # type: ignore[arg-type]
            yield world
    finally:
        host.server.close()


def filled(world: World, days: int) -> Wide:
    """Fill a gap of so many days; all of it has to come in."""
    heard = Wide()
    ask = Ask(DayWord(ago(days - 1)), DayWord(ago(0)), patient=False)
    order = Order("backfill", world.config.apps, ask, world.config.http.workers)
    assert run_pass(world, order, heard).stored == days
    return heard


def test_a_host_that_takes_it_is_soon_asked_by_all_workers_and_never_by_more(here: Here) -> None:
    here.settings |= {"workers": "8"}
    host = Host(0.1)
    with world_at(here, host, 40) as world:
        heard = filled(world, 40)
    assert heard.widths[0] == 2
    assert max(heard.widths) == 8
    # How many of eight threads really meet at the host, the machine's other work has a say in.
    assert 4 < max(host.at_once) <= 8


@pytest.mark.slow
def test_fault_11_a_host_that_refuses_more_than_four_at_once_is_asked_for_about_so_many(
    here: Here,
) -> None:
    here.settings |= {"workers": "16", "attempts": "8"}
    host = Host(0.06, takes=4)
    with world_at(here, host, 150) as world:
        heard = filled(world, 150)
    assert 2 <= min(heard.widths) <= 4 <= max(heard.widths) <= 8
    assert max(host.at_once) <= 8
    assert host.refused <= 0.15 * len(host.at_once)


def test_where_the_rate_is_the_limit_few_workers_are_hired(here: Here) -> None:
    here.settings |= {"workers": "32", "rate": "15/s"}
    host = Host(0.001)
    with world_at(here, host, 16) as world:
        filled(world, 16)
    assert max(host.hands) <= 10


def test_one_worker_alone_asks_for_one_after_the_other(here: Here) -> None:
    here.settings |= {"workers": "1"}
    host = Host(0.001)
    with world_at(here, host, 12) as world:
        summary, heard = backfill(world, ago(11), ago(0))
    assert summary.stored == 12
    assert [one.report.day for one in heard.ended_all] == [ago(n) for n in range(12)]
    assert (max(host.hands), max(host.at_once)) == (1, 1)

"""Passes against hosts that take any number at once, few, or one in a while: how wide they get."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from pass_world import Heard, Here, ago, backfill, stand_in
from sampling import sampled
from source_server import ZIP, RawServer, Talk, answer

from reportsync.calendar import DayWord
from reportsync.collect import Collected
from reportsync.ledger import Ledger, claims
from reportsync.model import Outcome
from reportsync.plan import Ask
from reportsync.sandbox import Sandbox
from reportsync.service import lanes
from reportsync.service.passes import Order, run_pass
from reportsync.service.world import World, open_world
from reportsync.settings import Config
from reportsync.stop import Stop

REFUSAL = answer("429 Too Many Requests", b'{"error": "slow down"}')
WHOLE = answer("200 OK", ZIP, "Content-Type: application/zip")
BROKEN = answer("200 OK", ZIP[:99] + bytes([ZIP[99] ^ 1]) + ZIP[100:])


class Host:
    """A server that takes `seconds` for a report and refuses more than `takes` at once.

    The first `broken` answers about each report are no whole archive.
    """

    def __init__(self, seconds: float, takes: int = 999, broken: int = 0) -> None:
        self.at_once: list[int] = []  # under way when each request came, itself included
        self.refused = 0
        self.hands: list[int] = []  # workers of the pass when each came
        self._seconds = seconds
        self._takes = takes
        self._broken = broken
        self._asked: Counter[str] = Counter()
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
            self._asked[talk.head] += 1
            whole = WHOLE if self._asked[talk.head] > self._broken else BROKEN
        talk.say(whole if well else REFUSAL)
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
    host = Host(0.15)
    with world_at(here, host, 40) as world:
        heard = filled(world, 40)
    assert heard.widths[0] == 2
    assert max(heard.widths) == 8
    assert max(host.at_once[:24]) >= 6
    assert 6 < max(host.at_once) <= 8


def test_invariant_7_what_is_downloaded_once_more_waits_for_a_place(here: Here) -> None:
    here.settings |= {"workers": "3", "attempts": "2"}
    host = Host(0.05, broken=1)
    with world_at(here, host, 16) as world:
        filled(world, 16)
    assert len(host.at_once) == 32
    assert max(host.at_once) <= 3


class Fine(Heard):
    """Stops the pass as soon as so many reports of the apps c and d have come."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.stop = Stop()
        self._count = count

    def ended(self, ended: Collected) -> None:
        super().ended(ended)
        self._count -= ended.report.app in "cd"
        if not self._count:
            self.stop.request()


@pytest.mark.slow
@pytest.mark.parametrize("ill", ["silent", "dripping"])
def test_fault_12_apps_without_an_end_hold_up_no_others_of_their_host_while_another_is_busy(
    here: Here, monkeypatch: pytest.MonkeyPatch, ill: str
) -> None:
    monkeypatch.setattr(lanes, "SILENCE", 0.3)
    here.settings |= {"workers": "8", "rate": "20/s", "deadline": "20s"}

    def script(talk: Talk) -> bool:
        if "/IDA/" in talk.head or "/IDB/" in talk.head:
            if ill == "dripping":
                talk.say(WHOLE[:200])
                talk.drip(b"x", 0.1)
            talk.hang()
        talk.say(WHOLE)
        return True

    server, busy, heard = RawServer(script), Host(0.01), Fine(8)
    mine = here.config(server, [stand_in(name, 4) for name in "abcd"], {})  # type: ignore[arg-type]
    other = here.config(busy, [stand_in("z", 400)], {})  # type: ignore[arg-type]
    config = mine.model_copy(update={"apps": (*mine.apps, *other.apps)})
    try:
        with open_world(config, heard.stop, here.clock, lambda: 0.0) as world:
            ask = Ask(DayWord(ago(399)), DayWord(ago(0)), patient=False)
            run_pass(world, Order("backfill", config.apps, ask, 8), heard)
    finally:
        server.close()
        busy.server.close()
    assert set(heard.outcomes.values()) == {Outcome.STORED}
    assert sum(one.report.app in "cd" for one in heard.ended_all) == 8


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


@pytest.mark.parametrize("order", sampled(["newest", "oldest"]))
def test_row_13_where_the_rate_is_the_limit_reports_are_asked_for_in_their_order(
    here: Here, monkeypatch: pytest.MonkeyPatch, order: Literal["newest", "oldest"]
) -> None:
    here.settings |= {
        "workers": "8",
        "rate": "5/s",
    }  # a thread may be late by a turn on a busy machine
    write = Ledger.write

    def write_at_leisure(ledger: Ledger, function: Any, *args: Any, **more: Any) -> Any:
        written = write(ledger, function, *args, **more)
        if function is claims.take:  # some threads come back from it late
            time.sleep(0.05 * (args[0].day.toordinal() % 2))
        return written

    monkeypatch.setattr(Ledger, "write", write_at_leisure)
    app = stand_in("one", 8)
    with Sandbox([app], clock=here.clock) as sandbox, here.world(sandbox, app) as world:
        backfill(world, ago(7), ago(0), order=order)
        days = [request.name for request in sandbox.requests]
    assert days == sorted(days, reverse=order == "newest")
    assert len(days) == 8


def test_one_worker_alone_asks_for_one_after_the_other(here: Here) -> None:
    here.settings |= {"workers": "1"}
    host = Host(0.001)
    with world_at(here, host, 12) as world:
        summary, heard = backfill(world, ago(11), ago(0))
    assert summary.stored == 12
    assert [one.report.day for one in heard.ended_all] == [ago(n) for n in range(12)]
    assert (max(host.hands), max(host.at_once)) == (1, 1)

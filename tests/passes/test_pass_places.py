"""Reports are claimed while others have the places at the host; nothing but the request needs one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
import sqlalchemy as sa
from pass_world import NEWEST, Heard, Here, stand_in, sync

from reportsync.collect import RENEWED_AFTER, Collected, Tools, Wish, collect, lease_of
from reportsync.errors import Stopped, StorageError, TransientFault
from reportsync.ledger import claims, records, tables
from reportsync.model import ONE_DAY, Outcome, Report
from reportsync.plan import Ask
from reportsync.sandbox import Sandbox
from reportsync.service.gauged import Gauged
from reportsync.service.lanes import Lanes, Turn
from reportsync.service.passes import Order, Summary, run_pass
from reportsync.service.world import World
from reportsync.settings import App, Http
from reportsync.sources import OpenSink, Received, Source

LEASE = lease_of(Http())


class Between:
    """Stands between a pass and its source, and does something before it is asked."""

    def __init__(
        self,
        source: Source,
        turn: Callable[[], None] = lambda: None,
        ask: Callable[[Report], None] = lambda report: None,
        rest: Callable[[], None] = lambda: None,
    ) -> None:
        self._source, self._turn, self._ask, self._rest = source, turn, ask, rest

    def prepare_turn(self, app: App) -> None:
        self._rest()
        self._source.prepare_turn(app)

    def await_turn(self, app: App) -> None:
        self._turn()
        self._source.await_turn(app)

    def fetch(
        self, app: App, day: date, open_sink: OpenSink, accepted: Callable[[], None]
    ) -> Received:
        self._ask(Report(app.name, day))
        return self._source.fetch(app, day, open_sink, accepted)

    def close(self) -> None:
        self._source.close()


def leases(world: World) -> list[datetime]:
    """Return when each claim that there is ends."""
    return list(
        world.ledger.read(lambda view: view.execute(sa.select(tables.claims.c.lease_end)).scalars())
    )


def claimed(world: World) -> set[Report]:
    """Return the reports that are claimed."""
    query = sa.select(tables.claims.c.app, tables.claims.c.day)
    rows = world.ledger.read(lambda view: view.execute(query).all())
    return {Report(row.app, row.day) for row in rows}


def attempts(world: World) -> int:
    found = world.ledger.read(
        lambda view: view.execute(sa.select(sa.func.sum(tables.reports.c.attempts))).scalar_one()
    )
    return int(found)


def soon(true: Callable[[], bool]) -> bool:
    """Wait until something is true, not for ever; say whether it is."""
    until = time.monotonic() + 10
    while not true() and time.monotonic() < until:
        time.sleep(0.01)
    return true()


class Downloads:
    """Downloads that go on until they are to end, but for the first ones: a key has to be accepted."""

    def __init__(self, world: World) -> None:
        self.under_way: set[Report] = set()
        self.ended = threading.Event()
        self._world = world

    def ask(self, report: Report) -> None:
        if attempts(self._world):
            self.under_way.add(report)
            self.ended.wait(20)


@contextmanager
def downloads(here: Here, rate: str = "0") -> Iterator[tuple[World, Downloads, Future[Summary]]]:
    """Begin to fetch twelve days of an app, two at a time; come back when two are downloaded."""
    app = stand_in("one", 12)
    here.settings |= {"workers": "2", "rate": rate}
    with Sandbox([app], clock=here.clock) as sandbox, here.world(sandbox, app) as world:
        slow = Downloads(world)
        between = replace(world, source=Between(world.source, ask=slow.ask))
        with ThreadPoolExecutor(1) as thread:
            passing = thread.submit(lambda: sync(between)[0])
            try:
                assert soon(lambda: len(slow.under_way) == 2)
                yield world, slow, passing
            finally:
                slow.ended.set()
        assert leases(world) == []


def test_gaps_are_claimed_while_others_are_downloaded(here: Here) -> None:
    with downloads(here) as (world, slow, passing):
        assert soon(lambda: bool(claimed(world) - slow.under_way))
        slow.ended.set()
        assert passing.result(20).stored == 12


def test_none_is_claimed_before_its_time_where_it_is_the_rate_that_is_waited_for(
    here: Here,
) -> None:
    with downloads(here, rate="100/s") as (world, slow, passing):
        time.sleep(0.3)
        assert claimed(world) == slow.under_way
        slow.ended.set()
        assert passing.result(20).stored == 12


def test_a_stop_leaves_no_claim_to_who_waits_for_a_place_while_downloads_end(here: Here) -> None:
    with downloads(here) as (world, slow, passing):
        assert soon(lambda: bool(claimed(world) - slow.under_way))
        world.stop.request(grace=20)
        assert soon(lambda: claimed(world) == slow.under_way)
        slow.ended.set()
        assert passing.result(20).stopped


def test_nothing_is_claimed_after_a_stop(here: Here) -> None:
    app = stand_in("one", 1)
    with Sandbox([app], clock=here.clock) as sandbox, here.world(sandbox, app) as world:
        world.stop.request(grace=20)
        with pytest.raises(Stopped):
            collected(world, Between(world.source, rest=lambda: pytest.fail("it goes on")))
        assert leases(world) == []


def collected(world: World, source: Source) -> Collected:
    """Collect the newest report as one does whose place is still another's when it is claimed."""
    app, tools = world.config.apps[0], tools_of(world, source)
    world.ledger.write(records.cover_due, world.config.apps, world.clock())
    return collect(app, NEWEST, Wish(world.clock()), tools)


def tools_of(world: World, source: Source) -> Tools:
    return Tools(
        world.ledger,
        world.store,
        source,
        world.config.http,
        world.clock,
        world.stop,
        world.roll,
        "-",
    )


def waited(here: Here, wait: timedelta) -> tuple[list[timedelta], float]:
    """Have the host's turn take `wait`; return how long leases hold when it is asked, and what it took."""
    app = stand_in("one", 1)
    left: list[timedelta] = []

    def turn() -> None:
        here.clock.now += wait

    def ask(_: Report) -> None:
        left.extend(end - here.clock() for end in leases(world))

    with Sandbox([app], clock=here.clock) as sandbox, here.world(sandbox, app) as world:
        ended = collected(world, Between(world.source, turn, ask))
        assert ended.outcome is Outcome.STORED
        return left, ended.seconds


def test_a_claim_that_waited_for_the_hosts_turn_has_its_whole_lease_again(here: Here) -> None:
    assert waited(here, timedelta(minutes=9)) == ([LEASE], 0.0)


def test_a_short_wait_costs_no_transaction_and_next_to_nothing_of_the_lease(here: Here) -> None:
    assert waited(here, RENEWED_AFTER) == ([LEASE - RENEWED_AFTER], 0.0)


def leave_alone() -> None:
    raise TransientFault("one.example asked to be left alone", retry_after=timedelta(hours=1))


def test_fault_11_a_host_that_begins_to_rest_costs_no_attempt_and_leaves_no_claim(
    here: Here,
) -> None:
    app = stand_in("one", 5)
    with Sandbox([app], clock=here.clock) as sandbox, here.world(sandbox, app) as world:
        ended = collected(world, Between(world.source, turn=leave_alone))
        assert (ended.outcome, ended.bars_app) == (Outcome.FAILED, True)
        assert (attempts(world), leases(world)) == (0, [])
        assert sync(world)[0].exit == 0


def test_fault_11_a_host_that_rests_for_long_costs_its_apps_no_claim(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    apps = [stand_in("one", 5), stand_in("two", 5)]
    with Sandbox(apps, clock=here.clock) as sandbox, here.world(sandbox, *apps) as world:
        resting = replace(world, source=Between(world.source, turn=leave_alone, rest=leave_alone))
        with monkeypatch.context() as patch:
            patch.setattr(claims, "take", lambda *_, **__: pytest.fail("it was claimed"))
            assert collected(world, resting.source).outcome is Outcome.FAILED
            summary, heard = sync(resting)
        assert [one.outcome for one in heard.ended_all] == [Outcome.FAILED] * 2, "once for each app"
        assert (summary.missing, attempts(world)) == (10, 0)
        assert sync(world)[0].exit == 0


def test_fault_11_who_has_no_place_yet_hears_that_the_host_rests_before_the_claim(
    here: Here,
) -> None:
    app, lanes = stand_in("one", 3), Lanes(1, hands=2, ahead=1)
    reports = [Report("one", app.since + days * ONE_DAY) for days in range(3)]
    lanes.add(reports)
    with Sandbox([app], clock=here.clock) as sandbox, here.world(sandbox, app) as world:
        source = Between(world.source, rest=leave_alone)
        gauged = Gauged(source, lanes, time.monotonic, lambda: None)
        assert lanes.take() is not None
        lanes.accepted("one")
        assert lanes.take() == Turn(reports[1], newest=False)
        gauged.begin(reports[1])
        with pytest.raises(TransientFault, match="left alone"):
            gauged.prepare_turn(world.config.apps[0])


def test_what_waits_for_a_place_when_the_disk_fails_is_free_again_and_not_asked_for(
    here: Here,
) -> None:
    app = stand_in("one", 40)
    asked: list[Report] = []

    def ask(report: Report) -> None:
        asked.append(report)
        if len(asked) > 8:
            raise StorageError("the disk is gone")

    with Sandbox([app], clock=here.clock) as sandbox, here.world(sandbox, app) as world:
        summary, heard = sync(replace(world, source=Between(world.source, ask=ask)))
        assert summary.trouble is not None
        assert len(asked) <= 8 + 4, "as many as had a place"
        assert summary.missing == 40 - len(heard.ended_all)
        assert leases(world) == []
        assert sync(world)[0].exit == 0


def test_what_another_gave_back_undone_is_fetched_by_who_waited_for_it(here: Here) -> None:
    app = stand_in("one", 3)
    report = Report("one", app.since)

    class Waiting(Heard):
        def waiting_for_others(self, count: int) -> None:
            assert count == 1
            world.ledger.write(claims.release, claim)

    with Sandbox([app], clock=here.clock) as sandbox, here.world(sandbox, app) as world:
        now = here.clock()
        world.ledger.write(records.cover_due, world.config.apps, now)
        claim = world.ledger.write(
            claims.take, report, now=now, lease=LEASE, wanted_at=now, again=False
        )
        assert isinstance(claim, claims.Claim)
        heard = Waiting()
        order = Order("sync", world.config.apps, Ask(), 4)
        assert run_pass(world, order, heard).stored == 3
        assert heard.outcomes[report] is Outcome.STORED

"""Reports are claimed while others have the places at the host; nothing but the request needs one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
import sqlalchemy as sa
from pass_world import NEWEST, Heard, Here, stand_in, sync

from reportsync.collect import RENEWED_AFTER, Collected, Tools, Wish, collect, lease_of
from reportsync.errors import StorageError, TransientFault
from reportsync.ledger import claims, records, tables
from reportsync.model import Outcome, Report
from reportsync.plan import Ask
from reportsync.sandbox import Sandbox
from reportsync.service.passes import Order, run_pass
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


def attempts(world: World) -> int:
    found = world.ledger.read(
        lambda view: view.execute(sa.select(sa.func.sum(tables.reports.c.attempts))).scalar_one()
    )
    return int(found)


def test_gaps_are_claimed_while_others_are_downloaded(here: Here) -> None:
    app, enough = stand_in("one", 12), threading.Event()
    here.settings["workers"] = "2"
    most = 0

    def ask(report: Report) -> None:
        nonlocal most
        # The first one is alone, to show whether the key is accepted.
        while attempts(world) and not enough.wait(0.01):
            most = max(most, len(leases(world)))
            if most > 2:
                enough.set()

    stuck = threading.Timer(10, enough.set)
    stuck.start()
    with Sandbox([app], clock=here.clock) as sandbox, here.world(sandbox, app) as world:
        summary, _ = sync(replace(world, source=Between(world.source, ask=ask)))
        stuck.cancel()
        assert (summary.stored, summary.exit) == (12, 0)
        assert most > 2, "two that are asked for, and another"
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

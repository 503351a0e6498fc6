"""What a pass does about each kind of answer: one pass after the other, with the clock set by hand."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from pass_world import NEWEST, Heard, Here, ago, app_of, backfill, covered, stand_in, sync

from reportsync.errors import LedgerError, StorageError
from reportsync.ledger import queries
from reportsync.model import Outcome, Report
from reportsync.plan import Ask
from reportsync.sandbox import Fault, Sandbox
from reportsync.service.passes import Order, _Tally, run_pass
from reportsync.service.world import World
from reportsync.store import Obstructed

APP = stand_in("one", 6)


@pytest.mark.parametrize(
    ("kind", "outcome", "told"),
    [
        ("json-200", Outcome.WAITING, "The report could not be generated"),
        ("html-200", Outcome.FAILED, "Free WiFi"),
        ("empty-200", Outcome.FAILED, "empty"),
        ("204", Outcome.FAILED, "204"),
        ("206", Outcome.FAILED, "206"),
        ("304", Outcome.FAILED, "304"),
        ("not-zip", Outcome.FAILED, "instead of a zip"),
    ],
)
def test_fault_08_a_success_without_an_archive_is_not_stored_and_its_reason_is_kept(
    here: Here, kind: str, outcome: Outcome, told: str
) -> None:
    with (
        Sandbox([APP], faults=[Fault(kind, day=ago(2))], clock=here.clock) as sandbox,
        here.world(sandbox, APP) as world,
    ):
        summary, heard = sync(world)
        (gap,) = covered(world)["one"].missing
    assert heard.outcomes["one", ago(2)] is outcome
    assert (summary.exit, summary.stored, summary.missing) == (3, 5, 1)
    assert (gap.day, gap.last_outcome) == (ago(2), outcome)
    assert told in (gap.reason or "")
    assert len(list(here.archive.rglob("*.zip"))) == 5
    assert list(here.archive.rglob("*.part")) == []


@pytest.mark.parametrize("kind", ["401", "403"])
def test_fault_09_a_refused_app_is_asked_once_a_pass_and_heals_by_itself(
    here: Here, kind: str
) -> None:
    other = stand_in("two", 6)
    with (
        Sandbox([APP, other], faults=[Fault(kind, app="one")], clock=here.clock) as sandbox,
        here.world(sandbox, APP, other) as world,
    ):
        first, heard = sync(world)
        here.clock.forward(minutes=1)
        second, _ = sync(world)
        here.clock.forward(minutes=1)
        probes = [request for request in sandbox.requests if request.app_id == APP.app_id]
        assert len(probes) == 2, "one probe a pass"
        assert (first.exit, second.exit) == (77, 77)
        assert (first.stored, first.rejected, first.missing) == (6, 1, 6)
        tries = [row.tries for row in covered(world)["one"].missing]
        assert tries == [0] * 6, "a refused key says nothing about the days"
        sandbox.faults.clear()
        healed, _ = sync(world)
    assert (healed.exit, healed.stored, healed.missing) == (0, 6, 0)
    assert [outcome for (app, _), outcome in heard.outcomes.items() if app == "one"] == [
        Outcome.REJECTED
    ]


def test_fault_09_the_reason_alone_may_refuse_the_key(here: Here) -> None:
    with (
        Sandbox([APP], clock=here.clock) as sandbox,
        here.world(sandbox, APP, keys={"one": ("wrong-key-0123456789",)}) as world,
    ):
        summary, _ = sync(world)
    assert (summary.exit, len(sandbox.requests)) == (77, 1)


def test_fault_37_of_two_keys_in_rotation_the_one_that_works_is_used(here: Here) -> None:
    old, new = "old-key-0123456789", "new-key-0123456789"
    before, after = stand_in("one", 6, old), stand_in("one", 8, new)
    with Sandbox([before], clock=here.clock) as sandbox:
        with here.world(sandbox, before, keys={"one": (new, old)}) as world:
            first, _ = sync(world)
        asked = len(sandbox.requests)
    with (
        Sandbox([after], clock=here.clock) as sandbox,
        here.world(sandbox, after, keys={"one": (new, old)}) as world,
    ):
        second, _ = sync(world)
    assert (first.exit, first.stored, second.exit, second.stored) == (0, 6, 0, 2)
    assert asked == 7, "once the working key is known, no request is wasted"
    assert first.rejected == second.rejected == 0


@pytest.mark.parametrize("there", ["stored", "damaged"])
def test_fault_11_a_host_s_pause_holds_also_for_days_of_which_a_file_is_there(
    here: Here, there: str
) -> None:
    here.settings["workers"] = "1"
    with Sandbox([APP], clock=here.clock) as sandbox, here.world(sandbox, APP) as world:
        if there == "stored":
            sync(world)
            here.clock.forward(hours=1)
        else:
            for days in range(6):
                path = world.store.path(Report("one", ago(days)))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"PK, and no zip")
        asked = len(sandbox.requests)
        sandbox.faults.add(Fault("429", retry_after="600", times=1))
        backfill(world, ago(5), ago(0), again=there == "stored")
        assert len(sandbox.requests) == asked + 1, "nobody else is to ask meanwhile"


@pytest.mark.parametrize("kind", ["400", "404"])
@pytest.mark.slow
def test_fault_10_a_day_that_is_not_there_waits_with_growing_pauses_for_ever(
    here: Here, kind: str
) -> None:
    with (
        Sandbox([APP], faults=[Fault(kind, day=ago(0))], clock=here.clock) as sandbox,
        here.world(sandbox, APP) as world,
    ):
        pauses = []
        for _ in range(9):
            asked = sandbox.asked(APP.app_id, ago(0))
            summary, _ = sync(world)
            assert summary.exit == 3
            assert sandbox.asked(APP.app_id, ago(0)) == asked + 1
            row = next(row for row in covered(world)["one"].missing if row.day == ago(0))
            assert row.next_attempt is not None
            here.clock.now = row.next_attempt - timedelta(seconds=1)
            early, _ = sync(world)
            assert early.exit == 3
            assert sandbox.asked(APP.app_id, ago(0)) == asked + 1, "not before its time"
            pauses.append(row.next_attempt - row_time(world))
            here.clock.now = row.next_attempt
        sandbox.faults.clear()
        healed, _ = sync(world)
    assert [round(pause / timedelta(minutes=30)) for pause in pauses] == [
        1,
        2,
        4,
        8,
        16,
        32,
        48,
        48,
        48,
    ]
    assert healed.exit == 0


def row_time(world: object) -> object:
    """Return when the newest day was last asked for."""
    attempts = world.ledger.read(queries.attempts_of, Report("one", ago(0)))  # type: ignore[attr-defined]
    return attempts[-1].ended


def test_fault_10_after_thirty_days_it_is_asked_for_weekly(here: Here) -> None:
    with (
        Sandbox([APP], faults=[Fault("404", day=ago(5))], clock=here.clock) as sandbox,
        here.world(sandbox, APP) as world,
    ):
        here.clock.forward(days=40)
        sync(world)
        row = covered(world)["one"].missing[0]
    assert row.day == ago(5)
    assert row.next_attempt == here.clock.now + timedelta(days=7)


@pytest.mark.slow
def test_fault_12_one_app_that_fails_or_hangs_leaves_the_others_alone(here: Here) -> None:
    apps = [stand_in(name, 12) for name in ("fails", "refused", "well")] + [stand_in("hangs", 2)]
    faults = [Fault("500", app="fails"), Fault("silent", app="hangs"), Fault("403", app="refused")]
    here.settings |= {"deadline": "1s", "read_timeout": "1s", "workers": "6"}
    began = time.monotonic()
    with (
        Sandbox(apps, faults=faults, clock=here.clock) as sandbox,
        here.world(sandbox, *apps) as world,
    ):
        summary, heard = sync(world)
        stored = {name: one.stored for name, one in covered(world).items()}
    assert stored == {"fails": 0, "hangs": 0, "refused": 0, "well": 12}
    assert summary.exit == 77
    assert time.monotonic() - began < 30
    told = [outcome for (app, _), outcome in heard.outcomes.items() if app == "well"]
    assert told == [Outcome.STORED] * 12


def test_fault_18_what_is_odd_is_stored_and_flagged(here: Here) -> None:
    app = stand_in("one", 9)
    with (
        Sandbox(
            [app], faults=[Fault("empty-zip", day=(ago(3), ago(2)))], clock=here.clock
        ) as sandbox,
        here.world(sandbox, app) as world,
    ):
        summary, heard = sync(world)
        versions = world.ledger.read(queries.versions_of, Report("one", ago(2)))
    flags = {one.report.day: one.flags for one in heard.ended_all if one.flags}
    assert (summary.exit, summary.stored) == (0, 9)
    assert set(flags) == {ago(3), ago(2)}
    assert summary.flagged == 2
    assert any("empty" in flag for flag in flags[ago(2)] + flags[ago(3)])
    assert any("same bytes" in flag for flag in flags[ago(2)] + flags[ago(3)])
    assert versions[0].archive.members == 0


def test_fault_19_a_changed_report_is_a_version_of_which_one_is_told(here: Here) -> None:
    with Sandbox([APP], clock=here.clock) as sandbox, here.world(sandbox, APP) as world:
        sync(world)
        here.clock.forward(hours=1)
        sandbox.faults.add(Fault("changed", day=ago(3)))
        summary, heard = backfill(world, ago(4), ago(2), again=True)
        versions = world.ledger.read(queries.versions_of, Report("one", ago(3)))
    assert heard.outcomes == {
        ("one", ago(4)): Outcome.UNCHANGED,
        ("one", ago(3)): Outcome.VERSION,
        ("one", ago(2)): Outcome.UNCHANGED,
    }
    assert (summary.stored, summary.versions, summary.unchanged, summary.exit) == (1, 1, 2, 0)
    assert [(one.archive.version, one.held) for one in versions] == [(1, True), (2, True)]
    assert len({one.number for one in versions}) == 2, "each is an arrival of its own"


def test_fault_22_what_stands_where_one_apps_sums_belong_is_no_matter_for_the_others(
    here: Here,
) -> None:
    apps = (stand_in("one", 2), stand_in("two", 2))
    (here.archive / "one" / f"{NEWEST.year}" / "SHA256SUMS").mkdir(parents=True)
    with Sandbox(apps, clock=here.clock) as sandbox, here.world(sandbox, *apps) as world:
        summary, _ = sync(world)
        assert (summary.stored, summary.missing, summary.exit) == (4, 0, 5)
        assert len(world.store.read_sums("two", NEWEST.year)) == 2
        assert list(world.store.backups.glob("ledger-*.db"))


def test_fault_25_a_version_that_was_kept_and_not_recorded_is_not_kept_twice(here: Here) -> None:
    report = Report("one", ago(3))
    with Sandbox([APP], clock=here.clock) as sandbox, here.world(sandbox, APP) as world:
        sync(world)
        sandbox.faults.add(Fault("changed", day=ago(3)))
        for _ in range(2):
            # What a kill between the two leaves behind; the first time there is nothing to forget.
            world.ledger.write(
                lambda ledger: ledger.exec_driver_sql("DELETE FROM archives WHERE version = 2")
            )
            here.clock.forward(hours=1)
            assert backfill(world, ago(3), ago(3), again=True)[0].versions == 1
        versions = world.ledger.read(queries.versions_of, report)
        assert world.store.versions(report) == [1, 2]
    assert [(one.archive.version, one.held) for one in versions] == [(1, True), (2, True)]


def test_fault_20_an_archive_over_the_cap_is_refused_and_the_others_are_stored(here: Here) -> None:
    here.settings["max_size"] = "64KiB"
    large = stand_in("large", 3)
    with (
        Sandbox([large], clock=here.clock, report_size=200_000) as big,
        Sandbox([APP], clock=here.clock) as small,
    ):
        with here.world(big, large) as world:
            summary, heard = sync(world)
        assert (summary.exit, summary.stored, summary.missing) == (5, 0, 3)
        assert {one.outcome for one in heard.ended_all} == {Outcome.FAILED}
        assert all("max_size" in (one.hint or "") for one in heard.ended_all)
        assert summary.trouble is None, "the disk itself is well"
        with here.world(small, APP) as world:
            assert sync(world)[0].exit == 0
    assert list(here.archive.rglob("*.part")) == []


def test_fault_20_too_little_space_ends_the_pass_before_anything_is_written(here: Here) -> None:
    with Sandbox([APP], clock=here.clock) as sandbox:
        config = here.config(sandbox, [APP], {})
        storage = config.storage.model_copy(update={"min_free": 2**60})
        here.config = lambda *_: config.model_copy(update={"storage": storage})  # type: ignore[method-assign]
        with here.world(sandbox, APP) as world:
            summary, _ = sync(world)
            row = covered(world)["one"].missing[-1]
    assert (summary.exit, summary.stored, summary.missing) == (5, 0, 6)
    assert summary.trouble is not None
    assert "min_free" in (summary.trouble.hint or "")
    assert (row.attempts, row.tries) == (0, 0), "the disk's fault is not counted against the day"
    assert list(here.archive.rglob("*.zip")) == []
    assert sandbox.requests == (), "no signature leaves for nothing"


def test_fault_27_after_forty_days_of_sleep_every_day_is_caught_up(here: Here) -> None:
    with Sandbox([APP], clock=here.clock) as sandbox, here.world(sandbox, APP) as world:
        sync(world)
        here.clock.forward(days=40)
        summary, heard = sync(world)
    assert (summary.exit, summary.stored) == (0, 40)
    assert len(heard.outcomes) == 40


def test_a_pass_that_finds_nothing_due_writes_no_attempt(here: Here) -> None:
    app = stand_in("one", -3)
    with Sandbox([app], clock=here.clock) as sandbox, here.world(sandbox, app) as world:
        summary, heard = sync(world)
    assert (summary.exit, summary.asked, summary.missing) == (0, 0, 0)
    assert heard.ended_all == []


def test_fault_22_an_archive_that_was_unmounted_is_told_though_nothing_is_due(here: Here) -> None:
    with Sandbox([APP], clock=here.clock) as sandbox, here.world(sandbox, APP) as world:
        assert sync(world)[0].exit == 0
        marker = world.store.root / ".reportsync"
        marker.rename(marker.with_name("elsewhere"))
        summary, _ = sync(world)
        marker.with_name("elsewhere").rename(marker)
        again, _ = sync(world)
    assert (summary.exit, summary.asked, again.exit) == (5, 0, 0)
    assert summary.trouble is not None
    assert "mount" in f"{summary.trouble.message} {summary.trouble.hint}"


@pytest.mark.slow
def test_row_14_a_day_that_becomes_due_in_mid_pass_does_not_wait_for_a_hanging_one(
    here: Here,
) -> None:
    slow, other = stand_in("one", 1), stand_in("two", 3)
    here.settings |= {"deadline": "4s", "read_timeout": "4s"}
    faults = [Fault("hang", app="one")]
    with (
        Sandbox([slow, other], faults=faults, clock=here.clock) as sandbox,
        here.world(sandbox, slow, other) as world,
    ):
        sync_of(world, "two")
        order = Order(
            "run", world.config.apps, Ask(), 4, wait_for_busy=False, reserved=1, refill=True
        )
        heard, began = Heard(), time.monotonic()
        work = threading.Thread(target=run_pass, args=(world, order, heard))
        work.start()
        while not sandbox.asked("IDONE", ago(0)):
            time.sleep(0.01)
        here.clock.forward(days=1)
        while not (here.archive / "two" / "2026" / "20261123.zip").exists():
            assert time.monotonic() - began < 3.5, "it waited for the other app"
            time.sleep(0.01)
        work.join()
    assert heard.outcomes["two", ago(-1)] is Outcome.STORED


def sync_of(world: World, name: str) -> None:
    """Fetch what is due of one app."""
    assert run_pass(world, Order("sync", (app_of(world, name),), Ask(), 4)).exit == 0


def test_what_lies_in_the_way_of_one_app_does_not_hide_that_the_disk_fails() -> None:
    tally, full = _Tally(), StorageError("no space left", hint="make room")
    for trouble in (
        Obstructed("a link", hint=""),
        Obstructed("another", hint=""),
        full,
        LedgerError(""),
    ):
        tally.note(trouble)
        assert tally.trouble is not None
    assert tally.trouble is full
    alone = _Tally()
    for told in ("first", "second"):
        alone.note(Obstructed(told, hint=""))
    assert str(alone.trouble) == "first"


def test_what_lies_in_the_way_of_one_app_holds_up_no_other(here: Here, tmp_path: Path) -> None:
    apps = stand_in("one", 12), stand_in("two", 12)
    with Sandbox(apps, clock=here.clock) as sandbox, here.world(sandbox, *apps) as world:
        (here.archive / "one").symlink_to(tmp_path)
        order = Order("sync", world.config.apps, Ask(), 1)
        summary = run_pass(world, order)
        missing = {name: len(one.missing) for name, one in covered(world).items()}
    assert (summary.exit, isinstance(summary.trouble, Obstructed)) == (5, True)
    assert missing == {"one": 12, "two": 0}
    assert {one.app_id for one in sandbox.requests} == {"IDTWO"}

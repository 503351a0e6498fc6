"""Incidents of real passes: told once, over restarts, to real receivers; ended when the cause is gone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from incident_world import NEWEST, START, Scene, scene, stand_in
from notice_receiver import Receiver, dead_port, eventually
from pass_world import verified

from reportsync.calendar import DayWord
from reportsync.errors import LedgerError, StorageError
from reportsync.incidents import Seen
from reportsync.ledger import incidents
from reportsync.ledger import waivers as waiver_rows
from reportsync.model import ONE_DAY, Report, Waiver
from reportsync.plan import Ask
from reportsync.sandbox import Fault
from reportsync.service import hooks
from reportsync.service.announcing import Announcer
from reportsync.service.passes import Listener, Order, Summary, run_pass
from reportsync.service.repair import mend
from reportsync.service.review import HOOK_TRIES
from reportsync.service.seen import Watch, seen_in
from reportsync.service.status import status
from reportsync.service.world import World

# Apprise 2.2 imports it with its mail plugin on Python up to 3.12.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")


@pytest.mark.slow
def test_row_39_a_hole_is_told_once_reminded_daily_and_its_end_is_told(tmp_path: Path) -> None:
    shop = stand_in("shop", holes=frozenset({NEWEST - ONE_DAY}))
    hole = f"shop: {NEWEST - ONE_DAY} is missing"
    with Receiver() as receiver, scene(tmp_path, shop) as stage:
        stage.notify = {"urls": [receiver.target]}
        stage.run()
        stage.run()
        stage.pass_by(hours=23, minutes=59)
        stage.run()
        assert receiver.titles == [hole]
        stage.pass_by(minutes=1)
        stage.run()
        stage.run()
        assert receiver.titles == [hole, f"still open: {hole}"]
        stage.pass_by(days=1)
        with stage.world() as world:
            one = Waiver("shop", NEWEST - ONE_DAY, NEWEST - ONE_DAY, "never", "me", stage.now)
            world.ledger.write(waiver_rows.add, one)
        stage.run()
        assert receiver.titles[2:] == [f"over: {hole}"]
        assert receiver.heard[-1].notice["message"] == f"shop {NEWEST - ONE_DAY} was waived."
        assert stage.logged == receiver.titles
        assert stage.open_keys() == []


def test_row_38_a_late_report_is_told_at_its_deadline_and_over_when_stored(tmp_path: Path) -> None:
    due = START.replace(hour=4)
    with scene(tmp_path, stand_in("shop"), now=due) as stage:
        absent = Fault("404", day=NEWEST)
        stage.sandbox.faults.add(absent)
        stage.run()
        assert stage.logged == []
        stage.now = due + timedelta(hours=12)
        stage.run()
        assert stage.logged == [f"shop: {NEWEST} is missing"]
        stage.sandbox.faults.remove(absent)
        stage.run()
        assert stage.logged[1:] == [f"over: shop: {NEWEST} is missing"]
        assert stage.bodies[-1] == f"shop {NEWEST} is there."


@pytest.mark.slow
def test_row_d_forty_apps_on_one_host_are_one_notice(tmp_path: Path) -> None:
    apps = [stand_in(f"shop-{n:02}", 2) for n in range(40)]
    with Receiver() as receiver, scene(tmp_path, *apps) as stage:
        stage.notify = {"urls": [receiver.target]}
        down = Fault("503")
        stage.sandbox.faults.add(down)
        stage.run()
        host = stage.sandbox.url.removeprefix("http://")
        assert receiver.titles == [f"{host}: the reports of 40 apps fail"]
        assert "answered 503" in receiver.heard[0].notice["message"]
        stage.run()
        assert len(receiver.heard) == 1
        stage.sandbox.faults.remove(down)
        stage.run()
        assert receiver.titles[1:] == [f"over: {host}: the reports of 40 apps fail"]
        assert stage.open_keys() == []


def test_fault_09_a_refused_key_is_one_notice_and_over_when_it_is_right(tmp_path: Path) -> None:
    with Receiver() as receiver, scene(tmp_path, stand_in("shop", 5), stand_in("other")) as stage:
        stage.notify = {"urls": [receiver.target]}
        stage.keys["shop"] = "not-the-key-0123"
        assert stage.run().exit == 77
        stage.run()
        assert receiver.titles == ["shop: the key is refused"]
        body = receiver.heard[0].notice["message"]
        assert "reportsync check --app shop" in body
        assert "not-the-key" not in body
        del stage.keys["shop"]
        assert stage.run().exit == 0
        assert receiver.titles[1:] == ["over: shop: the key is refused"]
        assert "(5 days) are there." in receiver.heard[1].notice["message"]


def test_a_pass_over_other_apps_leaves_an_incident_as_it_is(tmp_path: Path) -> None:
    with scene(tmp_path, stand_in("shop"), stand_in("other")) as stage:
        stage.keys["shop"] = "not-the-key-0123"
        stage.run()
        stage.run(only=["other"])
        assert stage.logged == ["shop: the key is refused"]
        assert stage.open_keys() == ["key:shop"]


def test_fault_13_410_is_told_at_once(tmp_path: Path) -> None:
    with scene(tmp_path, stand_in("shop"), stand_in("other"), now=START.replace(hour=5)) as stage:
        stage.sandbox.faults.add(Fault("410", app="shop"))
        stage.run()
        stage.run(patient=True)
        assert stage.logged == ["shop: every day is refused"]


def test_fault_16_an_archive_that_cannot_be_taken_is_told_at_once(tmp_path: Path) -> None:
    with scene(tmp_path, stand_in("shop"), now=START.replace(hour=5)) as stage:
        stage.sandbox.faults.add(Fault("encrypted", day=NEWEST - ONE_DAY))
        stage.run()
        stage.run(patient=True)
        assert stage.logged == ["shop: 1 archive is not acceptable"]


def test_damage_is_told_once_and_over_when_the_file_is_right_again(tmp_path: Path) -> None:
    with stored(tmp_path) as (stage, world, announcer):
        path = world.store.path(Report("shop", NEWEST), 1)
        right = path.read_bytes()
        for content in (right[:-1] + b"x", right[:-1] + b"x", right):
            path.chmod(0o600)
            path.write_bytes(content)
            stage.pass_by(minutes=5)
            announcer.found(world.ledger, seen_in(verified(world)))
            stage.step(world, announcer)
    assert stage.logged == [
        "shop: 1 archive is damaged or lost",
        "over: shop: 1 archive is damaged or lost",
    ]


@contextmanager
def stored(folder: Path) -> Iterator[tuple[Scene, World, Announcer]]:
    """Yield a scene with one app, all whose due days are stored, and what works in it."""
    with scene(folder, stand_in("shop")) as stage:
        stage.run()
        with stage.world() as world, stage.announcer() as announcer:
            yield stage, world, announcer


def tell_verified(stage: Scene, world: World, announcer: Announcer) -> None:
    """Verify everything, five minutes later, and tell what was found."""
    stage.pass_by(minutes=5)
    announcer.found(world.ledger, seen_in(verified(world)))


def test_what_is_damaged_while_other_damage_is_open_is_not_over_before_it_is_mended(
    tmp_path: Path,
) -> None:
    with stored(tmp_path) as (stage, world, announcer):
        first, later = (
            world.store.path(Report("shop", NEWEST - days * ONE_DAY), 1) for days in (2, 1)
        )
        whole = {path: path.read_bytes() for path in (first, later)}
        verify = partial(tell_verified, stage, world, announcer)
        first.unlink()
        verify()
        verify()  # by which the later one was found right after the incident began
        later.unlink()
        verify()
        first.write_bytes(whole[first])
        verify()
        stage.pass_by(minutes=5)
        stage.step(world, announcer)
        assert stage.logged == ["shop: 1 archive is damaged or lost"]
        later.write_bytes(whole[later])
        verify()
    assert stage.logged[1:] == ["over: shop: 2 archives are damaged or lost"]


def test_what_came_while_damage_was_open_and_is_damaged_then_is_not_taken_for_mended(
    tmp_path: Path,
) -> None:
    with stored(tmp_path) as (stage, world, announcer):
        first = world.store.path(Report("shop", NEWEST), 1)
        whole = first.read_bytes()
        first.unlink()
        announcer.found(world.ledger, seen_in(verified(world)))
        stage.pass_by(days=1)
        stage.step(world, announcer)
        came = world.store.path(Report("shop", NEWEST + ONE_DAY), 1)
        came.unlink()
        tell_verified(stage, world, announcer)
        first.write_bytes(whole)
        tell_verified(stage, world, announcer)
        stage.step(world, announcer)
        assert "over" not in "".join(stage.logged)
        (left,) = incidents_left(world)
        assert left == came


def incidents_left(world: World) -> list[Path]:
    """Return the files of the reports that open damage holds back."""
    left = world.ledger.read(lambda read: incidents.damaged(read, incidents.open_now(read)))
    return [world.store.path(report, 1) for report in sorted(left)]


def test_fault_33_damage_found_under_a_clock_that_was_ahead_ends_when_it_is_mended(
    tmp_path: Path,
) -> None:
    with stored(tmp_path) as (stage, world, announcer):
        path = world.store.path(Report("shop", NEWEST), 1)
        whole = path.read_bytes()
        path.unlink()
        found = verified(world)
        stage.pass_by(days=3650)
        announcer.found(world.ledger, seen_in(found))
        stage.pass_by(days=-3650)
        stage.step(world, announcer)
        path.write_bytes(whole)
        tell_verified(stage, world, announcer)
        stage.step(world, announcer)
        assert incidents_left(world) == []
    assert stage.open_keys() == []


def test_fault_33_damage_of_what_was_verified_under_a_clock_that_was_ahead_stays_known(
    tmp_path: Path,
) -> None:
    with stored(tmp_path) as (stage, world, announcer):
        path = world.store.path(Report("shop", NEWEST), 1)
        stage.pass_by(days=3)
        verified(world)
        stage.pass_by(days=-3)
        path.unlink()
        tell_verified(stage, world, announcer)
        assert incidents_left(world) == [path]
        stage.step(world, announcer)
        assert stage.logged == ["shop: 1 archive is damaged or lost"]


def test_storage_is_told_once_and_over_when_it_works_again(tmp_path: Path) -> None:
    with scene(tmp_path, stand_in("shop")) as stage, Receiver() as receiver:
        stage.notify = {"urls": [receiver.target], "healthchecks": None}
        stage.run()
        marker = next(tmp_path.glob("archive/.reportsync"))
        marker.rename(tmp_path / "aside")
        for _ in range(2):
            with pytest.raises(StorageError) as caught, stage.world():
                raise AssertionError("the archive was opened without its marker")
            with stage.announcer() as announcer:
                announcer.could_not_begin(caught.value, 5)
        (tmp_path / "aside").rename(marker)
        stage.run()
        title = "the archive or the ledger cannot be used"
        assert receiver.titles == [title, f"over: {title}"]


def test_fault_31_a_ledger_that_cannot_remember_is_told_once_by_a_process(tmp_path: Path) -> None:
    with scene(tmp_path, stand_in("shop")) as stage, Receiver() as receiver:
        stage.notify = {"urls": [receiver.target]}
        error = LedgerError("the ledger is locked", hint="see who")
        for _ in range(3):
            with stage.announcer() as announcer:
                announcer.could_not_begin(error, 5)
        assert receiver.titles == ["the archive or the ledger cannot be used"]
        assert not (tmp_path / "ledger.db").exists()


def test_a_daemon_that_is_restarted_again_and_again_for_its_ledger_leaves_it_to_the_check(
    tmp_path: Path,
) -> None:
    with scene(tmp_path, stand_in("shop")) as stage, Receiver() as check, Receiver() as target:
        stage.notify = {"healthchecks": check.check, "urls": [target.target]}
        with stage.announcer() as announcer:
            announcer.could_not_begin(LedgerError("the ledger is locked"), 5, restarted=True)
    assert (check.signs, target.titles) == (["fail"], [])
    assert "the ledger is locked" in check.heard[0].body
    assert stage.logged == ["the archive or the ledger cannot be used"]


def test_a_ledger_that_fails_after_the_pass_is_told_and_the_pass_stands(tmp_path: Path) -> None:
    with scene(tmp_path, stand_in("shop")) as stage:
        with stage.world() as world, stage.announcer() as announcer:
            (tmp_path / "ledger.db").unlink()
            announcer.conclude(world.ledger, Summary(), Seen(storage_fine=True))
        assert stage.logged == ["the archive or the ledger cannot be used"]


def test_fault_37_an_app_that_leaves_the_config_takes_its_incident_along(tmp_path: Path) -> None:
    with scene(tmp_path, stand_in("shop"), stand_in("other")) as stage:
        stage.keys["shop"] = "not-the-key-0123"
        stage.run()
        stage.apps = stage.apps[1:]
        stage.run()
        assert stage.logged == ["shop: the key is refused"]
        assert [(one.key, one.closed is None) for one in stage.incidents()] == [("key:shop", False)]


def test_fault_33_a_clock_that_jumps_to_and_fro_makes_no_storm(tmp_path: Path) -> None:
    with scene(tmp_path, stand_in("shop", holes=frozenset({NEWEST}))) as stage:
        stage.run()
        for hours in (-1, 1, -20, 20):
            stage.pass_by(hours=hours)
            stage.run()
        assert stage.logged == [f"shop: {NEWEST} is missing"]


def test_kinds_that_nobody_asked_for_are_logged_and_not_sent(tmp_path: Path) -> None:
    shop = stand_in("shop", holes=frozenset({NEWEST}))
    with Receiver() as receiver, scene(tmp_path, shop, stand_in("other")) as stage:
        stage.notify = {"urls": [receiver.target], "on": ["rejected"]}
        stage.keys["other"] = "not-the-key-0123"
        stage.run()
        del stage.keys["other"]
        stage.run()
        assert receiver.titles == ["other: the key is refused"]
        assert stage.logged == [
            "other: the key is refused",
            f"shop: {NEWEST} is missing",
            "over: other: the key is refused",
        ]


def test_fault_42_an_opening_that_nobody_took_is_told_by_the_next_pass(tmp_path: Path) -> None:
    with scene(tmp_path, stand_in("shop", holes=frozenset({NEWEST}))) as stage:
        stage.notify = {"urls": [f"json://127.0.0.1:{dead_port()}/hidden-path-of-notices"]}
        stage.run()
        assert len(stage.warnings) == 1
        assert "notify.urls[0]" in stage.warnings[0]
        assert "hidden-path" not in stage.warnings[0]
        with Receiver() as receiver:
            stage.notify = {"urls": [receiver.target]}
            stage.run()
            stage.run()
        assert receiver.titles == [f"shop: {NEWEST} is missing"]
        assert stage.logged == receiver.titles


def test_an_end_that_nobody_took_is_told_by_the_next_pass(tmp_path: Path) -> None:
    absent = Fault("404", day=NEWEST)
    with Receiver() as receiver, scene(tmp_path, stand_in("shop")) as stage:
        stage.sandbox.faults.add(absent)
        stage.notify = {"urls": [receiver.target]}
        stage.run()
        stage.sandbox.faults.remove(absent)
        receiver.status = 500
        stage.run()
        receiver.status = 200
        stage.run()
        stage.run()
        title = f"shop: {NEWEST} is missing"
        assert receiver.titles == [title, f"over: {title}", f"over: {title}"]


def test_one_channel_that_takes_it_is_enough(tmp_path: Path) -> None:
    dead = f"json://127.0.0.1:{dead_port()}/hidden-path-of-notices"
    with (
        Receiver() as receiver,
        scene(tmp_path, stand_in("shop", holes=frozenset({NEWEST}))) as stage,
    ):
        stage.notify = {"urls": [dead, receiver.target]}
        stage.run()
        stage.run()
        assert receiver.titles == [f"shop: {NEWEST} is missing"]


@pytest.mark.slow
def test_fault_42_a_hanging_target_neither_delays_the_pass_nor_starves_the_others(
    tmp_path: Path,
) -> None:
    with (
        Receiver(hangs=True) as hanging,
        Receiver() as receiver,
        scene(tmp_path, stand_in("shop", holes=frozenset({NEWEST})), wait=1.0) as stage,
    ):
        stage.notify = {"healthchecks": hanging.check, "urls": [hanging.target, receiver.target]}
        began = time.monotonic()
        assert stage.run().exit == 3
        assert time.monotonic() - began < 6
        assert receiver.titles == [f"shop: {NEWEST} is missing"]
        late = "not delivered in time: "
        assert stage.warnings == [f"{late}notify.urls[0]", f"{late}notify.healthchecks"]
        stage.run()
        assert len(receiver.heard) == 1


def test_a_daemon_does_not_wait_and_notes_later_what_arrived(tmp_path: Path) -> None:
    with (
        Receiver() as receiver,
        scene(tmp_path, stand_in("shop", holes=frozenset({NEWEST})), wait=0.0) as stage,
    ):
        stage.notify = {"urls": [receiver.target]}
        with stage.world() as world, stage.announcer() as announcer:
            stage.step(world, announcer)
            (before,) = world.ledger.read(incidents.open_now)
            assert (before.told, before.handed) == (None, stage.now)
            announcer.end(world.ledger, 5)
            (after,) = world.ledger.read(incidents.open_now)
            assert (after.told, after.handed) == (stage.now, None)


@pytest.mark.slow
def test_a_locked_ledger_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with (
        Receiver() as receiver,
        scene(tmp_path, stand_in("shop", holes=frozenset({NEWEST})), wait=0.0) as stage,
    ):
        stage.notify = {"urls": [receiver.target]}
        with stage.world() as world, stage.world() as other, stage.announcer() as announcer:
            stage.step(world, announcer)

            def hold(connection: object) -> float:
                began = time.monotonic()
                announcer.end(world.ledger, 0.5)
                return time.monotonic() - began

            assert other.ledger.write(hold) < 4
            eventually(lambda: receiver.heard)


def test_row_37_a_pass_is_told_by_start_and_success_of_one_run(tmp_path: Path) -> None:
    with Receiver() as receiver, scene(tmp_path, stand_in("shop")) as stage:
        stage.notify = {"healthchecks": receiver.check}
        stage.run()
        stage.run()
    assert receiver.signs == ["start", "success", "start", "success"]
    runs = [one.path.partition("rid=")[2] for one in receiver.heard]
    assert runs[0] == runs[1] != runs[2] == runs[3]
    assert receiver.heard[1].body.startswith("3 asked for, 3 stored, 0 missing, exit 0")


def test_row_37_an_open_incident_is_a_failure_with_its_name_and_waiting_is_none(
    tmp_path: Path,
) -> None:
    due = START.replace(hour=4)
    shop = stand_in("shop", holes=frozenset({NEWEST}))
    with Receiver() as receiver, scene(tmp_path, shop, now=due) as stage:
        stage.notify = {"healthchecks": receiver.check}
        stage.run()
        stage.pass_by(hours=12)
        stage.run()
    assert receiver.signs == ["start", "success", "start", "fail"]
    assert f"shop: {NEWEST} is missing since" in receiver.heard[3].body


def test_a_pass_that_was_stopped_tells_nothing_of_what_it_did_not_come_to(tmp_path: Path) -> None:
    with Receiver() as receiver, scene(tmp_path, stand_in("shop", 30)) as stage:
        stage.notify = {"healthchecks": receiver.check}
        with stage.world() as world, stage.announcer() as announcer:
            world.stop.request()
            assert stage.step(world, announcer).stopped
            announcer.settle(world.ledger, 5)
    assert receiver.signs == ["start"]
    assert stage.logged == []


def test_a_bug_in_a_pass_is_told_to_the_check(tmp_path: Path) -> None:
    with Receiver() as receiver, scene(tmp_path, stand_in("shop")) as stage:
        stage.notify = {"healthchecks": receiver.check}
        with pytest.raises(ZeroDivisionError), stage.announcer() as announcer:
            announcer.begin()
            raise ZeroDivisionError("hidden words")
    assert receiver.signs == ["start", "fail"]
    assert receiver.heard[1].body == "a pass failed: ZeroDivisionError; the log has more"


def test_a_bug_in_the_review_leaves_the_pass_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("hidden words")

    monkeypatch.setattr("reportsync.service.announcing.review_now", broken)
    with Receiver() as receiver, scene(tmp_path, stand_in("shop")) as stage:
        stage.notify = {"healthchecks": receiver.check}
        assert stage.run().exit == 0
    assert stage.warnings == ["incidents could not be reviewed: ZeroDivisionError"]
    assert receiver.signs == ["start", "fail"]


def test_status_lists_what_is_open_for_the_apps_that_are_asked_for(tmp_path: Path) -> None:
    with scene(tmp_path, stand_in("shop"), stand_in("other")) as stage:
        stage.keys["shop"] = "not-the-key-0123"
        stage.run()
        with stage.world() as world:
            shop, other = world.config.apps
            (found,) = status(world.ledger, [shop, other], stage.now)["incidents"]
            assert status(world.ledger, [other], stage.now)["incidents"] == []
    assert found["key"] == "key:shop"
    assert found["title"] == "shop: the key is refused"
    assert found["since"] == "2026-11-23T20:00:01Z"
    assert (found["apps"], found["days"]) == (["shop"], 3)
    assert found["command"] == "reportsync check --app shop"


def test_status_shows_no_incident_whose_days_were_all_waived_since(tmp_path: Path) -> None:
    hole, other = NEWEST - ONE_DAY, NEWEST - 3 * ONE_DAY
    with scene(tmp_path, stand_in("shop", 5, holes=frozenset({hole, other}))) as stage:
        stage.run()
        stage.pass_by(minutes=1)
        with stage.world() as world:
            assert len(status(world.ledger, world.config.apps, stage.now)["incidents"]) == 2
            one = Waiver("shop", hole, hole, "never made", "me", stage.now)
            world.ledger.write(waiver_rows.add, one)
            (left,) = status(world.ledger, world.config.apps, stage.now)["incidents"]
        assert left["key"] == f"late:shop:{other}"
        assert len(stage.open_keys()) == 2


def repaired(stage: Scene, *reports: Report, ask: Ask | None = None) -> Summary:
    """Make the pass that ends a repair, which asks for `reports` alone; with `ask` that of a backfill."""
    stage.pass_by(seconds=1)
    with stage.world() as world, stage.announcer() as announcer:
        watch = Watch(Listener())
        only = frozenset(reports) if ask is None else None
        order = Order("person", world.config.apps, ask or Ask(patient=False), 4, only=only)
        summary = run_pass(world, order, watch)
        announcer.conclude(world.ledger, summary, watch.seen(None, summary.only))
        return summary


def test_a_repair_judges_damage_and_what_it_fetched_and_no_other_day(tmp_path: Path) -> None:
    with scene(tmp_path, stand_in("shop", 4)) as stage:
        stage.sandbox.faults.add(Fault("404"))
        repaired(stage)
        assert stage.logged == []
        repaired(stage, Report("shop", NEWEST))
        assert stage.logged == [f"shop: {NEWEST} is missing"]


def test_a_backfill_judges_the_days_that_it_asked_for_and_no_other(tmp_path: Path) -> None:
    newest = DayWord(NEWEST)
    with scene(tmp_path, stand_in("shop", 4)) as stage:
        stage.sandbox.faults.add(Fault("404"))
        repaired(stage, ask=Ask(patient=False, since=newest))
        assert stage.logged == [f"shop: {NEWEST} is missing"]


def test_a_repair_ends_no_incident_about_days_that_it_did_not_ask_for(tmp_path: Path) -> None:
    with scene(tmp_path, stand_in("shop", 4)) as stage:
        stage.sandbox.faults.add(Fault("404"))
        stage.run()
        stage.sandbox.faults.clear()
        assert repaired(stage, Report("shop", NEWEST)).stored == 1
        assert stage.logged == ["shop: every day is refused"]
        stage.run()
        assert stage.logged[1:] == ["over: shop: every day is refused"]


def test_days_that_a_full_disk_keeps_from_being_asked_for_are_told_as_that(tmp_path: Path) -> None:
    with scene(tmp_path, stand_in("shop", 4), min_free="900TiB") as stage:
        stage.run()
        assert stage.logged == ["the archive or the ledger cannot be used"]


def test_many_at_once_are_sent_as_one_and_all_count_as_told(tmp_path: Path) -> None:
    apps = [stand_in(f"shop-{n}", 2) for n in range(8)]
    with Receiver() as receiver, scene(tmp_path, *apps) as stage:
        stage.notify = {"urls": [receiver.target]}
        stage.keys = {str(app.name): "not-the-key-0123" for app in apps}
        stage.run()
        stage.run()
        assert receiver.titles == ["8 incidents opened"]
        assert len(stage.logged) == 8


def test_fault_30_a_lost_file_is_over_once_it_was_fetched_again(tmp_path: Path) -> None:
    with stored(tmp_path) as (stage, world, announcer):
        world.store.path(Report("shop", NEWEST - ONE_DAY), 1).unlink()
        announcer.found(world.ledger, seen_in(verified(world)))
        mend(world, world.config.apps, lambda mended: None)
        stage.pass_by(minutes=1)
        stage.step(world, announcer)
    assert stage.logged[1:] == ["over: shop: 1 archive is damaged or lost"]
    assert stage.bodies[-1] == f"shop {NEWEST - ONE_DAY} is there."


def test_two_processes_at_once_send_one_notice(tmp_path: Path) -> None:
    shop = stand_in("shop", holes=frozenset({NEWEST}))
    with Receiver() as receiver, scene(tmp_path, shop, wait=0.0) as stage:
        stage.notify = {"urls": [receiver.target]}
        with stage.world() as one, stage.announcer() as first:
            stage.step(one, first)
            with stage.world() as other, stage.announcer() as second:
                stage.step(other, second)
                second.end(other.ledger, 5)
            first.end(one.ledger, 5)
        assert receiver.titles == [f"shop: {NEWEST} is missing"]


def test_incidents_are_kept_in_postgresql_as_well(tmp_path: Path, postgres_url: str) -> None:
    shop = stand_in("shop", holes=frozenset({NEWEST}))
    with Receiver() as receiver, scene(tmp_path, shop, stand_in("other"), ledger=postgres_url) as s:
        s.notify = {"urls": [receiver.target]}
        s.keys["other"] = "not-the-key-0123"
        s.run()
        del s.keys["other"]
        s.run()
        assert receiver.titles == [
            "other: the key is refused",
            f"shop: {NEWEST} is missing",
            "over: other: the key is refused",
        ]
        assert s.open_keys() == [f"late:shop:{NEWEST}"]


@pytest.mark.slow
def test_fault_41_a_hook_that_fails_again_and_again_is_told_and_over_when_it_runs(
    tmp_path: Path,
) -> None:
    with scene(tmp_path, stand_in("shop")) as here:
        here.hooks = {"arrival": "false"}
        with here.world() as world:
            hooks.expect_arrivals(world.config, world.ledger)
        here.run()
        for _ in range(HOOK_TRIES):
            assert "hook" not in here.open_keys()
            run_the_hook(here)
        here.run()
        assert here.open_keys() == ["hook"]
        assert f"failed {HOOK_TRIES} times: exit 1" in here.bodies[-1]
        here.hooks = {"arrival": "true"}
        for _ in range(3):
            run_the_hook(here)
        here.run()
        assert here.open_keys() == []


def run_the_hook(here: Scene) -> None:
    """Let the outbox do what is next, a day later."""
    here.pass_by(days=0.3)
    with here.world() as world:
        hooks.Outbox(world.config, world.ledger, world.stop, world.clock).run_next()

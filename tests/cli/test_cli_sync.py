"""`sync`: one pass over everything due; what it prints, keeps and exits with."""

from __future__ import annotations

import pytest
from cli_tool import Place, ago, block, check_sums, name_of, stand_in

from reportsync.sandbox import Fault, Sandbox

REPORT_KEYS = {"event", "app", "day", "outcome", "bytes", "sha256", "status", "reason"}
SUMMARY_KEYS = {"event", "asked", "stored", "adopted", "missing", "rejected", "seconds", "exit"}


def test_sync_stores_every_due_day_and_a_second_one_asks_for_nothing(place: Place) -> None:
    apps = [stand_in("one", 5), stand_in("two", 3)]
    with Sandbox(apps) as sandbox:
        place.serve(sandbox, apps)
        first, second = place.run("sync", "--json"), place.run("sync", "--json")
    assert (first.code, second.code) == (0, 0), first.err
    assert len(sandbox.requests) == 8
    assert set(first.outcomes().values()) == {"stored"}
    assert first.summary | {"seconds": 0} == {
        "event": "summary", "asked": 8, "stored": 8, "adopted": 0, "missing": 0, "rejected": 0,
        "versions": 0, "unchanged": 0, "flagged": 0, "seconds": 0, "exit": 0,
    }  # fmt: skip
    assert second.outcomes() == {}
    assert (second.summary["asked"], second.summary["exit"]) == (0, 0)
    assert first.err == second.err == ""


def test_sync_lays_archives_out_as_promised(place: Place) -> None:
    app = stand_in("one", 4)
    with Sandbox([app]) as sandbox:
        place.serve(sandbox, [app])
        done = place.run("sync", "--json")
    days = [ago(number) for number in (2, 3, 4, 5)]
    assert set(place.zips()) == {f"one/{day:%Y}/{name_of(day)}" for day in days}
    assert {event["sha256"] for event in done.events[:-1]} == set(place.zips().values())
    sizes = {event["day"]: event["bytes"] for event in done.events[:-1]}
    for path in place.archive.glob("one/*/*.zip"):
        assert path.stat().st_mode & 0o777 == 0o440
        assert sizes[f"{path.stem[:4]}-{path.stem[4:6]}-{path.stem[6:]}"] == path.stat().st_size
    assert check_sums(place.archive) == 4
    assert place.ledger.stat().st_mode & 0o777 == 0o600
    backups = list((place.archive / ".ledger").iterdir())
    assert [backup.stat().st_mode & 0o777 for backup in backups] == [0o600]


def test_every_event_has_the_keys_of_the_contract(place: Place) -> None:
    app = stand_in("one", 3)
    with Sandbox([app], faults=[Fault("404", day=ago(3))]) as sandbox:
        place.serve(sandbox, [app])
        done = place.run("sync", "--json")
    assert all(set(event) >= REPORT_KEYS for event in done.events[:-1])
    assert set(done.summary) >= SUMMARY_KEYS
    waiting = next(event for event in done.events if event.get("outcome") == "waiting")
    assert (waiting["status"], waiting["bytes"], waiting["sha256"]) == (404, None, None)
    assert "Report does not exist" in waiting["reason"]


def test_sync_exits_3_while_a_due_report_is_missing_even_if_it_is_not_asked_for_this_time(
    place: Place,
) -> None:
    app = stand_in("one", 3)
    with Sandbox([app], faults=[Fault("404", day=ago(3))]) as sandbox:
        place.serve(sandbox, [app])
        first, second = place.run("sync", "--json"), place.run("sync", "--json")
        asked = sandbox.asked(app.app_id, ago(3))
    assert (first.code, second.code) == (3, 3)
    assert asked == 1, "the second pass has to wait for the next attempt"
    assert second.summary["asked"] == 0
    assert (second.summary["missing"], second.summary["exit"]) == (1, 3)


def test_sync_of_one_app_says_nothing_of_the_other(place: Place) -> None:
    apps = [stand_in("one", 2), stand_in("two", 2)]
    with Sandbox(apps, faults=[Fault("404", app="two")]) as sandbox:
        place.serve(sandbox, apps)
        one, both = place.run("sync", "--app", "one"), place.run("sync", "--app=one", "--app=two")
    assert (one.code, both.code) == (0, 3)
    assert {path.split("/")[0] for path in place.zips()} == {"one"}


def test_an_unknown_app_is_a_usage_error_that_names_the_known_ones(place: Place) -> None:
    app = stand_in("one", 2)
    place.write(block(app, "http://127.0.0.1:9"))
    done = place.run("sync", "--app", "oen")
    assert done.code == 2
    assert "no app is called oen" in done.err
    assert "one" in done.err.splitlines()[-1]
    assert not place.archive.exists()


def test_a_refused_key_exits_77_and_says_what_to_compare(place: Place) -> None:
    app = stand_in("one", 5)
    with Sandbox([app]) as sandbox:
        place.write(block(app, sandbox.url, keys=["another-key-0123"]))
        done, told = place.run("sync", "--json"), place.run("sync")
    assert (done.code, told.code) == (77, 77)
    assert (done.summary["rejected"], done.summary["missing"], done.summary["exit"]) == (1, 5, 77)
    assert len(sandbox.requests) == 2, "one probe for each pass"
    assert "rejected" in told.err
    assert "compare app_id and secret_key" in told.err


def test_a_storage_fault_goes_before_a_refused_key(place: Place) -> None:
    apps = [stand_in("one", 2), stand_in("two", 2)]
    with Sandbox(apps, report_size=50_000) as sandbox:
        blocks = block(apps[0], sandbox.url, keys=["another-key-0123"]) + block(
            apps[1], sandbox.url
        )
        place.write(blocks, http="http: {rate: 0, attempts: 1, max_size: 10KiB}\n")
        done = place.run("sync", "--json")
    assert set(done.outcomes().values()) == {"rejected", "failed"}
    assert (done.code, done.summary["exit"]) == (5, 5)


def test_a_refused_key_goes_before_missing_days(place: Place) -> None:
    apps = [stand_in("one", 2), stand_in("two", 2)]
    with Sandbox(apps, faults=[Fault("500", app="two")]) as sandbox:
        place.write(
            block(apps[0], sandbox.url, keys=["another-key-0123"]) + block(apps[1], sandbox.url)
        )
        done = place.run("sync", "--json")
    assert set(done.outcomes().values()) == {"rejected", "failed"}
    assert (done.code, done.summary["exit"]) == (77, 77)


def test_a_ledger_that_cannot_be_used_is_told_as_a_summary_too(place: Place) -> None:
    app = stand_in("one", 2)
    place.write(block(app, "http://127.0.0.1:9"))
    place.ledger.write_text("this is no database at all, but a letter")
    done = place.run("sync", "--json")
    assert (done.code, done.summary["exit"], done.summary["missing"]) == (5, 5, None)
    assert "not an SQLite database" in done.err
    assert "reportsync repair" in done.err
    assert place.ledger.read_text().startswith("this is no database")


def test_a_quiet_sync_that_went_well_says_nothing(place: Place) -> None:
    app = stand_in("one", 3)
    with Sandbox([app], faults=[Fault("500", day=ago(3), times=1)]) as sandbox:
        place.serve(sandbox, [app])
        bad = place.run("-q", "sync")
        good = place.run("-q", "backfill", "--since", "-30d")
    assert bad.code == 3
    assert [line.partition(":")[0] for line in bad.err.splitlines()] == [
        f"one {ago(3)} failed",
        "incident",
    ]
    assert bad.out.startswith("done: 3 asked for, 2 stored, 1 missing")
    assert (good.code, good.out, good.err) == (0, "", "")


def test_a_failed_report_is_told_with_what_mends_it_and_verbose_with_its_next_attempt(
    place: Place,
) -> None:
    app = stand_in("one", 1)
    with Sandbox([app], faults=[Fault("html-200")]) as sandbox:
        place.serve(sandbox, [app])
        quiet, verbose = place.run("-q", "sync"), place.run("-v", "backfill", "--since", "-9d")
    for done in (quiet, verbose):
        line = done.err.splitlines()[0]
        assert line.startswith(f"one {ago(2)} failed: ")
        assert line.endswith("; what to do: check base_url and http.proxy")
        assert (", next attempt 20" in line) == (done is verbose)


def test_json_of_a_report_has_a_hint_where_something_mends_it(place: Place) -> None:
    app = stand_in("one", 2)
    faults = [Fault("html-200", day=ago(2)), Fault("404", day=ago(3))]
    with Sandbox([app], faults=faults) as sandbox:
        place.serve(sandbox, [app])
        done = place.run("sync", "--json")
    assert {event["outcome"]: event.get("hint") for event in done.events[:-1]} == {
        "failed": "check base_url and http.proxy",
        "waiting": None,
    }


def test_config_problems_exit_78_with_their_position(place: Place) -> None:
    place.config.write_text("apps:\n  - name: one\n    timezone: Mars/Olympus\n")
    done = place.run("sync")
    assert (done.code, done.out) == (78, "")
    assert f"{place.config}:3:15: " in done.err
    assert "app_id" in done.err, "all problems at once"


@pytest.mark.parametrize(
    "command", [["sync"], ["status"], ["backfill", "--since", "-7d"], ["check"]]
)
def test_a_config_that_is_not_there_exits_78(place: Place, command: list[str]) -> None:
    done = place.run(*command)
    assert (done.code, done.out) == (78, "")
    assert "reportsync init" in done.err


def test_a_folder_in_place_of_a_config_exits_78(place: Place) -> None:
    place.config.touch()
    place.config = place.folder
    done = place.run("sync")
    assert (done.code, done.out) == (78, "")
    assert done.err.splitlines() == [
        f"reportsync: the config file {place.folder} is a folder",
        f"  what to do: name the file in it: {place.folder}/config.yaml",
    ]

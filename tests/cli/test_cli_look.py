"""`status`, `plan`, `why`, `health`: they tell what is, before the first pass too, and write nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cli_tool import Place, ago, block, stand_in, today

from reportsync.sandbox import Fault, Sandbox, SandboxApp

STATUS_KEYS = {
    "name", "since", "due_through", "expected", "stored", "missing", "waived", "bytes", "newest",
    "next_due", "gaps",
}  # fmt: skip
LOOKING = [
    ["status"], ["status", "--json"], ["status", "--check"], ["plan"], ["plan", "--json"],
    ["plan", "--at", "2031-01-01T00:00Z"], ["why", "one", "-3d"], ["why", "one", "-3d", "--json"],
    ["check", "--offline"], ["check"], ["config", "validate"], ["config", "show"], ["config", "schema"],
    ["backfill", "--since", "-9d", "-n"], ["repair", "-n"], ["repair", "-n", "--json"], ["health"],
]  # fmt: skip
OPEN_END = SandboxApp("IDOPEN", ("key-of-open-0123456789",), since=ago(3), name="open")


@pytest.mark.slow
def test_looking_before_the_first_pass_writes_nothing(place: Place) -> None:
    app = stand_in("one", 5)
    with Sandbox([app]) as sandbox:
        place.serve(sandbox, [app])
        before = place.everything()
        for words in (*LOOKING, ["verify"], ["verify", "--json"]):
            done = place.run(*words)
            assert done.code in (0, 3), (words, done.err)
            assert "Traceback" not in done.err
            assert place.everything() == before, words


@pytest.mark.slow
def test_looking_after_a_pass_writes_nothing(place: Place) -> None:
    app = stand_in("one", 5)
    with Sandbox([app], faults=[Fault("404", day=ago(3))]) as sandbox:
        place.serve(sandbox, [app])
        place.run("sync")
        next(place.archive.glob("one/*/*.zip")).unlink()
        (place.archive / "one" / "notes.txt").write_text("a stranger")
        before = place.everything()
        for words in LOOKING:
            assert place.run(*words).code in (0, 3, 4), words
            assert place.everything() == before, words


def test_looking_needs_no_right_to_write(place: Place) -> None:
    app = stand_in("one", 5)
    with Sandbox([app]) as sandbox:
        place.serve(sandbox, [app])
        place.run("sync")
        place.ledger.chmod(0o400)
        place.folder.chmod(0o500)
        try:
            codes = {" ".join(words): place.run(*words, plain=True).code for words in LOOKING[:8]}
            assert place.run("sync", plain=True).code == 5, "the folder is really closed"
        finally:
            place.folder.chmod(0o700)
    assert set(codes.values()) == {0}, codes


def test_status_has_the_keys_of_the_contract(place: Place) -> None:
    with Sandbox([OPEN_END], faults=[Fault("404", day=ago(3))]) as sandbox:
        place.write(block(OPEN_END, sandbox.url).replace(", until: None", ""))
        fresh = place.run("status", "--json").json
        place.run("sync")
        found = place.run("status", "--json").json
    assert set(found) >= {"version", "now", "apps"}
    assert found["version"] == 1
    (app,) = found["apps"]
    assert set(app) >= STATUS_KEYS
    expected = app["expected"]
    assert app == fresh["apps"][0] | {
        "stored": expected - 1, "missing": 1, "bytes": app["bytes"], "newest": app["due_through"],
        "gaps": app["gaps"], "strip": app["strip"], "verified_since": app["verified_since"],
    }  # fmt: skip
    assert app["bytes"] == sum(path.stat().st_size for path in place.archive.rglob("*.zip"))
    assert set(app["gaps"][0]) >= {"from", "to", "days", "reason", "next_attempt"}
    assert fresh["apps"][0]["gaps"][0] | {"next_attempt": 0, "reason": 0} == {
        "from": str(ago(3)), "to": app["due_through"], "days": expected, "reason": 0,
        "next_attempt": 0,
    }  # fmt: skip
    assert datetime.fromisoformat(app["next_due"]) > datetime.fromisoformat(found["now"])


def test_gaps_are_runs_of_missing_days_with_reason_and_next_attempt(place: Place) -> None:
    app = stand_in("one", 12)
    faults = [Fault("404", day=(ago(9), ago(7))), Fault("500", day=ago(4))]
    with Sandbox([app], faults=faults) as sandbox:
        place.serve(sandbox, [app])
        place.run("sync")
        found = place.run("status", "--json").json
        told = place.run("status").out
    first, second = found["apps"][0]["gaps"]
    assert (first["from"], first["to"], first["days"]) == (str(ago(9)), str(ago(7)), 3)
    assert (second["from"], second["to"], second["days"]) == (str(ago(4)), str(ago(4)), 1)
    assert "404" in first["reason"]
    assert "500" in second["reason"]
    now = datetime.fromisoformat(found["now"])
    again = datetime.fromisoformat(first["next_attempt"])
    assert timedelta(minutes=25) < again - now <= timedelta(minutes=30)
    states = {one["day"]: one["state"] for one in found["apps"][0]["strip"]}
    assert (states[str(ago(8))], states[str(ago(4))]) == ("waiting", "missing")
    assert f"one {ago(9)} to {ago(7)} (3 days): " in told
    assert "4 of 12 due days are missing (one)." in told


def test_check_of_status_exits_3_on_gaps_and_0_without(place: Place) -> None:
    app = stand_in("one", 3)
    with Sandbox([app], faults=[Fault("404", day=ago(3), times=1)]) as sandbox:
        place.serve(sandbox, [app])
        codes = [place.run("status", "--check").code]
        place.run("sync")
        codes.append(place.run("status", "--check", "--json").code)
        place.run("backfill", "--since=-9d")
        codes.append(place.run("status", "--check").code)
        assert place.run("status").code == 0
    assert codes == [3, 3, 0]


def test_fault_22_status_check_exits_5_while_the_archive_is_not_there(place: Place) -> None:
    app = stand_in("one", 3)
    with Sandbox([app]) as sandbox:
        place.serve(sandbox, [app])
        assert place.run("sync").code == 0
    away = place.archive.rename(place.folder / "unmounted")
    place.archive.mkdir()
    told, checked = place.run("status"), place.run("status", "--check", "--json")
    assert (told.code, checked.code) == (0, 5)
    for done in (told, checked):
        assert "mounted" in done.err and str(place.archive) in done.err
    assert checked.json["apps"][0]["stored"] == 3
    assert list(place.archive.iterdir()) == []
    place.archive.rmdir()
    assert place.run("status", "--check").code == 5
    away.rename(place.archive)
    assert place.run("status", "--check").code == 0


def test_plan_says_what_is_fetched_now_and_what_waits_until_when(place: Place) -> None:
    with Sandbox([OPEN_END], faults=[Fault("404", day=ago(3))]) as sandbox:
        place.write(block(OPEN_END, sandbox.url).replace(", until: None", ""))
        fresh = place.run("plan", "--json").json
        place.run("sync")
        after = place.run("plan", "--json").json
        later = place.run("plan", "--json", "--at", f"{today() + timedelta(days=1)}T12:00Z").json
    assert set(fresh) >= {"version", "now", "reports"}
    assert all(set(row) >= {"app", "day", "action", "reason", "at"} for row in fresh["reports"])
    fetch = [row["day"] for row in fresh["reports"] if row["action"] == "fetch"]
    assert fetch == sorted(fetch, reverse=True), "newest first"
    waits = {row["day"]: row for row in after["reports"]}
    assert {row["action"] for row in after["reports"]} == {"wait"}
    assert "404" in waits[str(ago(3))]["reason"]
    assert later["now"] == f"{today() + timedelta(days=1)}T12:00:00Z"
    assert str(today()) in [row["day"] for row in later["reports"] if row["action"] == "fetch"]


def test_plan_keeps_to_a_range_and_to_apps(place: Place) -> None:
    apps = [stand_in("one", 9), stand_in("two", 9)]
    place.write("".join(block(app, "http://127.0.0.1:9") for app in apps))
    done = place.run("plan", "--app=two", f"--since={ago(6)}", f"--until={ago(4)}", "--json")
    assert [(row["app"], row["day"]) for row in done.json["reports"]] == [
        ("two", str(ago(number))) for number in (4, 5, 6)
    ]


def test_plan_of_an_instant_in_the_past_knows_nothing_of_later_days(place: Place) -> None:
    place.write(block(stand_in("one", 9), "http://127.0.0.1:9"))
    done = place.run("plan", "--json", "--at", f"{ago(7)}T12:00+02:00").json
    fetch = [row["day"] for row in done["reports"] if row["action"] == "fetch"]
    assert fetch == [str(ago(8)), str(ago(9)), str(ago(10))]
    assert done["now"] == f"{ago(7)}T10:00:00Z"


@pytest.mark.slow
def test_why_explains_a_day_in_every_state(place: Place) -> None:
    app = stand_in("one", 9)
    with Sandbox([app], faults=[Fault("404", day=ago(4)), Fault("500", day=ago(5))]) as sandbox:
        place.serve(sandbox, [app])
        assert place.run("why", "one", str(ago(3)), "--json").json["reason"] == "not asked for yet"
        place.run("sync")
        place.run("waive", "one", str(ago(5)), "--reason", "switched off")
        days = {str(number): ago(number) for number in (3, 4, 5, 99)} | {"future": ago(-3)}
        found = {key: place.run("why", "one", str(day), "--json").json for key, day in days.items()}
        texts = [place.run("why", "one", str(day)).out for day in days.values()]
    states = {key: one["state"] for key, one in found.items()}
    assert states == {
        "3": "stored", "4": "waiting", "5": "waived", "99": "not expected", "future": "not expected",
    }  # fmt: skip
    assert [one["outcome"] for one in found["4"]["attempts"]] == ["waiting"]
    assert (
        found["4"]["command"] == f"reportsync backfill --app one --since {ago(4)} --until {ago(4)}"
    )
    assert "switched off" in found["5"]["rule"]
    assert found["3"]["versions"][0]["sha256"] in place.zips().values()
    assert all(one["version"] == 1 and one["rule"] for one in found.values())
    assert all("None" not in text for text in texts)


@pytest.mark.slow
def test_why_of_a_day_that_a_refused_key_holds_back_says_so(place: Place) -> None:
    app = stand_in("one", 3)
    with Sandbox([app], faults=[Fault("401")]) as sandbox:
        place.serve(sandbox, [app])
        assert place.run("sync").code == 77
        found = [place.run("why", "one", str(ago(day)), "--json").json for day in (2, 3)]
    assert [len(one["attempts"]) for one in found] == [1, 0]
    assert all("the key was refused" in one["reason"] for one in found)
    assert all(one["command"] == "reportsync check --app one" for one in found)


def test_why_of_a_day_not_yet_due_says_when_it_will_be(place: Place) -> None:
    place.write(block(OPEN_END, "http://127.0.0.1:9").replace(", until: None", ""))
    found = place.run("why", "open", str(today()), "--json").json
    assert found["state"] == "not due"
    assert found["due"] == found["next_attempt"] == f"{today() + timedelta(days=1)}T04:00:00Z"
    assert "2h (buffer) after 02:00 UTC" in found["rule"]


def test_health_is_bad_before_the_daemon_made_a_pass(place: Place) -> None:
    place.write(block(stand_in("one", 2), "http://127.0.0.1:9"))
    done, told = place.run("health"), place.run("health", "--json")
    assert (done.code, told.code) == (3, 3)
    assert "no pass yet" in done.err
    assert told.json["healthy"] is False


def test_instants_are_in_utc(place: Place) -> None:
    place.write(block(stand_in("one", 2), "http://127.0.0.1:9"))
    now = place.run("status", "--json", env={"TZ": "Asia/Kolkata"}).json["now"]
    assert now.endswith("Z")
    assert abs(datetime.fromisoformat(now) - datetime.now(UTC)) < timedelta(minutes=2)

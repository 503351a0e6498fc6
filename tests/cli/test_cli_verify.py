"""`verify` and `repair`: is what we have whole, and made whole again."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cli_tool import Place, ago, block, check_sums, name_of, stand_in, today
from repair_cases import APP, actions, damage, file_of, repaired
from sampling import sampled

from reportsync.sandbox import Fault, Sandbox
from reportsync.sandbox.reports import make_report


def test_verify_finds_everything_right(filled: Place) -> None:
    done, told = filled.run("verify", "--json"), filled.run("verify")
    assert (done.code, told.code) == (0, 0)
    assert done.summary == {
        "event": "summary", "checked": 8, "ok": 8, "damaged": 0, "lost": 0, "exit": 0,
    }  # fmt: skip
    assert told.out == "8 archives checked: 8 right, 0 damaged, 0 lost\n"


def test_verify_tells_damaged_from_lost_and_exits_4(filled: Place) -> None:
    damage(file_of(filled, 3))
    file_of(filled, 5).unlink()
    done, told = filled.run("verify", "--json"), filled.run("verify")
    assert (done.code, told.code) == (4, 4)
    assert done.summary == {
        "event": "summary", "checked": 8, "ok": 6, "damaged": 1, "lost": 1, "exit": 4,
    }  # fmt: skip
    results = {event["day"]: event["result"] for event in done.events[:-1]}
    assert (results[str(ago(3))], results[str(ago(5))]) == ("damaged", "lost")
    assert f"one {ago(3)} version 1: damaged" in told.out
    assert "reportsync repair" in told.err


def test_a_file_that_grew_is_damaged(filled: Place) -> None:
    file_of(filled, 3).chmod(0o640)
    with file_of(filled, 3).open("ab") as file:
        file.write(b"\n")
    assert filled.run("verify", "--json").summary["damaged"] == 1


def test_days_ago_are_those_of_the_app_that_is_furthest_behind(place: Place) -> None:
    zones = {"ahead": "Pacific/Kiritimati", "behind": "Pacific/Pago_Pago"}
    apps = [stand_in(name, 8) for name in zones]
    with Sandbox(apps) as sandbox:
        zoned = (block(app, sandbox.url, extra=f", timezone: {zones[app.name]}") for app in apps)
        place.write("".join(zoned))
        assert place.run("sync").code == 0
    done = place.run("verify", "--json", "--since=-4d")
    first = datetime.now(ZoneInfo(zones["behind"])).date() - timedelta(days=4)
    assert ("behind", str(first)) in {(one.get("app"), one.get("day")) for one in done.events}


@pytest.mark.parametrize("words", [["verify"], ["repair"], ["repair", "-n"]], ids=" ".join)
def test_the_last_line_is_the_summary_also_where_the_ledger_cannot_be_used(
    filled: Place, words: list[str]
) -> None:
    filled.ledger.unlink()
    filled.ledger.mkdir()
    done = filled.run(*words, "--json")
    assert done.code == 5
    assert (done.summary["event"], done.summary["exit"]) == ("summary", 5)
    assert str(filled.ledger) in done.err


def test_the_oldest_go_round(filled: Place) -> None:
    rounds = [filled.run("verify", "--oldest", "3", "--json") for _ in range(3)]
    days = [[event["day"] for event in done.events[:-1]] for done in rounds]
    assert [done.summary["checked"] for done in rounds] == [3, 3, 3]
    assert len(set(days[0] + days[1])) == 6
    assert set(days[2]) >= {str(ago(number)) for number in range(2, 10)} - set(days[0] + days[1])


def test_verify_notes_when_each_was_found_right(filled: Place) -> None:
    (before,) = filled.run("why", "one", str(ago(3)), "--json").json["versions"]
    other = filled.run("why", "one", str(ago(6)), "--json").json["versions"]
    while True:  # instants are shown in whole seconds
        assert filled.run("verify", f"--since={ago(4)}").code == 0
        (after,) = filled.run("why", "one", str(ago(3)), "--json").json["versions"]
        if after["verified"] > before["verified"]:
            break
    assert filled.run("why", "one", str(ago(6)), "--json").json["versions"] == other
    assert (after["stored"], after["sha256"]) == (before["stored"], before["sha256"])


def test_fault_30_a_lost_file_is_fetched_again(filled: Place) -> None:
    before = filled.zips()
    file_of(filled, 5).unlink()
    asked, done = repaired(filled)
    assert asked == [name_of(ago(5))]
    assert (done.code, actions(done)) == (0, [("reopen", f"one {ago(5)}")])
    assert filled.zips() == before
    assert filled.run("verify").code == 0
    assert check_sums(filled.archive) == 8


def test_fault_30_an_altered_file_goes_to_quarantine_and_is_fetched_again(filled: Place) -> None:
    before = filled.zips()
    damage(file_of(filled, 5))
    altered = file_of(filled, 5).read_bytes()
    asked, done = repaired(filled)
    assert asked == [name_of(ago(5))]
    assert actions(done) == [("set aside", str(file_of(filled, 5))), ("reopen", f"one {ago(5)}")]
    assert (done.code, filled.zips()) == (0, before)
    kept = [
        path.read_bytes() for path in (filled.archive / ".quarantine").rglob("*") if path.is_file()
    ]
    assert altered in kept
    assert filled.run("verify").code == 0


def test_fault_30_a_file_without_a_row_is_adopted_without_a_request(place: Place) -> None:
    for number in (3, 4):
        path = file_of(place, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make_report(APP.app_id, ago(number)))
    file_of(place, 5).write_bytes(make_report(APP.app_id, ago(5))[:-30])
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        done = place.run("sync", "--json")
        asked = {number: sandbox.asked(APP.app_id, ago(number)) for number in (3, 4, 5)}
    assert done.code == 0, done.err
    outcomes = {day: outcome for (_, day), outcome in done.outcomes().items()}
    assert [outcomes[str(ago(number))] for number in (3, 4, 5)] == ["adopted", "adopted", "stored"]
    assert asked == {3: 0, 4: 0, 5: 1}, "what is not whole is fetched"
    assert done.summary["adopted"] == 2
    assert place.run("verify").code == 0


def test_fault_30_repair_adopts_what_nobody_asked_for(filled: Place) -> None:
    old = filled.archive / "one" / "2019" / "20190203.zip"
    old.parent.mkdir()
    old.write_bytes(make_report(APP.app_id, ago(700)))
    second = file_of(filled, 3).with_suffix(".v2.zip")
    second.write_bytes(make_report(APP.app_id, ago(3), revision=2))
    asked, done = repaired(filled)
    assert (asked, done.code) == ([], 0)
    assert sorted(actions(done)) == [("adopt", str(old)), ("adopt", str(second))]
    assert done.summary["adopted"] == 2
    assert filled.run("verify", "--json").summary["ok"] == 10
    assert check_sums(filled.archive) == 10


def test_fault_30_repair_that_cannot_fetch_leaves_the_day_missing(filled: Place) -> None:
    file_of(filled, 5).unlink()
    asked, done = repaired(filled, faults=(Fault("404"),))
    assert (len(asked), done.code) == (1, 3)
    (app,) = filled.run("status", "--json").json["apps"]
    assert (app["stored"], app["missing"]) == (7, 1)
    assert filled.run("sync").code == 3, "and it stays due"


def test_fault_25_a_repair_fetches_what_one_that_was_cut_off_had_reopened(filled: Place) -> None:
    file_of(filled, 3).unlink()
    repaired(filled, faults=(Fault("404"),))
    foreseen = filled.run("repair", "-n")
    assert foreseen.code == 4
    assert f"one {ago(3)}" in foreseen.err
    asked, done = repaired(filled)
    assert asked == [name_of(ago(3))]
    assert done.code == 0  # type: ignore[attr-defined]


def test_fault_30_sync_fetches_a_reopened_day_by_itself(filled: Place) -> None:
    file_of(filled, 5).unlink()
    repaired(filled, faults=(Fault("500"),))
    with Sandbox([APP]) as sandbox:
        filled.serve(sandbox, [APP])
        assert filled.run("backfill", "--since=-20d").code == 0
    assert len(filled.zips()) == 8


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [Path.unlink, damage])
def test_fault_30_what_verify_found_is_told_by_status_and_why_and_fetched_by_repair(
    filled: Place, spoil: Callable[[Path], None]
) -> None:
    before = filled.zips()
    spoil(file_of(filled, 5))
    assert filled.run("verify").code == 4
    told = filled.run("status")
    assert told.out.startswith("Every due day was stored, not all are whole: 8 stored.")
    assert "Every other archive was last read, and found whole, at" in told.out
    assert "████!███" in told.out and "! damaged" in told.out
    (app,) = filled.run("status", "--json").json["apps"]
    assert (app["stored"], app["damaged"]) == (8, 1)
    assert [one["day"] for one in app["strip"] if one["state"] == "damaged"] == [str(ago(5))]
    assert app["damage"] == [{"from": str(ago(5)), "to": str(ago(5)), "days": 1}]
    assert f"one {ago(5)}: damaged or lost" in told.out
    assert filled.run("status", "--check").code == 4
    explained = filled.run("why", "one", str(ago(5)), "--json").json
    assert (explained["state"], explained["command"]) == ("damaged", "reportsync repair --app one")
    assert filled.run("sync").code == 0, "it is for a repair"
    asked, done = repaired(filled)
    assert (asked, done.code) == ([name_of(ago(5))], 0)
    assert filled.zips() == before
    again = filled.run("status")
    assert again.out.startswith("Every due day is there: 8 stored.")
    assert "████████" in again.out and "damaged" not in again.out
    assert "Each archive was last read, and found whole, at" in again.out


@pytest.mark.slow
def test_fault_30_what_a_repair_could_not_fetch_is_missing_and_no_longer_damaged(
    filled: Place,
) -> None:
    for days_ago in (5, 3):
        damage(file_of(filled, days_ago))
    assert filled.run("verify").code == 4
    _, done = repaired(filled, faults=(Fault("404", day=ago(5)),))
    assert done.code == 3  # type: ignore[attr-defined]
    told = filled.run("status", "--check")
    assert told.code == 3
    assert told.out.startswith("1 of 8 due days is missing (one).")
    assert "Each archive was last read" in told.out and "! damaged" not in told.out
    (incident,) = filled.run("status", "--json").json["incidents"]
    assert (incident["title"], incident["days"]) == ("one: 1 archive is damaged or lost", 1)
    assert filled.run("waive", "one", str(ago(5)), "--reason", "gone").code == 0
    waived = filled.run("status", "--check")
    assert (waived.code, waived.out.split("\n")[0]) == (
        0,
        "Every due day is there: 7 stored, 1 waived.",
    )


@pytest.mark.slow
def test_fault_30_damage_of_a_day_that_is_expected_no_more_is_told_and_no_due_day_blamed(
    filled: Place,
) -> None:
    damage(file_of(filled, 9))
    assert filled.run("verify").code == 4
    later = f"since: {ago(8)}"
    filled.config.write_text(filled.config.read_text().replace(f"since: {ago(9)}", later))
    told = filled.run("status", "--check")
    assert told.code == 4
    assert told.out.startswith("Every due day is there: 7 stored.")
    assert f"one {ago(9)}: damaged or lost" in told.out
    assert "Every other archive was last read" in told.out
    (app,) = filled.run("status", "--json").json["apps"]
    assert app["damage"] == [{"from": str(ago(9)), "to": str(ago(9)), "days": 1}]
    assert app["damaged"] == 1


def test_fault_30_what_a_person_has_put_back_is_right_once_it_was_verified(filled: Place) -> None:
    file = file_of(filled, 5)
    right = file.read_bytes()
    file.unlink()
    assert filled.run("verify").code == 4
    file.write_bytes(right)
    assert filled.run("status", "--check").code == 4
    assert filled.run("verify").code == 0
    assert filled.run("status", "--check").code == 0


@pytest.mark.parametrize("content", sampled([b"0" * 64 + b"  20200101.zip\n", None, b""]))
def test_repair_writes_sums_anew_that_do_not_say_what_the_ledger_does(
    filled: Place, content: bytes | None
) -> None:
    sums = file_of(filled, 3).with_name("SHA256SUMS")
    right = sums.read_bytes()
    sums.unlink()
    if content is not None:
        sums.write_bytes(content)
    told = ("write anew", f"one/{ago(3):%Y}/SHA256SUMS")
    _, foreseen = repaired(filled, "-n")
    assert actions(foreseen) == [told]
    assert (sums.read_bytes() if sums.exists() else None) == content
    asked, done = repaired(filled)
    assert (asked, actions(done), done.code) == ([], [told], 0)
    assert sums.read_bytes() == right
    assert actions(repaired(filled)[1]) == []


@pytest.mark.parametrize(
    "words", sampled([["sync"], ["verify"], ["waive", "one", "-3d", "--reason", "x"]])
)
@pytest.mark.parametrize("how", ["lost", "empty"])
def test_fault_31_whoever_restores_a_lost_ledger_says_so(
    filled: Place, words: list[str], how: str
) -> None:
    filled.ledger.unlink()
    if how == "empty":
        filled.ledger.touch(mode=0o600)
    (backup,) = (filled.archive / ".ledger").iterdir()
    told = f"reportsync: the ledger was lost; its backup {backup} has taken its place"
    done = filled.run(*words, "--json")
    assert done.code == 0
    assert told in done.err.splitlines()
    assert told not in filled.run(*words).err


def test_fault_31_a_lost_ledger_comes_back_from_its_backup_and_the_tree(filled: Place) -> None:
    assert filled.run("waive", "one", str(ago(3)), "--reason", "kept in the backup").code == 0
    filled.ledger.unlink()
    asked, done = repaired(filled)
    assert (asked, done.code) == ([], 0)
    found = filled.run("why", "one", str(ago(4)), "--json").json
    assert [one["outcome"] for one in found["attempts"]] == ["stored"], (
        "attempts outlive the ledger"
    )
    assert filled.run("status", "--check").code == 0


@pytest.mark.slow
def test_fault_31_a_ledger_lost_with_its_backups_is_rebuilt_from_the_tree(filled: Place) -> None:
    before = filled.zips()
    filled.ledger.unlink()
    shutil.rmtree(filled.archive / ".ledger")
    asked, done = repaired(filled)
    assert (asked, done.code) == ([], 0)
    assert len(actions(done)) == done.summary["adopted"] == 8
    assert filled.run("verify", "--json").summary["ok"] == 8
    assert filled.zips() == before


@pytest.mark.parametrize("kind", sampled(["scribbled", "header", "text"]))
def test_fault_31_a_damaged_ledger_is_moved_aside_and_rebuilt(filled: Place, kind: str) -> None:
    data = bytearray(filled.ledger.read_bytes())
    if kind == "scribbled":
        for start in range(4096, len(data), 4096):
            data[start : start + 200] = b"\xff" * 200
    elif kind == "header":
        data[16:60] = bytes(44)
    else:
        data = bytearray(b"not a database\n" * 99)
    filled.ledger.write_bytes(data)
    before = filled.everything()
    dry = filled.run("repair", "-n")
    assert filled.everything() == before
    assert "would set the ledger aside" in dry.err
    assert filled.run("sync").code == 5
    assert filled.ledger.read_bytes() == data, "never overwritten"
    asked, done = repaired(filled)
    assert (asked, done.code) == ([], 0), done.err
    (aside,) = filled.folder.glob("ledger.db.damaged-*")
    assert aside.read_bytes() == data
    assert filled.run("verify", "--json").summary["ok"] == 8


def test_fault_31_an_empty_ledger_file_is_rebuilt(filled: Place) -> None:
    filled.ledger.write_bytes(b"")
    asked, done = repaired(filled)
    assert (asked, done.code) == ([], 0)
    assert filled.run("status", "--check").code == 0


def test_a_dry_run_of_repair_foresees_what_repair_does_and_writes_nothing(filled: Place) -> None:
    damage(file_of(filled, 5))
    file_of(filled, 6).unlink()
    extra = file_of(filled, 3).with_suffix(".v2.zip")
    extra.write_bytes(make_report(APP.app_id, ago(3), revision=2))
    (filled.archive / "one" / "notes.txt").write_text("a stranger")
    old = filled.archive / "one" / "2019" / "20190203.zip"
    old.parent.mkdir()
    old.write_bytes(b"no zip")
    before = filled.everything()
    asked, dry = repaired(filled, "-n")
    after = filled.everything()
    assert {path for path in before if before[path] != after[path]} <= {"config.yaml", "."}
    assert (asked, dry.code) == ([], 4)
    assert dry.events[-1] == {"event": "summary", "found": 6, "adopt": 1, "reopen": 2, "exit": 4}
    asked, done = repaired(filled)
    assert actions(done) == actions(dry)
    assert (len(asked), done.code) == (2, 0)


@pytest.mark.parametrize("how", sampled(["damaged", "lost", "lost with its backups", "replaced"]))
def test_a_dry_run_of_repair_foresees_what_becomes_of_the_ledger(filled: Place, how: str) -> None:
    assert filled.run("waive", "one", str(ago(3)), "--reason", "off").code == 0
    backup = next((filled.archive / ".ledger").iterdir())
    words = [f"--restore={backup}"] if how == "replaced" else []
    damage(file_of(filled, 5))
    if how == "damaged":
        data = bytearray(filled.ledger.read_bytes())
        data[4096:4300] = b"\xff" * 204
        filled.ledger.write_bytes(data)
    elif how != "replaced":
        filled.ledger.unlink()
    if how == "lost with its backups":
        shutil.rmtree(backup.parent)
    _, dry = repaired(filled, "-n", *words)
    asked, done = repaired(filled, *words)
    # That a day was ever stored is then for the next pass to find out.
    assert (len(asked), done.code) == ((0, 3) if how == "lost with its backups" else (1, 0))
    instant = re.compile(r"\d{8}T\d{6}Z")
    told = [
        [(action, instant.sub("", what)) for action, what in actions(one)] for one in (dry, done)
    ]
    assert told[0] == told[1] != []
    assert filled.run("repair", "-n").out == "nothing to repair: tree and ledger agree\n"


@pytest.mark.slow
def test_fault_31_the_newest_backup_is_restored_by_one_command(filled: Place) -> None:
    assert filled.run("waive", "one", str(ago(3)), "--reason", "kept").code == 0
    before = filled.ledger.read_bytes()
    assert filled.run("repair", "--restore", "2001-01-01").code == 2
    assert filled.ledger.read_bytes() == before
    asked, done = repaired(filled, "--restore")
    assert (asked, done.code) == ([], 0)
    (aside,) = filled.folder.glob("ledger.db.replaced-*")
    assert aside.read_bytes() == before
    day = f"--restore={today()}"
    assert repaired(filled, day)[1].code == 0
    found = filled.run("why", "one", str(ago(3)), "--json").json
    assert [one["reason"] for one in found["waivers"]] in ([], ["kept"])
    assert [one["outcome"] for one in found["attempts"]] == ["stored"]


def test_fault_31_row_h_a_waiver_outlives_the_ledger_that_was_lost_right_after_it(
    filled: Place,
) -> None:
    words = ("one", str(ago(3)), "--reason", "switched off that day")
    file_of(filled, 3).unlink()
    repaired(filled, faults=(Fault("404"),))
    for _ in range(2):
        assert filled.run("waive", *words).code == 0
        filled.ledger.unlink()
        assert filled.run("sync").code == 0
    assert filled.run("unwaive", *words[:2]).code == 0
    filled.ledger.unlink()
    assert filled.run("sync").code == 3


def test_a_waiver_that_cannot_be_backed_up_holds_all_the_same(filled: Place) -> None:
    shutil.rmtree(filled.archive / ".ledger")
    (filled.archive / ".ledger").touch()
    done = filled.run("waive", "one", str(ago(3)), "--reason", "off")
    stored = "already stored, and left alone: 1 day\n"
    assert (done.code, done.out) == (0, f"waived one {ago(3)}: off\n{stored}")
    assert "not in a backup" in done.err


def test_a_dry_run_of_repair_looks_at_the_backup_of_a_lost_ledger(filled: Place) -> None:
    filled.ledger.unlink()
    before = filled.everything()
    done = filled.run("repair", "-n", "--json")
    assert filled.everything() == before
    assert (done.code, [action for action, _ in actions(done)]) == (0, ["restore the ledger"])


def test_repair_leaves_strangers_alone(filled: Place) -> None:
    stranger = filled.archive / "one" / "readme.txt"
    other = filled.archive / "other-app" / "2020" / "20200101.zip"
    other.parent.mkdir(parents=True)
    stranger.write_text("hello")
    other.write_bytes(b"no zip")
    _, done = repaired(filled)
    assert done.code == 0
    told = {what for action, what in actions(done) if action == "leave alone"}
    assert told == {str(stranger), str(filled.archive / "other-app")}
    assert (stranger.read_text(), other.read_bytes()) == ("hello", b"no zip")


def test_a_dry_run_of_repair_takes_a_missing_volume_for_what_it_is(filled: Place) -> None:
    filled.archive.rename(filled.folder / "elsewhere")
    filled.archive.mkdir()
    done = filled.run("repair", "-n", "--json")
    assert done.code == 5
    assert actions(done) == []
    assert list(filled.archive.iterdir()) == []


def test_what_to_do_about_a_missing_volume_is_to_mount_it(filled: Place) -> None:
    marker = filled.archive / ".reportsync"
    known = marker.read_text().rpartition("archive: ")[2].strip()
    filled.archive.rename(filled.folder / "elsewhere")
    done = filled.run("sync")
    lines = done.err.splitlines()
    safe = "mount its volume, or set `storage.archive` to where the archive is now"
    assert f"  What to do: {safe}; reportsync check" in lines
    assert lines[-2] == f"  what to do: {safe}"
    recipe = lines[-1].removeprefix("  only if all of it is lost, to begin anew: ")
    subprocess.run(recipe, shell=True, check=True)
    assert filled.run("sync").code == 0
    assert marker.read_text() == f"archive: {known}\n"


def test_a_missing_volume_is_not_taken_for_lost_archives(filled: Place) -> None:
    filled.archive.rename(filled.folder / "elsewhere")
    filled.archive.mkdir()
    for words in (["verify"], ["sync"], ["repair"]):
        done = filled.run(*words)
        assert done.code == 5, words
        assert "not mounted" in done.err
    assert list(filled.archive.iterdir()) == []
    filled.archive.rmdir()
    (filled.folder / "elsewhere").rename(filled.archive)
    assert filled.run("verify").code == 0

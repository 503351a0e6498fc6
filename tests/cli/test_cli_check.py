"""`check`: a line for each thing, each that fails with its remedy; writes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cli_tool import HTTP, Place, ago, block, stand_in

from reportsync.sandbox import Fault, Sandbox, SandboxApp

APP = stand_in("one", 5)
NEW = SandboxApp("IDNEW", ("key-of-new-0123456789",), since=ago(0), name="new")


def failing(place: Place, *words: str, **options: bool) -> tuple[int, dict[str, dict[str, str]]]:
    """Return the exit code of `check --json`, and what failed by its name."""
    done = place.run("check", "--json", *words, **options)
    assert done.json["version"] == 1
    assert done.json["exit"] == done.code
    return done.code, {line["what"]: line for line in done.json["checks"] if not line["ok"]}


@pytest.mark.slow
def test_all_is_well(place: Place) -> None:
    with Sandbox([APP, NEW]) as sandbox:
        place.write(block(APP, sandbox.url) + block(NEW, sandbox.url).replace(", until: None", ""))
        before = place.everything()
        done, told = place.run("check", "--json"), place.run("check")
        assert place.everything() == before
    assert (done.code, told.code) == (0, 0), told.out
    lines = {(line["what"], line["app"]): line["text"] for line in done.json["checks"]}
    assert set(lines) == {
        ("config", None), ("archive", None), ("ledger", None), ("archive and ledger", None),
        ("schedule", "one"), ("schedule", "new"), ("request", "one"), ("clock", "one"),
        ("request", "new"),
    }  # fmt: skip
    assert "bytes" in lines["request", "one"]
    assert "nothing is due before" in lines["request", "new"]
    assert all(line.startswith("ok    ") for line in told.out.splitlines())
    assert [request.name for request in sandbox.requests] == [f"{ago(2):%Y%m%d}.zip"] * 2


def test_the_next_due_instant_is_told_local_and_in_utc(place: Place) -> None:
    place.write(
        block(NEW, "http://127.0.0.1:9", extra=", timezone: Asia/Kolkata").replace(
            ", until: None", ""
        )
    )
    done = place.run("check", "--offline", "--app", "new")
    assert done.code == 0
    (line,) = [line for line in done.out.splitlines() if "schedule" in line]
    assert " 04:00 Asia/Kolkata (" in line
    assert line.endswith("T22:30:00Z)")


def test_offline_makes_no_request(place: Place) -> None:
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        assert place.run("check", "--offline").code == 0
        assert sandbox.requests == ()


def test_a_day_that_is_held_already_is_asked_for(place: Place) -> None:
    with Sandbox([APP], faults=[Fault("404", day=(ago(4), ago(2)))]) as sandbox:
        place.serve(sandbox, [APP])
        place.run("sync")
        before = len(sandbox.requests)
        assert failing(place) == (0, {})
        assert [request.name for request in sandbox.requests[before:]] == [f"{ago(5):%Y%m%d}.zip"]


@pytest.mark.parametrize("kind", ["429", "500", "close"])
def test_what_may_pass_has_a_remedy_too(place: Place, kind: str) -> None:
    with Sandbox([APP], faults=[Fault(kind)]) as sandbox:
        place.serve(sandbox, [APP])
        code, wrong = failing(place)
    assert (code, set(wrong)) == (3, {"request"})
    assert "later" in wrong["request"]["hint"]


def test_a_refused_key_fails_with_77(place: Place) -> None:
    with Sandbox([APP]) as sandbox:
        place.write(block(APP, sandbox.url, keys=["another-key-0123"]))
        code, wrong = failing(place)
    assert (code, set(wrong)) == (77, {"request"})
    assert "secret_key" in wrong["request"]["hint"]


def test_a_report_that_is_not_there_yet_is_no_fault(place: Place) -> None:
    with Sandbox([APP], faults=[Fault("404")]) as sandbox:
        place.serve(sandbox, [APP])
        assert failing(place) == (0, {})


@pytest.mark.parametrize("kind", ["500", "redirect", "html-200", "close", "410"])
def test_a_server_that_cannot_be_asked_fails_with_3(place: Place, kind: str) -> None:
    with Sandbox([APP], faults=[Fault(kind)]) as sandbox:
        place.serve(sandbox, [APP])
        code, wrong = failing(place)
    assert (code, set(wrong)) == (3, {"request"})


def test_no_server_at_all_fails_with_3(place: Place) -> None:
    place.write(block(APP, "http://127.0.0.1:9"))
    code, wrong = failing(place)
    assert (code, set(wrong)) == (3, {"request"})


def test_a_clock_that_is_wrong_is_told_with_its_remedy(place: Place) -> None:
    def server_clock() -> datetime:
        return datetime.now(UTC) + timedelta(hours=1)

    with Sandbox([APP], clock=server_clock) as sandbox:
        place.serve(sandbox, [APP])
        code, wrong = failing(place)
    assert (code, set(wrong)) == (3, {"clock"})
    assert "behind the server" in wrong["clock"]["text"]
    assert "set-ntp" in wrong["clock"]["hint"]


def test_each_storage_fault_is_told_with_its_remedy(place: Place) -> None:
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        assert place.run("sync").code == 0
        place.archive.chmod(0o550)
        place.ledger.chmod(0o400)
        try:
            code, wrong = failing(place, plain=True)
        finally:
            place.archive.chmod(0o750)
            place.ledger.chmod(0o600)
    assert (code, set(wrong)) == (5, {"archive", "ledger"})
    assert all("chown" in line["hint"] for line in wrong.values())


def test_a_folder_in_which_anybody_could_plant_files_is_told(place: Place) -> None:
    place.write(block(APP, "http://127.0.0.1:9"))
    place.archive.mkdir()
    place.folder.chmod(0o1777)
    code, wrong = failing(place, "--offline")
    assert code == 5
    assert wrong["rights"]["hint"] == f"chmod o-w {place.folder}, or choose another folder"
    place.folder.chmod(0o700)
    place.archive.chmod(0o1777)
    code, wrong = failing(place, "--offline")
    assert wrong["rights"]["hint"].startswith(f"chmod o-w {place.archive},")


def test_folders_that_cannot_be_made_are_told_before_the_first_pass(place: Place) -> None:
    place.write(block(APP, "http://127.0.0.1:9"))
    place.folder.chmod(0o500)
    try:
        code, wrong = failing(place, "--offline", plain=True)
    finally:
        place.folder.chmod(0o700)
    assert (code, set(wrong)) == (5, {"archive", "ledger"})


def test_a_ledger_that_this_user_may_not_look_at_is_told(place: Place) -> None:
    place.write(block(APP, "http://127.0.0.1:9"))
    shut = place.folder / "shut"
    shut.mkdir(mode=0o000)
    text = place.config.read_text().replace(f"{place.ledger}", f"{shut}/in/ledger.db")
    place.config.write_text(text)
    code, wrong = failing(place, "--offline", plain=True)
    assert (code, set(wrong)) == (5, {"ledger"})
    assert f"{shut}/in" in wrong["ledger"]["hint"]


def test_too_little_space_is_told(place: Place) -> None:
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        place.run("sync")
        text = place.config.read_text().replace("min_free: 0", "min_free: 900TiB")
        place.config.write_text(text)
        code, wrong = failing(place, "--offline")
    assert (code, set(wrong)) == (5, {"archive"})
    assert "min_free" in wrong["archive"]["hint"]


def test_an_archive_that_is_not_mounted_is_told(place: Place) -> None:
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        place.run("sync")
        (place.archive / ".reportsync").unlink()
        code, wrong = failing(place, "--offline")
    assert code == 5
    assert "mount" in wrong["archive and ledger"]["hint"]


def test_an_unusable_ledger_is_told(place: Place) -> None:
    place.write(block(APP, "http://127.0.0.1:9"), http=HTTP)
    place.ledger.write_text("no database")
    code, wrong = failing(place, "--offline")
    assert (code, set(wrong)) == (5, {"ledger"})
    assert "reportsync repair" in wrong["ledger"]["hint"]

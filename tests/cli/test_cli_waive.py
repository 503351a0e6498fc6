"""`waive` and `unwaive`: a person closes days and reopens them."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from cli_tool import Place, ago, block, stand_in, today

from reportsync.sandbox import Fault, Sandbox


@pytest.fixture
def gaps(place: Place) -> Place:
    """Return a place where days 8 to 4 ago are missing and the others stored."""
    app = stand_in("one", 10)
    with Sandbox([app], faults=[Fault("404", day=(ago(8), ago(4)))]) as sandbox:
        place.serve(sandbox, [app])
        assert place.run("sync").code == 3
    return place


def counts(place: Place) -> tuple[int, int, int]:
    (app,) = place.run("status", "--json").json["apps"]
    assert app["stored"] + app["missing"] + app["waived"] == app["expected"]
    return app["stored"], app["missing"], app["waived"]


def test_waived_days_are_not_missing_and_not_asked_for(gaps: Place) -> None:
    done = gaps.run("waive", "one", str(ago(8)), str(ago(4)), "--reason", "the setting was off")
    assert (done.code, counts(gaps)) == (0, (5, 0, 5))
    assert "the setting was off" in done.out
    assert gaps.run("status", "--check").code == 0
    assert gaps.run("plan", "--json").json["reports"] == []
    assert gaps.run("backfill", "--since=-20d", "--json").summary["asked"] == 0
    assert gaps.run("sync").code == 0


def test_a_day_can_be_taken_out_of_a_waived_range(gaps: Place) -> None:
    gaps.run("waive", "one", str(ago(8)), str(ago(4)), "--reason", "off")
    done = gaps.run("unwaive", "one", str(ago(6)), "--json")
    assert (done.code, done.json["ended"]) == (0, 1)
    assert counts(gaps) == (5, 1, 4)
    (gap,) = gaps.run("status", "--json").json["apps"][0]["gaps"]
    assert (gap["from"], gap["to"]) == (str(ago(6)), str(ago(6)))
    for day in (ago(7), ago(5)):
        assert "off" in gaps.run("why", "one", str(day)).out, "the rest keeps its reason"
    assert gaps.run("unwaive", "one", str(ago(8)), str(ago(4))).code == 0
    assert counts(gaps) == (5, 5, 0)


def test_a_waiver_that_has_run_out_holds_no_longer(gaps: Place) -> None:
    gaps.run("waive", "one", str(ago(8)), str(ago(5)), "--reason", "a", "--until", str(today()))
    assert counts(gaps) == (5, 1, 4)
    later = f"{today():%Y-%m-%d}T00:00Z".replace(f"{today()}", f"{ago(-1)}")
    planned = gaps.run("plan", "--at", later, "--json").json["reports"]
    assert sorted(row["day"] for row in planned) == [str(ago(n)) for n in (8, 7, 6, 5, 4)]


def test_a_waiver_that_has_run_out_already_is_refused(gaps: Place) -> None:
    done = gaps.run("waive", "one", str(ago(8)), "--reason", "a", "--until", str(ago(1)))
    assert done.code == 2
    assert "over already" in done.err
    assert counts(gaps) == (5, 5, 0)


def test_a_stored_day_stays_stored_when_it_is_waived(gaps: Place) -> None:
    done = gaps.run("waive", "one", str(ago(3)), "--reason", "a mistake")
    assert done.code == 0
    assert "already stored, and left alone: 1 day" in done.out
    assert counts(gaps) == (5, 5, 0)
    assert gaps.run("why", "one", str(ago(3)), "--json").json["state"] == "stored"


def test_waiving_works_before_the_first_pass(place: Place) -> None:
    app = stand_in("one", 5)
    with Sandbox([app]) as sandbox:
        place.serve(sandbox, [app])
        assert place.run("waive", "one", "-4d", "--reason", "never generated").code == 0
        done = place.run("sync", "--json")
        assert sandbox.asked(app.app_id, ago(4)) == 0
    assert (done.code, done.summary["stored"]) == (0, 4)


def test_a_waived_day_that_a_person_forces_is_stored(gaps: Place) -> None:
    app = stand_in("one", 10)
    gaps.run("waive", "one", str(ago(6)), "--reason", "off")
    with Sandbox([app]) as sandbox:
        gaps.serve(sandbox, [app])
        done = gaps.run("backfill", f"--since={ago(6)}", f"--until={ago(6)}", "--force", "--json")
    assert done.outcomes() == {("one", str(ago(6))): "stored"}
    assert counts(gaps) == (6, 4, 0)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["one", "-3d"], "--reason"),
        (["one", "-3d", "--reason", "  "], "reason is empty"),
        (["one", "-3d", "--reason", "\x1b\u200b"], "reason is empty"),
        (["two", "-3d", "--reason", "a"], "no app is called two"),
        (["one", "2020-01-01", "--reason", "a"], "lies before the first day"),
        (["one", "yesterday", "--reason", "a"], "lies after the last day"),
        (["one", "-3d", "-5d", "--reason", "a"], "runs backwards"),
        (["one", "2150-01-01", "--reason", "a"], "in the future"),
    ],
)
def test_what_cannot_be_waived_is_refused(place: Place, words: list[str], told: str) -> None:
    place.write(block(stand_in("one", 5), "http://127.0.0.1:9"))
    done = place.run("waive", *words)
    assert done.code == 2
    assert told in done.err
    assert not place.ledger.exists()


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("Pacific/Kiritimati", ["-4d", str(ago(4))]),
        ("Pacific/Pago_Pago", [str(ago(4)), "-4d"]),
    ],
)
def test_a_range_that_runs_backwards_in_the_app_s_own_zone_is_refused(
    place: Place, zone: str, words: list[str]
) -> None:
    place.write(block(stand_in("one", 9), "http://127.0.0.1:9", extra=f", timezone: {zone}"))
    done = place.run("waive", "one", *words, "--reason", "a")
    another_day = datetime.now(ZoneInfo(zone)).date() != today()  # in one of the two at any time
    assert (done.code, "runs backwards" in done.err) == ((2, True) if another_day else (0, False))


def test_to_unwaive_what_nobody_waived_changes_nothing(gaps: Place) -> None:
    done = gaps.run("unwaive", "one", str(ago(8)))
    assert (done.code, counts(gaps)) == (0, (5, 5, 0))
    assert "nothing was waived" in done.out


def test_the_reason_is_kept_as_one_harmless_line(gaps: Place) -> None:
    gaps.run("waive", "one", str(ago(8)), "--reason", "a\nb\x1b[31m" + "c" * 9999)
    (waiver,) = gaps.run("why", "one", str(ago(8)), "--json").json["waivers"]
    assert waiver["reason"].startswith("a b [31mccc")
    assert len(waiver["reason"]) <= 300

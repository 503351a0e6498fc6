"""Days and instants on the command line."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cli_tool import Place, ago, block, stand_in, today

BAD = [
    "2026111", "2026-W01-1", "2026W011", "٢٠٢٦-٠١-٠١", "２０２６０１０１", "2026-1-1", "26-01-01",
    "2026-02-30", "20260230", "2026-001", "2026/01/01", "today", "", " 2026-01-01", "2026-01-01 ",
    "2026-01-01T00:00", "+2026-01-01", "1e9", "-7", "7d", "--7d", "-1.5d", "-7D", "-٧d", "0000-01-01",
]  # fmt: skip


@pytest.mark.parametrize("word", BAD)
@pytest.mark.slow
def test_fault_40_a_day_in_any_other_form_is_a_usage_error(place: Place, word: str) -> None:
    place.write(block(stand_in("one", 3), "http://127.0.0.1:9"))
    done = place.run("backfill", f"--since={word}")
    assert (done.code, done.out) == (2, "")
    assert "is not a day" in done.err
    assert "Traceback" not in done.err
    assert not place.archive.exists()


@pytest.mark.parametrize(
    "range_words",
    [
        [f"--since={ago(3)}", f"--until={ago(4)}"],
        ["--since=-3d", "--until=-4d"],
        ["--since=yesterday", f"--until={ago(9)}"],
    ],
)
@pytest.mark.parametrize("command", ["backfill", "plan"])
def test_fault_40_a_reversed_range_is_a_usage_error(
    place: Place, command: str, range_words: list[str]
) -> None:
    place.write(block(stand_in("one", 3), "http://127.0.0.1:9"))
    done = place.run(command, *range_words)
    assert (done.code, done.out) == (2, "")
    assert "runs backwards" in done.err


@pytest.mark.parametrize("words", [["--since={}"], ["--since=-3d", "--until={}"]])
def test_fault_40_a_day_to_come_is_a_usage_error(place: Place, words: list[str]) -> None:
    place.write(block(stand_in("one", 3), "http://127.0.0.1:9"))
    future = today() + timedelta(days=3)
    done = place.run("backfill", *(word.format(future) for word in words))
    assert done.code == 2
    assert "in the future" in done.err


@pytest.mark.parametrize("word", ["now", "2026-01-01T25:00", "2026-01-01T02:00+1", "12:30", "1e5"])
def test_an_instant_in_any_other_form_is_a_usage_error(place: Place, word: str) -> None:
    place.write(block(stand_in("one", 3), "http://127.0.0.1:9"))
    done = place.run("plan", "--at", word)
    assert done.code == 2
    assert "is not an instant" in done.err


@pytest.mark.parametrize("option", ["--json", "--since=3", "--follow", "--app=one"])
def test_options_of_the_feed_are_not_silently_left_out_of_a_replay(
    place: Place, option: str
) -> None:
    place.write(block(stand_in("one", 3), "http://127.0.0.1:9"), more="hooks: {arrival: 'true'}\n")
    done = place.run("arrivals", option, "replay", "1")
    assert (done.code, done.out) == (2, "")
    assert "before 'replay'" in done.err


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "--at", "0001-01-01"], ["plan", "--at", "9999-12-31T23:59+00:00"],
        ["plan", "--since=9999-12-31"], ["why", "one", "9999-12-31"], ["why", "one", "22000101"],
    ],
)  # fmt: skip
def test_what_no_app_can_be_asked_about_is_a_usage_error(place: Place, words: list[str]) -> None:
    place.write(block(stand_in("one", 3), "http://127.0.0.1:9"))
    done = place.run(*words)
    assert (done.code, done.out) == (2, "")
    assert "2199-12-31" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "words",
    [
        ["backfill"], ["backfill", "--since"], ["why"], ["why", "one"], ["waive", "one"],
        ["waive", "one", "-3d"], ["sync", "--nope"], ["sync", "extra"], ["stats"],
        ["backfill", "--since=-3d", "--workers=0"], ["backfill", "--since=-3d", "--order=random"],
        ["verify", "--oldest=0"], ["verify", f"--oldest={2**63}"], ["arrivals", f"--since={2**63}"],
        ["repair", "--restore="],
        ["completion", "tcsh"], ["config"], ["config", "nope"],
        ["demo", "--days=0"], ["sandbox", "--port=70000"], ["sandbox", "--faults=nope"],
    ],
)  # fmt: skip
def test_other_misuse_exits_2_without_a_traceback(place: Place, words: list[str]) -> None:
    place.write(block(stand_in("one", 3), "http://127.0.0.1:9"))
    done = place.run(*words)
    assert done.code == 2
    assert done.err
    assert "Traceback" not in done.err
    assert not place.archive.exists()

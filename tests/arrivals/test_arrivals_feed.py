"""`arrivals`: the feed by number, followed while it grows, and replayed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from datetime import date
from pathlib import Path

import pytest
from arrival_cases import Place, add, wait_until

from reportsync.config import load
from reportsync.ledger import Ledger, backup, deliveries, open_writing
from reportsync.service.world import open_world
from reportsync.stop import Stop


def numbers(rows: list[dict[str, object]]) -> list[object]:
    return [row["id"] for row in rows]


@pytest.mark.slow
def test_row_i_the_feed_lists_every_arrival_by_number(place: Place, lite: Ledger) -> None:
    add(lite, days=2)
    add(lite, "other")
    add(lite, version=2)
    rows = place.json("arrivals")
    assert numbers(rows) == [1, 2, 3, 4]
    assert list(rows[0]) == [
        "version", "id", "app", "day", "file_version", "path", "bytes", "sha256", "members",
        "flags", "stored",
    ]  # fmt: skip
    assert rows[3] | {"sha256": ""} == {
        "version": 1,
        "id": 4,
        "app": "shop",
        "day": "2026-01-01",
        "file_version": 2,
        "path": str(place.folder / "archive/shop/2026/20260101.v2.zip"),
        "bytes": 1000,
        "sha256": "",
        "members": 2,
        "flags": [],
        "stored": "2026-03-01T04:00:00Z",
    }
    assert numbers(place.json("arrivals", "--since", "2")) == [3, 4]
    assert numbers(place.json("arrivals", "--since", "4")) == []


def test_the_feed_for_people_has_a_line_for_each(place: Place, lite: Ledger) -> None:
    add(lite)
    add(lite, version=2)
    code, out, err = place.run("arrivals")
    archive = place.folder / "archive" / "shop" / "2026"
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"1  shop 2026-01-01  1000 B  {archive}/20260101.zip",
        f"2  shop 2026-01-01 version 2  1000 B  {archive}/20260101.v2.zip",
    ]


@pytest.mark.slow
def test_the_feed_can_be_of_some_apps(place: Place, lite: Ledger) -> None:
    add(lite)
    add(lite, "other")
    add(lite, first=1)
    assert numbers(place.json("arrivals", "--app", "shop")) == [1, 3]
    code, _, err = place.run("arrivals", "--app", "nobody")
    assert (code, "no app is called nobody" in err) == (2, True)


def test_before_the_first_pass_the_feed_is_empty_and_writes_nothing(place: Place) -> None:
    assert place.json("arrivals") == []
    assert [path.name for path in place.folder.iterdir()] == ["config.yaml"]


def test_a_number_beyond_the_latest_is_told_of(place: Place, lite: Ledger) -> None:
    add(lite)
    code, out, err = place.run("arrivals", "--since", "7")
    assert (code, out) == (0, "")
    assert err == "--since 7 is beyond the latest arrival, 1\n"


@pytest.mark.slow
def test_a_feed_is_followed_from_before_the_ledger_exists_through_its_replacement(
    place: Place,
) -> None:
    url = f"sqlite:///{place.folder}/ledger.db"
    seen = place.folder / "seen"
    with seen.open("w") as sink:
        process = place.start("arrivals", "--follow", "--json", stdout=sink)
        wait_until(lambda: len([*Path(f"/proc/{process.pid}/task").iterdir()]) > 1)  # it works
        with open_writing(url) as ledger:
            add(ledger, days=2)
        wait_until(lambda: lines(seen) == [1, 2])
        (place.folder / "ledger.db").rename(place.folder / "old.db")
        with open_writing(url) as ledger:
            add(ledger, days=3)  # numbers 1 to 3: two of them are known
        wait_until(lambda: lines(seen) == [1, 2, 3])
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 143
    assert "SIGTERM" in err
    assert lines(seen) == [1, 2, 3]


def test_a_followed_feed_ends_in_order_on_sigint(place: Place, lite: Ledger) -> None:
    add(lite)
    process = place.start("arrivals", "-f")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("1  shop 2026-01-01")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err


@pytest.mark.slow
def test_a_followed_feed_ends_when_its_reader_has_left(place: Place, lite: Ledger) -> None:
    add(lite)
    reading, writing = os.pipe()
    process = place.start("arrivals", "--follow", stdout=writing, stderr=subprocess.DEVNULL)
    os.close(writing)
    assert os.read(reading, 100).startswith(b"1 ")
    os.close(reading)
    add(lite, first=1)
    assert process.wait(10) == 0


def lines(path: Path) -> list[int]:
    """Return the numbers in a file of events."""
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_replay_queues_a_range_for_the_hook(place: Place, lite: Ledger) -> None:
    add(lite, days=4)
    place.write("true")
    assert place.json("arrivals", "replay", "2", "3") == [
        {"version": 1, "from": 2, "to": 3, "arrivals": 2}
    ]
    assert place.run("arrivals", "replay", "4")[1] == "the hook will be run again for 1 arrival\n"
    assert lite.read(deliveries.hook_state).waiting == 3


def test_replay_refuses_what_makes_no_sense(
    place: Place, lite: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    add(lite, days=2)
    for arguments, hook, text in (
        (("2", "1"), "true", "the range runs backwards: 2 is after 1"),
        (("3", "9"), "true", "no arrival has a number from 3 to 9"),
        (("1",), None, "there is no hook to run again"),
        (("0",), "true", "0 is not in the range"),
        (("x",), "true", "'x' is not a valid integer"),
    ):
        place.write(hook)
        code = place.call("arrivals", "replay", *arguments)
        out, err = capsys.readouterr()
        assert (code, out) == (2, "")
        assert text in err
    assert lite.read(deliveries.hook_state).waiting == 0


def test_status_tells_of_a_hook_that_is_behind(
    place: Place, lite: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.call("status", "--json") == 0
    assert json.loads(capsys.readouterr().out)["hook"] == {
        "waiting": 0,
        "failing": 0,
        "arrival": None,
        "app": None,
        "day": None,
        "tries": 0,
        "since": None,
        "error": None,
        "next_attempt": None,
    }
    assert place.call("status") == 0
    assert "hook" not in capsys.readouterr().out
    lite.write(deliveries.begin)
    add(lite, days=2)
    assert place.call("status") == 0
    assert "The hook has yet to be run for 2 arrivals." in capsys.readouterr().out


def test_numbers_are_not_given_twice_when_a_lost_ledger_comes_back_from_its_backup(
    place: Place, lite: Ledger
) -> None:
    add(lite, days=2)
    stored = place.folder / "backups"
    backup.back_up(place.folder / "ledger.db", stored, date(2026, 3, 1))
    add(lite, days=3, first=2)  # 3 to 5: known to those who follow, unknown to the backup
    (place.folder / "ledger.db").unlink()
    backup.put_back(stored, place.folder / "ledger.db")
    with open_writing(f"sqlite:///{place.folder}/ledger.db") as ledger:
        add(ledger, days=3, first=2)
    assert [row["id"] for row in place.json("arrivals", "--since", "5")] == [
        100_003,
        100_004,
        100_005,
    ]


@pytest.mark.slow
def test_a_ledger_begun_anew_over_an_old_archive_gives_numbers_that_were_never_given(
    place: Place,
) -> None:
    config = load(place.config).config
    with open_world(config, Stop()) as world:
        add(world.ledger, days=2)
        year = config.storage.archive / "shop" / "2026"
        year.mkdir(parents=True)
        (year / "20260101.zip").write_bytes(b"whatever: it is looked at later")
    assert numbers(place.json("arrivals")) == [1, 2]
    (place.folder / "ledger.db").unlink()
    with open_world(config, Stop()) as world:
        add(world.ledger, days=2)
    first, second = place.json("arrivals", "--since", "2")
    assert first["id"] > 200_000_000
    assert second["id"] == first["id"] + 1
    with open_world(config, Stop()) as world:
        add(world.ledger, first=2)
    assert numbers(place.json("arrivals", "--since", str(second["id"]))) == [second["id"] + 1]


def test_the_first_arrival_of_a_new_archive_is_number_1(place: Place) -> None:
    config = load(place.config).config
    with open_world(config, Stop()) as world:
        add(world.ledger)
    assert numbers(place.json("arrivals")) == [1]

"""What becomes of a command when nobody, or a full disk, takes its words; and terminals."""

from __future__ import annotations

import errno
import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest
from cli_tool import Done, Place, ago, command_line, environment, finish, stand_in

from reportsync.sandbox import Fault, Sandbox

APP = stand_in("one", 12)
WORK = [["sync"], ["sync", "--json"], ["backfill", "--since=-30d"], ["repair"], ["verify"]]


@pytest.mark.parametrize("words", WORK, ids=" ".join)
@pytest.mark.slow
def test_fault_24_a_full_disk_behind_stdout_does_not_stop_the_work(
    place: Place, words: list[str]
) -> None:
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        if words[0] in ("repair", "verify"):
            place.run("sync")
            next(place.archive.glob("one/*/*.zip")).unlink()
        done = place.run(*words, out="/dev/full")
    assert done.code == (4 if words[0] == "verify" else 0), done.err
    assert len(place.zips()) == (11 if words[0] == "verify" else 12)


def test_fault_24_data_that_could_not_be_written_is_an_error_of_a_command_that_only_shows(
    place: Place,
) -> None:
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        place.run("sync")
        shown = [
            place.run(*words, out="/dev/full") for words in (["status", "--json"], ["arrivals"])
        ]
    assert [done.code for done in shown] == [5, 5]
    assert all("No space left on device" in done.err for done in shown)


@pytest.mark.parametrize(
    ("closed", "shown"),
    [(">&-", 0), (">&- 2>&- <&-", 0), ("2>/dev/full", 0), (">/dev/full 2>&1", 5), ("2>&-", 0)],
)
@pytest.mark.slow
def test_fault_24_closed_and_full_streams_do_not_stop_the_work(
    place: Place, closed: str, shown: int
) -> None:
    with Sandbox([APP], faults=[Fault("404", day=ago(5))]) as sandbox:
        place.serve(sandbox, [APP])
        command = " ".join([*command_line(), "--config", str(place.config), "sync", closed])
        done = subprocess.run(
            ["bash", "-c", command], cwd=place.folder, env=environment(),
            capture_output=True, text=True, timeout=50,
        )  # fmt: skip
        looked = subprocess.run(
            ["bash", "-c", command.replace(" sync ", " status ")], cwd=place.folder,
            env=environment(), capture_output=True, timeout=50,
        )  # fmt: skip
    assert (done.returncode, looked.returncode) == (3, shown)
    assert "Traceback" not in done.stderr
    assert len(place.zips()) == 11
    assert place.run("verify").code == 0, "no word went into an archive or the ledger"


@pytest.mark.slow
def test_fault_24_a_reader_that_leaves_does_not_stop_the_work(place: Place) -> None:
    with Sandbox([APP], latency=0.02) as sandbox:
        place.serve(sandbox, [APP])
        process = place.start("sync", "--json")
        assert process.stdout
        first = json.loads(process.stdout.readline())
        process.stdout.close()
        process.stdout = None
        done = finish(process)
    assert first["event"] == "report"
    assert (done.code, done.err) == (0, "")
    assert len(place.zips()) == 12


@pytest.mark.slow
def test_fault_24_both_pipes_closed_does_not_stop_the_work(place: Place) -> None:
    with Sandbox([APP], latency=0.02) as sandbox:
        place.serve(sandbox, [APP])
        process = place.start("sync")
        for name in ("stdout", "stderr"):
            getattr(process, name).close()
            setattr(process, name, None)
        assert process.wait(50) == 0
    assert len(place.zips()) == 12


@pytest.mark.slow
def test_a_terminal_that_cannot_show_a_character_gets_a_question_mark(place: Place) -> None:
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        place.run("sync")
        place.run("waive", "one", str(ago(3)), "--reason", "grün – weiß")
    for words in (["status"], ["why", "one", str(ago(3)), "--json"]):
        process = place.start(*words, env={"PYTHONIOENCODING": "ascii"})
        done = finish(process)
        assert (done.code, done.err) == (0, "")
        assert done.out.isascii()
        if words[-1] == "--json":
            assert json.loads(done.out)["version"] == 1


def on_terminal(place: Place, *words: str, columns: int, **env: str) -> Done:
    """Run a command on a pseudo-terminal of so many columns; both streams are in `out`."""
    leader, follower = pty.openpty()
    env = {"TERM": "xterm-256color", "COLUMNS": str(columns), "LANG": "C.UTF-8", **env}
    process = place.start(*words, env=env, stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    pieces = []
    try:
        while piece := os.read(leader, 65536):
            pieces.append(piece)
    except OSError as error:  # how Linux tells that the other end is closed
        assert error.errno == errno.EIO
    os.close(leader)
    return Done(process.wait(50), b"".join(pieces).decode().replace("\r\n", "\n"), "")


@pytest.fixture
def gaps(place: Place) -> Place:
    faults = [Fault("404", day=(ago(9), ago(7))), Fault("hostile-text", day=ago(4))]
    with Sandbox([APP], faults=faults) as sandbox:
        place.serve(sandbox, [APP])
        place.run("sync")
    return place


@pytest.mark.parametrize(
    "words", [["status"], ["plan"], ["why", "one", "-8d"], ["check", "--offline"]]
)
@pytest.mark.slow
def test_lines_fit_a_narrow_terminal(gaps: Place, words: list[str], tmp_path: Path) -> None:
    done = on_terminal(gaps, *words, columns=60, NO_COLOR="1")
    path = str(tmp_path)
    lines = [line for line in done.out.splitlines() if path not in line]
    assert lines
    assert max(map(len, lines)) <= 60
    assert "…" not in done.out, "nothing is cut"


@pytest.mark.slow
def test_colours_are_for_terminals_that_want_them(gaps: Place) -> None:
    assert "\x1b[" in on_terminal(gaps, "status", columns=140).out
    for done in (
        on_terminal(gaps, "status", columns=140, NO_COLOR="1"),
        on_terminal(gaps, "--no-color", "status", columns=140),
        gaps.run("status"),
    ):
        assert "\x1b" not in done.out


@pytest.mark.slow
def test_progress_on_a_terminal_ends_in_a_summary(place: Place) -> None:
    with Sandbox([APP], faults=[Fault("404", day=ago(5))]) as sandbox:
        place.serve(sandbox, [APP])
        done = on_terminal(place, "sync", columns=100)
    assert done.code == 3
    assert "12/12" in done.out
    assert f"one {ago(5)} waiting" in done.out
    plain = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", done.out)
    assert "\ndone: 12 asked for, 11 stored, 1 missing, in " in plain


@pytest.mark.parametrize("words", [["status"], ["check", "--offline"]])
@pytest.mark.slow
def test_colours_take_no_room_on_a_line(gaps: Place, words: list[str]) -> None:
    plain = on_terminal(gaps, *words, columns=60, NO_COLOR="1").out
    coloured = on_terminal(gaps, *words, columns=60).out
    assert "\x1b[" in coloured
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == plain

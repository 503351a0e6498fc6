"""Limits that the system sets a process: the size of files, descriptors, memory, threads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from cli_tool import Done
from limit_stage import COMMANDS, Squeeze, run, told_plainly

Figure = Callable[[str], None]

pytestmark = pytest.mark.tool("prlimit")
MIB = 2**20


def sizes(command: str) -> list[int]:
    """Return limits from which the ledger, the first one or its backup, cannot be written."""
    return [0, 4096, 100_000] if command in ("sync", "backfill") else [0, 4096]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_fault_22_a_limit_on_the_size_of_files_is_told_with_its_remedy(
    squeeze: Squeeze, command: str
) -> None:
    for size in sizes(command):
        place, lost = squeeze.place_for(command)
        done = run(place, ["prlimit", f"--fsize={size}"], *COMMANDS[command])
        assert (done.code, told_plainly(done)) == (5, True), done.err
        assert str(place.folder) in done.err and "LimitFSIZE=" in done.err
        assert squeeze.wrong(place.archive, place.ledger, lost) == []
        assert place.run("repair" if command == "repair" else "sync").code == 0
        assert squeeze.unlike_calm(place.archive, place.ledger) == []


@pytest.mark.slow
@pytest.mark.parametrize("command", ["sync", "repair"])
def test_fault_22_running_out_of_descriptors_is_told_and_a_rerun_converges(
    squeeze: Squeeze, command: str, figure: Figure
) -> None:
    codes: Counter[int] = Counter()
    limits = range(5, 26)
    places = [squeeze.place_for(command) for _ in limits]

    def squeezed(number: int) -> Done:
        return run(places[number][0], ["prlimit", f"--nofile={limits[number]}"], *COMMANDS[command])

    with ThreadPoolExecutor(4) as several:
        ended = list(several.map(squeezed, range(len(limits))))
    for limit, (place, lost), done in zip(limits, places, ended, strict=True):
        codes[done.code] += 1
        assert done.code == 0 or told_plainly(done), (limit, done.err)
        assert done.code == 0 or "ulimit -n" in done.err or "free space" in done.err, done.err
        assert squeeze.wrong(place.archive, place.ledger, lost) == []
        assert place.run(*COMMANDS[command]).code == 0
        assert squeeze.unlike_calm(place.archive, place.ledger) == [], limit
    assert codes.keys() <= {0, 1, 3, 5}
    assert codes[0] >= 1 <= codes[5] - 2
    figure(f"{command} under limits on open files: {codes.total()}, violations: 0")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["sync", "repair"])
def test_fault_23_out_of_memory_is_a_plain_end_from_which_a_rerun_converges(
    squeeze: Squeeze, command: str, figure: Figure
) -> None:
    ended: Counter[str] = Counter()
    for mib in range(48, 224, 16):
        place, lost = squeeze.place_for(command)
        done = run(place, ["prlimit", f"--as={mib * MIB}"], *COMMANDS[command])
        ended["whole" if done.code == 0 else "told" if told_plainly(done) else "crash"] += 1
        assert squeeze.wrong(place.archive, place.ledger, lost) == []
        assert place.run(*COMMANDS[command]).code == 0
        assert squeeze.unlike_calm(place.archive, place.ledger) == [], mib
    # With next to nothing Python itself may end; from then on the error is ours.
    assert ended["told"] >= 3 > ended["crash"], ended
    figure(f"{command} under limits on memory: {dict(ended)}, violations: 0")


@pytest.mark.slow
@pytest.mark.parametrize("room", [300, 1000])
def test_fault_23_no_thread_to_be_had_is_told_and_a_rerun_converges(
    squeeze: Squeeze, room: int
) -> None:
    place = squeeze.place()
    few_stacks = ["prlimit", f"--as={room * MIB}", f"--stack={256 * MIB}"]
    done = run(place, few_stacks, "sync")
    assert (done.code, told_plainly(done)) == (1, True), done.err
    assert "TasksMax=" in done.err
    assert squeeze.wrong(place.archive, place.ledger) == []
    assert place.run("sync").code == 0
    assert squeeze.unlike_calm(place.archive, place.ledger) == []

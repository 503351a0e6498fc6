"""Mutated answers given to a process that collects, and what has to be true of all that it made of them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from answer_draft import CLOSES, HANGS, KEEPS, RESETS, contents, make_zip, sound
from answer_mutants import FAMILIES, mutant
from asking import WARM, day_of, seed_of
from canary import CANARY, refuse, refuse_files, signatures
from cli_tool import environment
from other_reader import complete_body
from source_server import RawServer, Talk

MOST_MEMORY = 64 * 1024  # KiB above idle
LONGEST = 40.0  # seconds for one answer, on a busy machine; the deadline is 3 s
REPLAY = "replay: python tests/input/replay.py answer"


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of the answers."""

    outcomes: Counter[str]
    stored: int
    lost: int  # whole answers that were not taken: they are asked for again
    memory: int  # KiB above idle
    longest: float

    def __str__(self) -> str:
        told = ", ".join(
            f"{outcome}: {count:,}" for outcome, count in sorted(self.outcomes.items())
        )
        return (
            f"HTTP answers: {self.outcomes.total():,}; {told}; complete but refused: {self.lost}; "
            f"stored wrongly: 0; unhandled: 0; memory: +{self.memory / 1024:.1f} MiB; "
            f"longest: {self.longest:.1f} s"
        )


def seeds_of(families: tuple[str, ...], count: int) -> list[int]:
    """Return the first `count` seeds of each of `families`."""
    numbers = [FAMILIES.index(name) for name in families]
    return sorted(number + len(FAMILIES) * n for number in numbers for n in range(count))


def script(talk: Talk) -> object:
    """Give the answer of the seed that was asked for."""
    seed = seed_of(talk.head)
    answer = sound(seed) if seed == WARM else mutant(seed)
    for step in answer.steps:
        if step.pause and talk.ended(step.pause):
            return False
        talk.say(step.data)
    while answer.endless and not talk.ended(answer.steps[-1].pause):
        talk.say(answer.steps[-1].data * 64)
    match answer.end:
        case "resets":
            talk.reset()
        case "hangs":
            talk.hang()
    return answer.end == KEEPS


def collected(folder: Path, seeds: Sequence[int], threads: int = 16) -> dict[str, Any]:
    """Have a process collect the reports of `seeds` from a server that answers with their mutants."""
    server = RawServer(script)
    try:
        order = {"url": server.url, "folder": str(folder), "seeds": list(seeds), "threads": threads,
                 "key": CANARY}  # fmt: skip
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("asking.py"))],
            input=json.dumps(order), capture_output=True, text=True,
            env=environment(), timeout=580, check=False,
        )  # fmt: skip
    finally:
        server.close()
    assert done.returncode == 0 and not done.stderr, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def judged(folder: Path, seeds: Sequence[int], told: dict[str, Any]) -> Tally:
    """Return the tally, after checking that nothing is wrong with what was stored, told and taken."""
    assert told["unhandled"] == []
    assert [one["outcome"] for one in told["warm"]] == ["stored"]
    results = {one["seed"]: one for one in told["results"]}
    assert sorted(results) == list(seeds)
    files = {
        seed_of(path.name): path.read_bytes() for path in (folder / "archive").glob("one/*/*.zip")
    }
    assert files.pop(WARM) == make_zip(WARM)
    assert set(files) == {seed for seed, one in results.items() if one["outcome"] == "stored"}
    wrong = {seed: why for seed, data in files.items() if (why := _wrong(seed, data))}
    assert not wrong, f"stored wrongly: {wrong}; {REPLAY}"
    lost = [seed for seed in seeds if seed not in files and _must_be_taken(seed)]
    slow = max(results.values(), key=lambda one: float(one["seconds"]))
    assert slow["seconds"] < LONGEST, f"{REPLAY} {slow['seed']}"
    assert told["after"] - told["before"] <= MOST_MEMORY, "more than 64 MiB above idle"
    _check_silent(folder, seeds, told)
    outcomes = Counter(str(one["outcome"]) for one in results.values())
    return Tally(outcomes, len(files), len(lost), told["after"] - told["before"], slow["seconds"])


def _wrong(seed: int, data: bytes) -> str | None:
    """Say what is wrong with storing `data`, unless it came in a complete answer and others can read it."""
    answer = mutant(seed)
    if answer.endless or data != complete_body(answer.raw, closed=answer.end == CLOSES):
        return "not what a complete answer held"
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            held = [archive.read(name) for name in archive.namelist()]
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError) as error:
        return f"no zip to another reader: {error}"
    return None if held in (list(contents(seed).values()), []) else "another's contents"


def _must_be_taken(seed: int) -> bool:
    """Say whether to the other reader the answer, given in good time, is complete and has the very zip."""
    answer = mutant(seed)
    waits = sum(step.pause for step in answer.steps) > 0.5
    body = complete_body(answer.raw, closed=answer.end == CLOSES)
    return (
        body == make_zip(seed)
        and not waits
        and answer.end not in (HANGS, RESETS)
        and not answer.endless
    )


def _check_silent(folder: Path, seeds: Sequence[int], told: dict[str, Any]) -> None:
    """Check that neither key nor signature is in what was said, kept, or put in quarantine."""
    signed = signatures("MUTANTS", map(day_of, [*seeds[:400], WARM]))
    refuse(json.dumps(told), "what was told", signed)
    refuse_files(folder, signed)

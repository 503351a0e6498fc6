"""The points at which a scene is disturbed, by a kill or an error, and what must hold afterwards."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from canary import refuse, refuse_files
from scenes import SCENES, SIGNATURES, Theatre, opened
from traced import THREADS, Call, Program, Ran, looking, touching
from wreck import Found, moved_back, not_whole, other_than, wrong_sums
from zygote import ROOT, Zygote

KILL = "KILL"
_ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EINTR")
_NO_WAIT = {"mkdir", "mkdirat", "linkat", "rename", "renameat"}  # nothing to be interrupted
_NO_SPACE = {
    "unlink",
    "unlinkat",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchown",
    "utimensat",
}  # needs none
_JOURNAL = re.compile(r"ledger\.db-journal")


@dataclass(frozen=True, slots=True)
class Point:
    """The `when`-th call of a name in a thread of a scene, and the fault there: KILL or an error's name."""

    scene: str
    thread: str
    call: str
    when: int
    fault: str

    @property
    def rule(self) -> str:
        """The rule for strace."""
        kind = "signal" if self.fault == KILL else "error"
        return f"{self.call}:{kind}={self.fault}:when={self.when}"

    @property
    def command(self) -> str:
        """What replays this point."""
        fault = "--kill" if self.fault == KILL else f"--error {self.fault}"
        return (
            f"python -m tests.crash --scene {self.scene} --thread {self.thread}"
            f" --call {self.call} --when {self.when} {fault}"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a point: the run that was disturbed, and what was wrong, if anything."""

    point: Point
    ran: Ran
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        return "\n  ".join((self.point.command, *self.wrong))


Chosen = Callable[[Iterable[Call], Path], list[Call]]


def calls_of(theatre: Theatre, chosen: Chosen = touching) -> dict[str, list[Call]]:
    """Return the `chosen` calls of each thread in an undisturbed run."""
    found = {}
    for thread in THREADS:
        theatre.reset()
        ran = theatre.run(thread)
        assert ran.code == theatre.calm.code, ran.err
        found[thread] = chosen(ran.calls, theatre.stage.folder)
    return found


def is_sqlite_s(call: Call) -> bool:
    """Say whether SQLite made this call: it writes each page of its journal in three."""
    if call.name in {"pwrite64", "write"}:
        return "ledger" in call.words.partition(">")[0]
    return call.name in {"fdatasync", "fchown"} or _JOURNAL.search(call.words) is not None


def kills(theatre: Theatre, every: int = 1) -> Iterator[Point]:
    """Yield a kill at each call that touches state; of those that SQLite makes, at each `every`-th."""
    for thread, call, _ in _chosen(theatre, every):
        yield Point(theatre.scene.name, thread, call.name, call.number, KILL)


def errors(theatre: Theatre, every: int = 1, *, each: bool = False) -> Iterator[Point]:
    """Yield an error at each call that touches state; of those that SQLite makes, at each `every`-th.

    The calls get the errors that they may answer in turn; with `each`, our own calls get each of them.
    """
    for thread, call, turn in _chosen(theatre, every):
        possible = _errors_of(call.name)
        one = possible[turn % len(possible)]
        for error in possible if each and not is_sqlite_s(call) else (one,):
            yield Point(theatre.scene.name, thread, call.name, call.number, error)


def blind(theatre: Theatre, every: int = 1) -> Iterator[Point]:
    """Yield an error at each call that only looks; of those about the ledger, at each `every`-th."""
    about_ledger = 0
    for thread, calls in calls_of(theatre, looking).items():
        for call in calls:
            ledger = theatre.stage.ledger.name in call.words
            about_ledger += ledger
            if str(theatre.stage.config) in call.words or (ledger and about_ledger % every):
                continue
            error = "ENOLCK" if call.name == "flock" else "EIO"
            yield Point(theatre.scene.name, thread, call.name, call.number, error)


def _chosen(theatre: Theatre, every: int) -> Iterator[tuple[str, Call, int]]:
    """Yield thread, call and a number that is counted on for each name."""
    turns: Counter[str] = Counter()
    skipped = 0
    for thread, calls in calls_of(theatre).items():
        for call in calls:
            skipped += is_sqlite_s(call)
            if not is_sqlite_s(call) or skipped % every == 0:
                yield thread, call, turns[call.name]
                turns[call.name] += 1


def _errors_of(name: str) -> tuple[str, ...]:
    left_out = {"EINTR"} if name in _NO_WAIT else set()
    left_out |= {"EINTR", "ENOSPC", "EDQUOT"} if name in _NO_SPACE else set()
    return tuple(error for error in _ERRORS if error not in left_out)


@contextmanager
def performing(scene: str, strace: str, package: Path = ROOT) -> Iterator[Theatre]:
    """Set the scene in a temporary folder, in memory where there is such, for the program at `package`."""
    memory = Path("/dev/shm")  # a kill needs no disk
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder,
        Zygote(package) as zygote,
        opened(
            SCENES[scene], Path(folder), Program(Path(folder), zygote, strace, package)
        ) as theatre,
    ):
        yield theatre


def table(verdicts: Iterable[Verdict]) -> str:
    """Return a table of the points by call and thread, with what was wrong."""
    counts: Counter[tuple[str, str]] = Counter()
    wrong: Counter[tuple[str, str]] = Counter()
    for one in verdicts:
        counts[one.point.thread, one.point.call] += 1
        wrong[one.point.thread, one.point.call] += bool(one.wrong)
    lines = [f"{'thread':<12}{'call':<12}{'points':>7}{'violations':>12}"]
    for thread, call in sorted(counts):
        key = thread, call
        lines.append(f"{thread:<12}{call:<12}{counts[key]:>7}{wrong[key]:>12}")
    return "\n".join(lines)


def judge(theatre: Theatre, point: Point) -> Verdict:
    """Disturb the scene at `point`, look at the wreck, run again, and look at the end."""
    theatre.reset()
    ran = theatre.run(point.thread, point.rule)
    wreck = theatre.stage.look()
    wrong = [*_missed(point, ran), *_wrong_wreck(theatre, wreck), *_indiscreet(theatre, ran)]
    if point.fault != KILL:
        wrong += _wrong_answer(theatre, ran, wreck)
    again = theatre.run()
    end = theatre.stage.look()
    if again.code != theatre.calm.code:
        wrong.append(f"I3: the rerun exits {again.code}: {again.err}")
    wrong += [
        *other_than(theatre.done, end),
        *wrong_sums(theatre.stage.archive),
        *moved_back(wreck.rows, end.rows, theatre.scene.reopened),
        *_indiscreet(theatre, again),
    ]
    return Verdict(point, ran, tuple(wrong))


def _missed(point: Point, ran: Ran) -> Iterator[str]:
    """Say if the fault did not come where it was to come."""
    at = [call for call in ran.calls if (call.name, call.number) == (point.call, point.when)]
    if point.fault == KILL:
        if ran.code != -9 or not at or at != list(ran.calls[-1:]):
            yield f"the kill did not come: exit {ran.code} after {ran.calls[-1:]}"
    elif not at or not at[0].injected:
        yield f"the error did not come: exit {ran.code} after {ran.calls[-1:]}"


def _wrong_wreck(theatre: Theatre, wreck: Found) -> Iterator[str]:
    scene, before = theatre.scene, theatre.before.rows
    spoilt = scene.spoilt
    yield from not_whole(
        theatre.stage.archive, wreck, theatre.right(), spoilt, damaged=bool(before.damage)
    )
    yield from moved_back(before, wreck.rows, scene.reopened)


def _wrong_answer(theatre: Theatre, ran: Ran, found: Found) -> Iterator[str]:
    """Check how the program took an error: in bounded time, in its own words, with no claim too much."""
    if ran.code == -14:
        yield "it hung"
    if ran.code not in {5, theatre.calm.code}:
        yield f"it exits {ran.code}: {ran.err}"
        return
    told = ran.err.replace(str(theatre.stage.folder), "")  # whose random name may spell anything
    if "Traceback" in told or "bug" in told:
        yield f"it shows a traceback: {ran.err}"
    if str(theatre.stage.folder) not in ran.err:
        if ran.code == 5:
            yield f"its error names no path: {ran.err}"
        # A scratch file that could not be removed is worth no word: the next pass sweeps it.
        odd = [one for one in other_than(theatre.done, found) if ".part is" not in one]
        yield from (f"it says nothing, and {one}" for one in odd)
    yield from _synced_twice(ran.calls)


def _synced_twice(calls: Iterable[Call]) -> Iterator[str]:
    """Say which files were fsynced again after a failed fsync with nothing written to them in between.

    EINTR says that nothing was tried. Folders are none of it: SQLite does not look at what theirs answers.
    """
    failed: set[str] = set()
    for call in calls:
        file = call.words.partition("<")[2].partition(">")[0]
        if call.name in {"fsync", "fdatasync"} and not Path(file).is_dir():
            if file in failed:
                yield f"a second fsync of {file} after a failed one"
            if call.injected and "EINTR" not in call.result:
                failed.add(file)
        elif call.name in {"pwrite64", "write", "ftruncate"}:
            failed.discard(file)


def _indiscreet(theatre: Theatre, ran: Ran) -> Iterator[str]:
    """Check I4 in what was said and in all that was written."""
    try:
        refuse(ran.out + ran.err, "the output", SIGNATURES)
        refuse_files(theatre.stage.folder, SIGNATURES, besides=[theatre.stage.config])
    except AssertionError as error:
        yield f"I4: {error}"

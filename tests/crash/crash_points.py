"""The points at which a scene is disturbed, by a kill or an error, and what must hold afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from canary import refuse, refuse_files
from scenes import SIGNATURES, Theatre
from traced import THREADS, Call, Ran, touching
from wreck import Found, moved_back, not_whole, other_than, wrong_sums

KILL = "KILL"
_NO_SPACE, _ANY, _BROKEN_OFF = ("ENOSPC", "EDQUOT"), ("EIO",), ("EINTR",)
_ERRORS = {
    "openat": _NO_SPACE + _ANY + _BROKEN_OFF,
    "write": _NO_SPACE + _ANY + _BROKEN_OFF,
    "pwrite64": _NO_SPACE + _ANY + _BROKEN_OFF,
    "fsync": _NO_SPACE + _ANY + _BROKEN_OFF,
    "fdatasync": _NO_SPACE + _ANY + _BROKEN_OFF,
    "mkdir": _NO_SPACE + _ANY,
    "mkdirat": _NO_SPACE + _ANY,
    "linkat": _NO_SPACE + _ANY,
    "rename": _NO_SPACE + _ANY,
    "renameat": _NO_SPACE + _ANY,
    "ftruncate": _ANY + _BROKEN_OFF,
}
"""What each call may answer; any other one EIO."""


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


def calls_of(theatre: Theatre) -> dict[str, list[Call]]:
    """Return the state-touching calls of each thread in an undisturbed run."""
    found = {}
    for thread in THREADS:
        theatre.reset()
        ran = theatre.run(thread)
        assert ran.code == theatre.calm.code, ran.err
        found[thread] = touching(ran.calls, theatre.stage.folder)
    return found


def kills(theatre: Theatre) -> Iterator[Point]:
    """Yield a kill at each state-touching call."""
    for thread, calls in calls_of(theatre).items():
        for call in calls:
            yield Point(theatre.scene.name, thread, call.name, call.number, KILL)


def errors(theatre: Theatre) -> Iterator[Point]:
    """Yield each error at each state-touching call."""
    for thread, calls in calls_of(theatre).items():
        for call in calls:
            for error in _ERRORS.get(call.name, _ANY):
                yield Point(theatre.scene.name, thread, call.name, call.number, error)


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
        *other_than(theatre.end, end),
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
    if "Traceback" in ran.err or "bug" in ran.err:
        yield f"it shows a traceback: {ran.err}"
    if ran.code == 5 and str(theatre.stage.folder) not in ran.err:
        yield f"its error names no path: {ran.err}"
    if ran.code == theatre.calm.code:
        yield from (f"it says nothing, and {one}" for one in other_than(theatre.end, found))
    yield from _synced_twice(ran.calls)


def _synced_twice(calls: Iterable[Call]) -> Iterator[str]:
    """Say which files were fsynced again after a failed fsync with nothing written to them in between."""
    failed: set[str] = set()
    for call in calls:
        file = call.words.partition("<")[2].partition(">")[0]
        if call.name in {"fsync", "fdatasync"}:
            if file in failed:
                yield f"a second fsync of {file} after a failed one"
            if call.injected:
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

"""Cut the power at every system call of one run: what the disks held just then, call by call."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from disks import Snapshot

CALLS = (
    "write,pwrite64,ftruncate,fsync,fdatasync,link,linkat,rename,renameat,renameat2,unlink,unlinkat,"
    "mkdir,mkdirat,chmod,fchmod,fchmodat,utimensat"
)
"""What changes a disk. A file that is only opened is not there yet: it takes an fsync to make it last."""

_LINE = re.compile(r"(?P<thread>\d+) +(?:<\.\.\. )?(?P<call>\w+)(?:\(| resumed>)")
_DEATHBOUND = ("setpriv", "--pdeathsig", "KILL")  # a tracer that dies leaves nothing stopped behind

Told = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Cut:
    """The moment after a system call: which, what had been told by then, what the disks held."""

    after: str
    told: Told
    disks: tuple[Snapshot, ...]


def cuts(
    command: Sequence[str], env: dict[str, str], out: Path, look: Callable[[], tuple[Snapshot, ...]]
) -> Iterator[Cut]:
    """Run `command`, stop all of it after every call of CALLS, and yield what `look` sees then.

    The command writes to `out`: one JSON object a line, as `sync --json` does.
    """
    reading, writing = os.pipe()
    trace = [
        *("strace", "-f", "-q", "-y", "-s0", "-o", f"/dev/fd/{writing}"),
        *("-e", f"trace={CALLS}", "-e", f"inject={CALLS}:signal=STOP"),
    ]
    with (
        os.fdopen(reading) as lines,
        out.open("wb") as sink,
        subprocess.Popen(
            [*_DEATHBOUND, *trace, *_DEATHBOUND, *command],
            stdout=sink, stderr=subprocess.STDOUT, env=env, pass_fds=[writing],
        ) as tracer,
    ):  # fmt: skip
        os.close(writing)
        try:
            for after in _stops(lines):
                yield Cut(after, told(out), look())
        finally:
            tracer.kill()  # which ends what it traces; nothing is left of it after a whole run


def told(out: Path) -> Told:
    """Return the reports of which the command has said that they are stored."""
    events = [json.loads(line) for line in out.read_text().splitlines() if line.startswith("{")]
    good = {"stored", "adopted", "version"}
    return frozenset((one["app"], one["day"]) for one in events if one.get("outcome") in good)


def _stops(lines: Iterator[str]) -> Iterator[str]:
    """Yield what was called last each time that all threads have stopped; then let them go on."""
    process, last = 0, ""
    stopped: set[int] = set()
    counts: Counter[tuple[int, str]] = Counter()
    for line in lines:
        thread = int(line.split(maxsplit=1)[0])
        process = process or thread
        if call := _LINE.match(line):
            counts[thread, call["call"]] += "unfinished ..." not in line
            name = "main" if thread == process else "worker"
            last = f"{name} {call['call']} {counts[thread, call['call']]}: {line.strip()}"
        elif "--- stopped by SIGSTOP ---" in line:
            stopped.add(thread)
        if stopped and stopped >= _threads(process):
            yield last
            stopped.clear()
            os.kill(process, signal.SIGCONT)


def _threads(process: int) -> set[int]:
    return {int(path.name) for path in Path(f"/proc/{process}/task").iterdir()}

"""Runs the real program under strace, one thread of it traced, and reads the calls that touch state.

strace counts `when=` for each thread, so exactly one thread is traced at a time, without `-f`: then the
k-th call of a name is the same one in every run.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zygote import Zygote, environment
from zygote_main import HELD

THREADS = ("MainThread", "work", "collect-0")
"""The threads of a `sync` with one worker: one waits for signals, one runs the pass, one downloads."""

STATE = (
    "open", "openat", "creat", "write", "writev", "pwrite64", "pwritev", "fsync", "fdatasync", "link",
    "linkat", "symlink", "symlinkat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir",
    "mkdir", "mkdirat", "mknod", "mknodat", "truncate", "ftruncate", "fallocate", "chmod", "fchmod",
    "fchmodat", "chown", "fchown", "fchownat", "utimensat", "sendfile", "copy_file_range", "sync",
    "syncfs", "sync_file_range", "setxattr", "fsetxattr",
)  # fmt: skip
"""The calls by which a process changes what lies on disk, or how durable it is."""

LOOKS = (
    "flock", "read", "pread64", "getdents64", "newfstatat", "fstat", "stat", "lstat", "statx", "statfs",
    "fstatfs", "lseek", "access", "faccessat", "faccessat2", "readlink", "readlinkat",
)  # fmt: skip
"""The calls by which it only looks, or waits for others."""

_OPENS = {"open", "openat"}
_NAMES = {*STATE, *LOOKS}
_CHANGING = re.compile(r"O_(CREAT|TMPFILE|TRUNC|WRONLY|RDWR)")
_LINE = re.compile(r"(\w+)\((.*)\)\s+= (.*)", re.DOTALL)
_TRACE = ("-qq", "-y", "-e", f"inject=getpgid:retval={HELD}")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a trace: the `number`-th of its name in its thread, from 1, and what came of it."""

    name: str
    number: int
    words: str
    result: str

    @property
    def injected(self) -> bool:
        """Whether strace had it fail."""
        return "(INJECTED)" in self.result

    @property
    def place(self) -> str:
        """What it is about, without what differs from run to run."""
        paths = re.findall(r'[<"](/[^>"]*)|"([^"]*)"', self.words)
        named = "/".join(path or name for path, name in paths)
        return re.sub(r"/#\d+.*|[0-9a-f]{16}|(?<==)\d+", "", named)


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended: `code` is that of a signal below 0; `calls` are those of the traced thread."""

    code: int
    out: str
    err: str
    calls: tuple[Call, ...] = ()


class Program:
    """The program at `package`, run under `strace`; keeps its outputs and traces in `folder`."""

    def __init__(self, folder: Path, zygote: Zygote, strace: str, package: Path) -> None:
        self._zygote, self._strace, self._package = zygote, strace, package
        self._out, self._err, self._log = (folder / name for name in ("out", "err", "trace"))

    def run(
        self,
        args: Sequence[str],
        cwd: Path,
        *,
        thread: str | None = None,
        rules: Iterable[str] = (),
        without: Iterable[str] = (),
        limit: int = 0,
    ) -> Ran:
        """Run a command; with `thread`, that one is traced, and `rules` are strace's `inject=` for it.

        `without` are attributes that its `os` is to lack. After `limit` seconds SIGALRM ends it.
        """
        for path in (self._out, self._err, self._log):
            path.unlink(missing_ok=True)
        self._zygote.start(
            args=list(args), cwd=str(cwd), env=environment(package=self._package),
            out=str(self._out), err=str(self._err), hold=thread, without=list(without), limit=limit,
        )  # fmt: skip
        kind, number = self._zygote.answer()
        if kind == "held":
            number = self._traced(number, rules)
        log = self._log.read_text(errors="replace") if self._log.exists() else ""
        out, err = self._out.read_text(), self._err.read_text()
        return Ran(number, out, err, tuple(read_calls(log)))

    def _traced(self, thread: int, rules: Iterable[str]) -> int:
        chosen = [word for rule in rules for word in ("-e", f"inject={rule}")]
        names = ",".join((*STATE, *LOOKS, "getpgid"))
        command = [self._strace, *_TRACE, "-e", f"trace={names}", *chosen]
        tracer = subprocess.Popen(
            [*command, "-o", str(self._log), "-p", str(thread)], stderr=subprocess.PIPE
        )
        with tracer:
            kind, number = self._zygote.answer()
            assert tracer.stderr
            said = tracer.stderr.read().decode()
        assert kind == "ended"
        assert number != 99, f"strace did not trace: {said}"
        return number


def read_calls(log: str) -> list[Call]:
    """Return the calls of a trace of one thread, numbered by name."""
    numbers: Counter[str] = Counter()
    calls = []
    for line in log.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            name = line.partition("(")[0]  # the process was killed inside
            match = re.fullmatch(r"(\w+)\((.*)()", line) if name in _NAMES else None
        if match is None or match[1] not in _NAMES:
            continue
        numbers[match[1]] += 1
        calls.append(Call(match[1], numbers[match[1]], match[2], match[3]))
    return calls


def touching(calls: Iterable[Call], folder: Path) -> list[Call]:
    """Return the calls that touch state below `folder`: opens only where they may change something."""
    return [call for call in calls if str(folder) in call.words and _changes(call)]


def looking(calls: Iterable[Call], folder: Path) -> list[Call]:
    """Return the other calls about what is below `folder`."""
    return [call for call in calls if str(folder) in call.words and not _changes(call)]


def _changes(call: Call) -> bool:
    return call.name in STATE and (
        call.name not in _OPENS or _CHANGING.search(call.words) is not None
    )

"""Run one command to its end: no shell, few variables, a time limit for it and all that it starts."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import shlex
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from reportsync.notation import duration_text
from reportsync.redact import clean
from reportsync.stop import Stop

PASSED_ON = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR"}
)
"""The variables of our own environment that a command gets, besides LC_*: the config's secrets often
stand in others."""

KILL_AFTER = 5.0
"""Seconds between SIGTERM and SIGKILL; fewer when the process itself is to end sooner."""

_LEAST_MERCY = 0.2
_DEATH_SECONDS = 2.0
_LOOK_SECONDS = 0.05
_TAIL_BYTES = 8192
_SHOWN = 300
_DEFAULTED = (
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: `error` says why it was no success, `stopped` that we were asked to end first."""

    error: str | None = None
    stopped: bool = False

    @property
    def ok(self) -> bool:
        """Whether the command exited 0."""
        return self.error is None and not self.stopped


def passed_on(own: Mapping[str, str]) -> dict[str, str]:
    """Return what a command gets of our `own` environment. Pure."""
    return {
        name: value for name, value in own.items() if name in PASSED_ON or name.startswith("LC_")
    }


def run_command(
    command: str,
    environment: Mapping[str, str],
    stdin: bytes,
    timeout: timedelta,
    stop: Stop,
    started: Callable[[int], None] = lambda pid: None,
) -> Ended:
    """Run `command`, split as a shell would but without one, and return how it ended; never later than
    `timeout` and the mercy after it.

    `environment` is all the environment it gets, `stdin` (at most what a pipe holds, 64 KiB on Linux) all
    its input. It leads a process group of its own, and unless it exits 0 nothing of that group is left.
    `started` is called with its process id, which is also the group's; what it raises ends the command.
    """
    try:
        child = _Child.spawn(shlex.split(command), environment, stdin)
    except (OSError, ValueError) as error:
        # Neither text is of the command's making, but a ValueError may hold a part of it.
        why = error.strerror if isinstance(error, OSError) else "not a command line"
        return Ended(error=f"cannot be started: {why}")
    with child:
        started(child.pid)
        return child.wait(timeout, stop)


class _Tail:
    """The end of an output of any length."""

    def __init__(self) -> None:
        self._data = b""

    def add(self, data: bytes) -> None:
        self._data = (self._data + data)[-_TAIL_BYTES:]

    def __str__(self) -> str:
        # Cleaned before it is cut: a secret that was cut in two would not be found.
        text = clean(self._data.decode("utf-8", "replace"), _TAIL_BYTES)
        return text if len(text) <= _SHOWN else "…" + text[1 - _SHOWN :]


class _Child:
    """A process, its group, and the read end of what it writes; as a context it is gone at the end."""

    def __init__(self, pid: int, output: int) -> None:
        self.pid = pid
        self._output: int | None = output
        self._tail = _Tail()
        self._selector = selectors.DefaultSelector()
        self._selector.register(output, selectors.EVENT_READ)
        os.set_blocking(output, False)

    @classmethod
    def spawn(cls, argv: list[str], environment: Mapping[str, str], stdin: bytes) -> _Child:
        """Start `argv`; raise OSError or ValueError if that cannot be."""
        if not argv:
            raise ValueError("nothing to run")
        with contextlib.ExitStack() as ends:
            given, giving = _pipe(ends)
            os.set_blocking(giving, False)
            if os.write(giving, stdin) < len(stdin):
                raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))
            taken = os.pipe()
            ends.callback(os.close, taken[1])
            try:
                # Not subprocess: this sets the signal mask, which is inherited and in the daemon blocks
                # SIGTERM, in the new process alone and without Python code after a fork.
                pid = os.posix_spawnp(
                    argv[0],
                    argv,
                    environment,
                    file_actions=[
                        (os.POSIX_SPAWN_DUP2, given, 0),
                        (os.POSIX_SPAWN_DUP2, taken[1], 1),
                        (os.POSIX_SPAWN_DUP2, taken[1], 2),
                        *((os.POSIX_SPAWN_CLOSE, number) for number in _inherited()),
                    ],
                    setpgroup=0,
                    setsigmask=(),
                    setsigdef=_DEFAULTED,
                )
            except BaseException:
                os.close(taken[0])
                raise
        return cls(pid, taken[0])

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *failed: object) -> None:
        if failed[0] is not None:
            self._signal(signal.SIGKILL)
            self._await_death()
        os.waitpid(self.pid, os.WNOHANG)
        self._close()
        self._selector.close()

    def wait(self, timeout: timedelta, stop: Stop) -> Ended:
        """Return how the process ended, making it end after `timeout` or when asked to stop."""
        limit = time.monotonic() + timeout.total_seconds()
        while not self._has_ended():
            if time.monotonic() >= limit:
                gone = self._end(stop)
                long = f"took longer than {duration_text(timeout)}"
                return Ended(self._because(long if gone else f"{long} and cannot be ended"))
            if stop.requested:
                gone = self._end(stop)
                return self._verdict(stopped=True) if gone else Ended(stopped=True)
            self._listen()
        return self._verdict(stopped=False)

    def _verdict(self, *, stopped: bool) -> Ended:
        """Say how the process, which has ended, did; what a failed one left behind is killed."""
        self._take_in()
        # Looked at without being reaped: until then no other group can have got its number.
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        assert found is not None
        if found.si_code == os.CLD_EXITED and found.si_status == 0:
            return Ended()
        self._signal(signal.SIGKILL)
        if stopped:
            return Ended(stopped=True)
        if found.si_code == os.CLD_EXITED:
            return Ended(self._because(f"exit {found.si_status}"))
        return Ended(self._because(f"ended by {_name(found.si_status)}"))

    def _end(self, stop: Stop) -> bool:
        """End the group: asked first, killed when all have ended or mercy does, which a stop may cut short
        meanwhile; say if that helped. It does not with what runs as another user, or hangs in the kernel."""
        self._signal(signal.SIGTERM)
        asked = time.monotonic()
        # Whoever of the group is left holds the output open, as a rule.
        while not (self._has_ended() and self._output is None):
            mercy = min(KILL_AFTER, max(stop.cut_at - asked, _LEAST_MERCY))
            if time.monotonic() >= asked + mercy:
                break
            self._listen()
        self._signal(signal.SIGKILL)
        return self._await_death()

    def _await_death(self) -> bool:
        limit = time.monotonic() + _DEATH_SECONDS
        while not self._has_ended() and time.monotonic() < limit:
            self._listen()
        return self._has_ended()

    def _signal(self, number: signal.Signals) -> None:
        signal_group(self.pid, number)

    def _has_ended(self) -> bool:
        flags = os.WEXITED | os.WNOWAIT | os.WNOHANG
        return os.waitid(os.P_PID, self.pid, flags) is not None

    def _listen(self) -> None:
        """Take in what is written, or wait a moment for it."""
        if self._output is None:
            time.sleep(_LOOK_SECONDS)
        elif self._selector.select(_LOOK_SECONDS):
            self._take_in()

    def _take_in(self) -> bool:
        """Take in what lies ready; say if there was anything."""
        if self._output is None:
            return False
        try:
            data = os.read(self._output, 65536)
        except BlockingIOError:
            return False
        self._tail.add(data)
        if not data:
            self._close()
        return bool(data)

    def _close(self) -> None:
        if self._output is not None:
            self._selector.unregister(self._output)
            os.close(self._output)
            self._output = None

    def _because(self, what: str) -> str:
        text = str(self._tail)
        return f"{what}: {text}" if text else what


def _name(number: int) -> str:
    """Return what a signal is called; of those of real time only the first and the last have names."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def signal_group(leader: int, number: signal.Signals) -> None:
    """Send a signal to the process group of `leader`, as far as there is one and we may."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def _inherited() -> list[int]:
    """Return the descriptors that our own parent left open for us; Python's own are never passed on."""
    found = []
    for number in sorted(int(path.name) for path in Path("/dev/fd").iterdir()):
        # The one that listed the folder is closed by now.
        with contextlib.suppress(OSError):
            if number > 2 and os.get_inheritable(number):
                found.append(number)
    return found


def _pipe(ends: contextlib.ExitStack) -> tuple[int, int]:
    """Return both ends of a new pipe, which `ends` closes."""
    pair = os.pipe()
    for end in pair:
        ends.callback(os.close, end)
    return pair

"""Long commands under signals: the main thread waits for them while another one works."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

from reportsync.cli.output import let_output_fail, say
from reportsync.errors import Stopped
from reportsync.stop import Stop

_ENDING = (signal.SIGINT, signal.SIGTERM)
_FINISHED = signal.SIGUSR1


class _Work(threading.Thread):
    """Runs the command's work, then wakes the main thread."""

    def __init__(self, work: Callable[[Stop], int], stop: Stop) -> None:
        super().__init__(name="work", daemon=True)
        self._work = work
        self._stop_request = stop
        self.code = 0
        self.error: BaseException | None = None
        self.finished = False

    def run(self) -> None:
        try:
            self.code = self._work(self._stop_request)
        except BaseException as error:
            self.error = error
        self.finished = True
        os.kill(os.getpid(), _FINISHED)


def supervised(work: Callable[[Stop], int], *, words_matter: bool = False) -> int:
    """Run `work(stop)` in a thread and return its exit code.

    The first SIGINT or SIGTERM asks it to stop in order, a second one ends the process at once, which is
    safe at any point. The exit code is then 130 or 143: work that returns although it was stopped has to
    return `stop.code`, so that its last words and the exit code agree whenever the signal came. Handlers
    are not used: the signals are blocked and waited for, which also works as PID 1. Unless `words_matter`,
    a command that could not write what it had to say has the exit code of its work.
    """
    if not words_matter:
        let_output_fail()
    stop = Stop()
    signal.pthread_sigmask(signal.SIG_BLOCK, {*_ENDING, _FINISHED})
    thread = _Work(work, stop)
    thread.start()
    while not thread.finished:
        number = signal.sigwait({*_ENDING, _FINISHED})
        if number == _FINISHED:
            continue
        if stop.requested:
            os._exit(128 + number)
        say(
            f"{signal.Signals(number).name}: stopping; a second one ends at once, and loses nothing"
        )
        stop.request(code=128 + number)
    thread.join()
    if stop.code and isinstance(thread.error, Stopped):
        return stop.code
    if thread.error is not None:
        raise thread.error
    return thread.code

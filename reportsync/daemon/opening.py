"""While the daemon opens disk and ledger, which others may hold for long, a signal still ends it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from reportsync.announce.log import Logger

_ENDING = (signal.SIGINT, signal.SIGTERM)
_OVER = signal.SIGUSR1


@contextmanager
def ended_by_signals(logger: Logger) -> Iterator[None]:
    """In the body SIGINT and SIGTERM, which the caller has blocked in all threads, end the process at once.

    Safe as long as no pass is under way: whatever opening does may be cut off at any point.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {_OVER})
    over = threading.Event()
    waiter = threading.Thread(target=_wait, args=(over, logger), name="opening", daemon=True)
    waiter.start()
    try:
        yield
    finally:
        over.set()
        signal.pthread_kill(waiter.ident or 0, _OVER)
        waiter.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait(over: threading.Event, logger: Logger) -> None:
    # Till both: anybody may send the signal that means the end of the wait.
    while not over.is_set():
        number = signal.sigwait({*_ENDING, _OVER})
        if number in _ENDING:
            logger.info("stopped", signal=signal.Signals(number).name, exit=128 + number)
            os._exit(128 + number)

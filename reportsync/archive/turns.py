"""One at a time for what needs much memory, however many zips are examined at once. Pure but for waiting."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext

_TURN = threading.RLock()  # again within: a large directory may name a member that needs much, too


def in_turn(large: bool) -> AbstractContextManager[object]:
    """Return a context that only one thread at a time is in, if what happens there is `large`."""
    return _TURN if large else nullcontext()

"""The first sync, killed at every system call by which it touches disk or ledger."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from crash_points import kills
from scenes import Theatre

Perform = Callable[[str], Theatre]
Disturb = Callable[..., int]

pytestmark = [pytest.mark.slow, pytest.mark.tool("strace")]


def test_fault_25_a_first_sync_killed_at_any_call_ends_like_an_undisturbed_one(
    perform: Perform, disturb: Disturb
) -> None:
    theatre = perform("sync")
    assert disturb(theatre, list(kills(theatre))) >= 600

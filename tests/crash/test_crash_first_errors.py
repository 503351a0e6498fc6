"""The first sync, with an error at every system call by which it touches disk or ledger."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from crash_points import errors
from scenes import Theatre

Perform = Callable[[str], Theatre]
Disturb = Callable[..., int]

pytestmark = [pytest.mark.slow, pytest.mark.tool("strace")]


def test_fault_21_a_first_sync_with_an_error_at_any_call_loses_nothing(
    perform: Perform, disturb: Disturb
) -> None:
    theatre = perform("sync")
    assert disturb(theatre, list(errors(theatre, 8, each=True))) >= 300

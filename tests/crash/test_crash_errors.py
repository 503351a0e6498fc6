"""Every other command that writes, with errors at its system calls: all of ours, one in 16 of SQLite's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from crash_points import errors
from scenes import SCENES, Theatre

Perform = Callable[[str], Theatre]
Disturb = Callable[..., int]

pytestmark = [pytest.mark.slow, pytest.mark.tool("strace")]
LEAST = 35  # points of each scene


@pytest.mark.parametrize("scene", [name for name in SCENES if name != "sync"])
def test_fault_21_a_command_with_an_error_at_any_call_of_ours_loses_nothing(
    perform: Perform, disturb: Disturb, scene: str
) -> None:
    theatre = perform(scene)
    assert disturb(theatre, list(errors(theatre, 16))) >= LEAST

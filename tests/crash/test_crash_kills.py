"""Every other command that writes, killed at its system calls: all of ours, and each eighth of SQLite's.

SQLite's are all of them points in the first sync.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from crash_points import kills
from scenes import SCENES, Theatre

Perform = Callable[[str], Theatre]
Disturb = Callable[..., int]

pytestmark = [pytest.mark.slow, pytest.mark.tool("strace")]
LEAST = 50  # points of each scene


@pytest.mark.parametrize("scene", [name for name in SCENES if name != "sync"])
def test_fault_25_a_command_killed_at_any_call_of_ours_ends_like_an_undisturbed_one(
    perform: Perform, disturb: Disturb, scene: str
) -> None:
    theatre = perform(scene)
    assert disturb(theatre, list(kills(theatre, 8))) >= LEAST

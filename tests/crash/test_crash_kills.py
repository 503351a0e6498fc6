"""Every other command that writes, killed at its system calls: all of ours, and each fifth of SQLite's.

SQLite's are all of them points in the first sync.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from crash_points import kills
from scenes import Theatre

Perform = Callable[[str], Theatre]
Disturb = Callable[..., None]

pytestmark = [pytest.mark.slow, pytest.mark.tool("strace")]
SCENES = {
    "later": 50,
    "named": 50,
    "apart": 50,
    "force": 50,
    "repair": 50,
    "restore": 50,
    "rebuild": 50,
    "salvage": 50,
}
"""The scenes, and how many points there are at least."""


@pytest.mark.parametrize("scene", SCENES)
def test_fault_25_a_command_killed_at_any_call_of_ours_ends_like_an_undisturbed_one(
    perform: Perform, disturb: Disturb, scene: str
) -> None:
    theatre = perform(scene)
    disturb(theatre, list(kills(theatre, 5)), SCENES[scene])

"""Every other command that writes, with errors at its system calls: all of ours, each fifth of SQLite's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from crash_points import errors
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
def test_fault_21_a_command_with_an_error_at_any_call_of_ours_loses_nothing(
    perform: Perform, disturb: Disturb, scene: str
) -> None:
    theatre = perform(scene)
    disturb(theatre, list(errors(theatre, 5)), SCENES[scene])

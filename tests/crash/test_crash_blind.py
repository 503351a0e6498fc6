"""Commands that write, with an error at the calls by which they only look, or wait for a lock."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from crash_points import blind
from scenes import Theatre

Perform = Callable[[str], Theatre]
Disturb = Callable[..., int]

pytestmark = [pytest.mark.slow, pytest.mark.tool("strace")]
SCENES = {"later": (2, 75), "restore": (3, 65), "repair": (8, 50), "rebuild": (6, 65)}
"""The scenes, of how many points one is disturbed, and how many these are at least."""


@pytest.mark.parametrize("scene", SCENES)
def test_fault_21_a_command_that_cannot_look_says_so_and_loses_nothing(
    perform: Perform, disturb: Disturb, scene: str
) -> None:
    share, least = SCENES[scene]
    theatre = perform(scene)
    assert disturb(theatre, list(blind(theatre, 10)), share) >= least

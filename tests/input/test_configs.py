"""Mutated configs: taken, or every problem is told with its place; never a bug, never a secret."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cli_tool import Place
from configs_checked import Tally, check


@pytest.mark.slow
def test_fault_35_a_thousand_mutated_configs_are_taken_or_told_of_with_their_places(
    place: Place, figure: Callable[[str], None]
) -> None:
    tally = Tally()
    for seed in range(20, 1080):
        check(place, seed, tally)
    figure(str(tally))
    assert tally.codes.total() == 1060
    assert tally.codes[78] >= 700
    assert tally.codes[0] >= 30

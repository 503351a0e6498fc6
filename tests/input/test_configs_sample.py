"""Mutated configs: a sample that is quick enough for every run."""

from __future__ import annotations

from cli_tool import Place
from configs_checked import Tally, check


def test_fault_35_a_few_mutated_configs_are_taken_or_told_of_with_their_places(
    place: Place,
) -> None:
    tally = Tally()
    for seed in range(12):
        check(place, seed, tally)
    assert tally.codes[78] >= 6

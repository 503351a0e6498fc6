"""Mutated HTTP answers: the families timing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from answers_given import collected, judged, seeds_of


@pytest.mark.slow
def test_a_thousand_answers_mutated_in_timing_store_nothing_wrong(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    seeds = seeds_of(("timing",), 1000)
    tally = judged(tmp_path, seeds, collected(tmp_path, seeds))
    figure(f"timing: {tally}")
    assert tally.outcomes.total() == 1000
    assert tally.stored >= 200

"""Mutated HTTP answers: the families status and headers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from answers_given import collected, judged, seeds_of


@pytest.mark.slow
def test_four_thousand_answers_mutated_in_head_store_nothing_wrong(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    seeds = seeds_of(
        (
            "status",
            "headers",
        ),
        2000,
    )
    tally = judged(tmp_path, seeds, collected(tmp_path, seeds))
    figure(f"head: {tally}")
    assert tally.outcomes.total() == 4000
    assert tally.stored >= 700

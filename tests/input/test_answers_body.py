"""Mutated HTTP answers: the families body and bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from answers_given import collected, judged, seeds_of


@pytest.mark.slow
def test_three_thousand_four_hundred_answers_mutated_in_body_store_nothing_wrong(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    seeds = seeds_of(
        (
            "body",
            "bytes",
        ),
        1700,
    )
    tally = judged(tmp_path, seeds, collected(tmp_path, seeds))
    figure(f"body: {tally}")
    assert tally.outcomes.total() == 3400
    assert tally.stored >= 150

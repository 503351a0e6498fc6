"""Mutated HTTP answers: the families framing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from answers_given import collected, judged, seeds_of


@pytest.mark.slow
def test_two_thousand_answers_mutated_in_framing_store_nothing_wrong(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    seeds = seeds_of(("framing",), 2000)
    tally = judged(tmp_path, seeds, collected(tmp_path, seeds))
    figure(f"framing: {tally}")
    assert tally.outcomes.total() == 2000
    assert tally.stored >= 200

"""Damaged ledgers: the second half."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cli_tool import Place
from damaged_ledgers import bench, check


@pytest.mark.slow
def test_fault_31_two_hundred_more_damaged_ledgers_cost_no_archive_and_no_day(
    place: Place, figure: Callable[[str], None]
) -> None:
    with bench(place) as damaged:
        for seed in range(200, 410):
            check(damaged, seed)
    figure(str(damaged.tally))
    assert damaged.tally.ways.total() == 210
    assert len(damaged.tally.ways) >= 22, "ways in which a ledger can come to harm"

"""Damaged ledgers: a sample that is quick enough for every run."""

from __future__ import annotations

from cli_tool import Place
from damaged_ledgers import bench, check


def test_a_few_damaged_ledgers_cost_no_archive_and_no_day(place: Place) -> None:
    with bench(place) as damaged:
        for seed in range(2):
            check(damaged, seed)
        assert damaged.tally.ways.total() == 2

"""Mutated HTTP answers: a sample that is quick enough for every run."""

from __future__ import annotations

from pathlib import Path

from answers_given import collected, judged, seeds_of

QUICK = ("status", "headers", "framing", "body", "bytes")


def test_a_few_mutated_answers_store_nothing_wrong(tmp_path: Path) -> None:
    seeds = seeds_of(QUICK, 5)
    tally = judged(tmp_path, seeds, collected(tmp_path, seeds))
    assert tally.outcomes.total() == 25
    assert tally.stored >= 2

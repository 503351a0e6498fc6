"""A few short lives of the whole program; the long ones are in the other files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .run import Outcome, simulate

YEARS, APPS = 0.02, 5


@pytest.fixture(scope="module")
def lived() -> Outcome:
    """Return how one life went, for all tests of this file."""
    return simulate(1, YEARS, APPS)


def test_no_day_is_lost_in_a_short_life(lived: Outcome) -> None:
    if lived.violation is not None:
        pytest.fail(lived.story(YEARS, APPS), pytrace=False)
    assert lived.counts["stored"] > 50


@pytest.mark.slow
def test_a_seed_replays_exactly_in_another_process_with_other_hashes(lived: Outcome) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.simulation", "--seed", "1", "--years", str(YEARS)]
    other = {**os.environ, "PYTHONHASHSEED": "12345"}
    told = subprocess.run(
        [*command, "--apps", str(APPS)], cwd=root, env=other, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert f"trace {lived.digest}" in told.stdout

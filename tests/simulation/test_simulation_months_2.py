"""Many seeds, each of which lives for some months: share 2 of 3."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .lives import live_through


@pytest.mark.slow
def test_no_day_is_lost_in_months_of_many_seeds(figure: Callable[[str], None]) -> None:
    assert live_through(range(200, 203), 0.15, 24, figure) > 10

"""A few seeds that live for years: over the ends of years, 29 February and every change of the clocks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .lives import live_through


@pytest.mark.slow
def test_no_day_is_lost_in_years_of_a_few_seeds(figure: Callable[[str], None]) -> None:
    live_through(range(400, 402), 1.5, 12, figure)

"""A seed that lives for more than a year, and calmly: over its end, and every change of the clocks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .lives import live_through


@pytest.mark.slow
def test_no_day_is_lost_in_more_than_a_year_as_life_is(figure: Callable[[str], None]) -> None:
    assert live_through([409], 1.1, 8, figure, storms=0.1) > 7

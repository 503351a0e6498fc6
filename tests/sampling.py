"""Which of many cases a run takes: the quick one the first of them, CI all."""

from __future__ import annotations

from collections.abc import Iterable

import pytest


def sampled(cases: Iterable[object], quick: int = 1) -> list[object]:
    """Return `cases` for `parametrize`, with all but the first `quick` marked as slow."""
    return [
        case if number < quick else pytest.param(case, marks=pytest.mark.slow)
        for number, case in enumerate(cases)
    ]

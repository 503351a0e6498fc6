"""The power goes at every call, on ext4; what must hold is in power_bench.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from power_bench import CASES, Layout

KIND = "ext4"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.tool("strace", "mount", "setpriv", "mkfs.ext4"),
]


@pytest.mark.parametrize(("scene", "layout", "least"), CASES)
def test_fault_25_a_power_cut_on_ext4_loses_nothing(
    cut: Callable[[str, Layout], int], scene: str, layout: Layout, least: int
) -> None:
    assert cut(scene, layout) >= least

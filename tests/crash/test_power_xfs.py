"""The power goes at every call, on XFS; what must hold is in power_bench.py.

On one disk, and with the ledger on another while the archive was flushed; ext4 takes all there is.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from power_bench import CASES, Layout

KIND = "xfs"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.tool("strace", "mount", "setpriv", "mkfs.xfs"),
]


@pytest.mark.parametrize(("scene", "layout", "least"), CASES[:4:3])
def test_fault_25_a_power_cut_on_xfs_loses_nothing(
    cut: Callable[[str, Layout], int], scene: str, layout: Layout, least: int
) -> None:
    assert cut(scene, layout) >= least

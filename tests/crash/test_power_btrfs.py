"""The power goes at every call, on Btrfs; what must hold is in power_bench.py.

With the ledger on a disk of its own; ext4 takes all layouts of disks and all scenes.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from power_bench import CASES, Layout

KIND = "btrfs"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.tool("strace", "mount", "setpriv", "mkfs.btrfs"),
]


@pytest.mark.parametrize(("scene", "layout", "least"), CASES[1:2])
def test_fault_25_a_power_cut_on_btrfs_loses_nothing(
    cut: Callable[[str, Layout], int], scene: str, layout: Layout, least: int
) -> None:
    assert cut(scene, layout) >= least

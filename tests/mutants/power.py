"""Mutants that only a power cut shows: what the program says is durable, and is not."""

from __future__ import annotations

from dataclasses import replace

from . import archive

_CUT = "crash/test_power_ext4.py::test_fault_25_a_power_cut_on_ext4_loses_nothing"
_TOOLS = ("strace", "mount", "setpriv", "mkfs.ext4")
_BY_NAME = {one.name: one for one in archive.MUTANTS}

MUTANTS = (
    replace(
        _BY_NAME["no-fsync-of-the-file"],
        name="power-cut-without-fsync-of-the-file",
        tests=(f"{_CUT}[named-one-disk]",),
        tools=_TOOLS,
    ),
    replace(
        _BY_NAME["no-fsync-of-the-folder"],
        name="power-cut-without-fsync-of-the-folder",
        tests=(f"{_CUT}[sync-ledger-elsewhere]",),
        tools=_TOOLS,
    ),
)

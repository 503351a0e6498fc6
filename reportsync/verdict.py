"""The exit code as a function of what was found. Pure."""

from __future__ import annotations

from dataclasses import dataclass

OK = 0
BUG = 1
USAGE = 2
MISSING = 3
DAMAGED = 4
STORAGE = 5
KEY_REFUSED = 77


@dataclass(frozen=True, slots=True)
class Findings:
    """What a command found, as far as it concerns the exit code."""

    missing: bool = False
    damaged: bool = False
    rejected: bool = False
    storage: bool = False
    bug: bool = False


def exit_code(found: Findings) -> int:
    """Return the exit code for `found`: storage, then a bug of ours, a refused key, damage, missing days."""
    if found.storage:
        return STORAGE
    if found.bug:
        return BUG
    if found.rejected:
        return KEY_REFUSED
    if found.damaged:
        return DAMAGED
    return MISSING if found.missing else OK

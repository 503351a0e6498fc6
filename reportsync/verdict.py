"""The exit code as a function of what was found. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from reportsync.errors import ExitCode


@dataclass(frozen=True, slots=True)
class Findings:
    """What a command found, as far as it concerns the exit code."""

    missing: bool = False
    damaged: bool = False
    rejected: bool = False
    storage: bool = False
    bug: bool = False


def exit_code(found: Findings) -> ExitCode:
    """Return the exit code for `found`: storage, then a bug of ours, a refused key, damage, missing days."""
    if found.storage:
        return ExitCode.STORAGE
    if found.bug:
        return ExitCode.BUG
    if found.rejected:
        return ExitCode.KEY_REFUSED
    if found.damaged:
        return ExitCode.DAMAGED
    return ExitCode.MISSING if found.missing else ExitCode.OK

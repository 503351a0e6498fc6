"""What is odd about a stored archive: worth a look, never a reason to refuse it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from reportsync.model import Archive

_ENOUGH = 5
"""Fewer neighbours than this say nothing about the usual size."""


def oddities(archive: Archive, neighbours: Sequence[Archive]) -> tuple[str, ...]:
    """Return what is odd about `archive` against the archives of the days around it."""
    found = []
    if archive.members == 0:
        found.append("empty: the archive has no members")
    others = [other for other in neighbours if other.report != archive.report]
    twin = next((other for other in others if other.sha256 == archive.sha256), None)
    if twin is not None:
        found.append(f"same bytes as {twin.report.day}")
    if len(others) >= _ENOUGH:
        usual = median(other.size for other in others)
        if archive.size * 4 < usual:
            found.append(f"small: {archive.size} bytes, usually about {usual:.0f}")
    return tuple(found)

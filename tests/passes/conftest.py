"""Fixtures of the tests of passes."""

from __future__ import annotations

from pathlib import Path

import pytest
from pass_world import Here
from rebuild_site import site

__all__ = ["here", "site"]


@pytest.fixture
def here(tmp_path: Path) -> Here:
    """Return a folder to work in."""
    return Here(tmp_path)

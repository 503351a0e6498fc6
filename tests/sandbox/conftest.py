"""A running sandbox for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sandbox_client import APP, NOW, OTHER

from reportsync.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Yield a sandbox with two apps whose clock stands at noon of 2026-11-23 UTC."""
    with Sandbox([APP, OTHER], clock=lambda: NOW) as running:
        yield running

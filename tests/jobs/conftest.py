"""What the tests of the job definitions look at."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def jobs() -> Path:
    """Return the folder `jobs`."""
    return Path(__file__).resolve().parents[2] / "jobs"

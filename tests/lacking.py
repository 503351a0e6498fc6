"""What becomes of a test for which something is not there: skipped for a user, failed in CI."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

IN_CI = os.environ.get("REPORTSYNC_CI") == "1"


def lack(what: str) -> NoReturn:
    """Skip the running test for want of `what`; fail it in CI, where everything must be there."""
    if IN_CI:
        pytest.fail(f"{what} (REPORTSYNC_CI=1: nothing may be skipped)", pytrace=False)
    pytest.skip(what)

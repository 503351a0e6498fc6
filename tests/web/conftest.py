"""A status page over the sample history, shared by the tests of a module that only look."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from web_ledger import Served, config_of, fill, serving
from web_sample import sample


@pytest.fixture(autouse=True)
def quiet() -> Iterator[list[dict[str, object]]]:
    """Catch what is logged, and give it to the test as a list of events."""
    with structlog.testing.capture_logs() as events:
        yield events


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Yield a page over the sample history."""
    histories = sample()
    config = config_of(tmp_path_factory.mktemp("page"), histories)
    fill(config, histories)
    with serving(config) as served:
        yield served

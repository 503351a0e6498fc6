"""Ledgers to test with, for the folders whose conftest imports them: over SQLite and over PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reportsync.ledger import Ledger, open_writing


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the SQLite ledger lies."""
    return tmp_path / "ledger.db"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.tool())])
def url(request: pytest.FixtureRequest, path: Path) -> str:
    """Return the URL of a ledger that does not exist yet, in each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{path}"
    found = str(request.getfixturevalue("postgres_url"))
    return found.replace("postgresql:", "postgresql+psycopg:", 1)


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """Yield an open ledger with nothing in it."""
    with open_writing(url) as opened:
        yield opened


@pytest.fixture
def lite(path: Path) -> Iterator[Ledger]:
    """Yield an open SQLite ledger with nothing in it."""
    with open_writing(f"sqlite:///{path}") as opened:
        yield opened

"""Ledgers with arrivals in them, and hooks that are real commands."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from arrival_cases import NOW, Instants, Place, config_of

from reportsync.ledger import Ledger, open_writing
from reportsync.service.hooks import Outbox
from reportsync.stop import Stop

Script = Callable[[str], str]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.tool())])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a ledger that does not exist yet, in each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    found = str(request.getfixturevalue("postgres_url"))
    return found.replace("postgresql:", "postgresql+psycopg:", 1)


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """Yield an open ledger with nothing in it."""
    with open_writing(url) as opened:
        yield opened


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Ledger]:
    """Yield an open SQLite ledger with nothing in it."""
    with open_writing(f"sqlite:///{tmp_path}/ledger.db") as opened:
        yield opened


@pytest.fixture
def clock() -> Instants:
    """Return a clock that stands until it is moved."""
    return Instants(NOW)


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Return a function that writes an executable with the given lines of sh and returns its path."""

    def write(body: str) -> str:
        path = tmp_path / "hook"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(stat.S_IRWXU)
        return str(path)

    return write


@pytest.fixture
def outbox(tmp_path: Path, lite: Ledger, clock: Instants) -> Callable[..., Outbox]:
    """Return a function that makes the outbox of `command` over the SQLite ledger."""

    def make(command: str, stop: Stop | None = None, timeout: str = "30s") -> Outbox:
        config = config_of(tmp_path, command, timeout)
        return Outbox(config, lite, stop or Stop(), clock)

    return make


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a folder with a config without a hook, and commands to run in it."""
    made = Place(tmp_path)
    made.write()
    return made

"""Ledgers with arrivals in them, and hooks that are real commands."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from arrival_cases import NOW, Instants, Place, config_of
from cli_fixtures import zygote
from ledger_fixtures import ledger, lite, path, url
from zygote import Zygote

from reportsync.ledger import Ledger
from reportsync.service.hooks import Outbox
from reportsync.stop import Stop

__all__ = ["ledger", "lite", "path", "url", "zygote"]

Script = Callable[[str], str]


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
def place(tmp_path: Path, zygote: Zygote) -> Place:
    """Return a folder with a config without a hook, and commands to run in it."""
    made = Place(tmp_path, zygote)
    made.write()
    return made

"""A real daemon in a process of its own, against a sandbox in this one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon_process import Running, stand_in, write_config

from reportsync.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Yield a sandbox with one app of three years."""
    with Sandbox([stand_in()]) as running:
        yield running


@pytest.fixture
def start(tmp_path: Path, sandbox: Sandbox) -> Iterator[Callable[..., Running]]:
    """Return a function that writes a config and starts a daemon; `app` and `daemon` are YAML."""
    started: list[Running] = []

    def begin(
        app: str = "",
        daemon: str = "interval: 1h, grace: 3s",
        rest: str = "",
        days: int = 3,
        arguments: list[str] | None = None,
        environ: dict[str, str] | None = None,
    ) -> Running:
        write_config(tmp_path, sandbox.url, app, daemon, rest, days)
        started.append(Running(tmp_path, arguments or [sys.executable], environ or {}))
        return started[-1]

    yield begin
    for running in started:
        running.close()

"""Fixtures of the tests under limits: where a command is squeezed, and the end of one that was not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from cli_fixtures import place, zygote
from cli_tool import Place
from limit_stage import APPS, Squeeze
from private_mounts import Mounts
from zygote import Zygote

from reportsync.sandbox import Sandbox

__all__ = ["place", "zygote"]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Yield a server of two apps that sends nothing but whole archives."""
    with Sandbox(APPS) as running:
        yield running


@pytest.fixture(scope="module")
def squeeze(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote, sandbox: Sandbox) -> Squeeze:
    """Return what runs commands under limits, each in a folder of its own."""
    numbers = count()

    def make() -> Place:
        folder = tmp_path_factory.mktemp("limits") / f"place-{next(numbers)}"
        folder.mkdir(mode=0o700)
        return Place(folder, zygote)

    return Squeeze(make, sandbox)


@pytest.fixture
def mounts() -> Iterator[Mounts]:
    """Yield a mount namespace of the test's own."""
    with Mounts() as mounts:
        yield mounts

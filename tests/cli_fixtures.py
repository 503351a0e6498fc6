"""A folder to run commands in, for the folders whose conftest imports it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_tool import Place, Zygote


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """Yield the process that commands are forked from."""
    with Zygote() as zygote:
        yield zygote


@pytest.fixture
def place(tmp_path: Path, zygote: Zygote) -> Place:
    """Return an empty folder to run commands in."""
    folder = tmp_path / "place"
    folder.mkdir(mode=0o700)
    return Place(folder, zygote)

"""Config files that are written and loaded for real."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from config_files import ENVIRON, LoadText, Problems, Write

from reportsync.config import Loaded, format_problems, load
from reportsync.errors import ConfigError


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a config file and returns its path."""

    def _write(text: str | bytes, mode: int = 0o600) -> Path:
        path = tmp_path / "config.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return path

    return _write


@pytest.fixture
def load_text(write: Write) -> LoadText:
    """Return a function that loads a text as a config file."""

    def _load(text: str | bytes, environ: Mapping[str, str] = ENVIRON, mode: int = 0o600) -> Loaded:
        return load(write(text, mode), environ)

    return _load


@pytest.fixture
def problems(load_text: LoadText, tmp_path: Path) -> Problems:
    """Return a function that gives the problem lines of a text, without the folder in front."""

    def _problems(
        text: str | bytes, environ: Mapping[str, str] = ENVIRON, mode: int = 0o600
    ) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load_text(text, environ, mode)
        return [line.removeprefix(f"{tmp_path}/") for line in format_problems(caught.value)]

    return _problems

"""What `notify` needs beyond the program itself is missed when the config is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from reportsync.config import format_problems, load
from reportsync.errors import ConfigError

TEXT = (
    "apps:\n  - {name: a, app_id: A, secret_key: '${env:K}', data_center: 01, since: 2026-01-01}\n"
    "notify:\n  urls: ['${env:U}']\n"
)
ENVIRON = {"K": "key-0123456", "U": "json://127.0.0.1/hidden-path-of-notices"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(TEXT)
    return path


def test_urls_are_taken_where_the_library_is_there(path: Path) -> None:
    assert len(load(path, ENVIRON).config.notify.urls) == 1


def test_urls_without_the_library_are_a_problem_with_its_remedy(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reportsync.config.build.find_spec", lambda name: None)
    with pytest.raises(ConfigError) as caught:
        load(path, ENVIRON)
    (line,) = format_problems(caught.value)
    assert (
        line == f"{path}:4:9: notify.urls: needs a library; run: pip install 'reportsync[notify]'"
    )
    assert caught.value.exit_code == 78

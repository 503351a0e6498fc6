"""What the tests of the store share: a store, and scripts run as processes of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

import reportsync
from reportsync.model import Report
from reportsync.store import Store, Way

PREAMBLE = """
import json, os, sys
from datetime import date
from pathlib import Path
from reportsync.errors import ReportsyncError
from reportsync.model import Report
from reportsync.store import NameTaken, Store, Way
root = Path(sys.argv[1])
way = Way[sys.argv[2]] if len(sys.argv) > 2 else Way.UNNAMED
store = Store(root, 0, way=way)
report = Report("shop", date(2026, 3, 1))
def refused(deed):
    try:
        deed()
    except ReportsyncError as error:
        print(json.dumps([type(error).__name__, error.message, error.hint]))
"""
_BECOME_NOBODY = """
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(params=list(Way), ids=lambda way: way.name.lower())
def way(request: pytest.FixtureRequest) -> Way:
    chosen = request.param
    assert isinstance(chosen, Way)
    return chosen


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def store(root: Path) -> Store:
    store = Store(root, 0)
    store.open(None)
    return store


@pytest.fixture
def report() -> Report:
    return Report("shop", date(2026, 3, 1))


@pytest.fixture
def command() -> Callable[..., list[str]]:
    """The command line of a script that begins with the preamble."""

    def build(code: str, *args: object) -> list[str]:
        return [sys.executable, "-W", "error", "-c", PREAMBLE + code, *map(str, args)]

    return build


@pytest.fixture
def environment() -> dict[str, str]:
    package = Path(reportsync.__file__).parent.parent
    return {**os.environ, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def run(command: Callable[..., list[str]], environment: dict[str, str]) -> Run:
    """Run a script to its end; `before` are the words of a command that wraps it."""

    def run(
        code: str, *args: object, before: list[str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        line = [*(before or []), *command(code, *args)]
        return subprocess.run(
            line, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    return run


@pytest.fixture
def become_nobody() -> str:
    """Code that gives up root's rights, to be run where root would be refused nothing."""
    return _BECOME_NOBODY


@pytest.fixture
def volume(tmp_path: Path) -> Callable[[str], list[str]]:
    """Build the words of a command that runs with a tmpfs, which nobody else sees, on tmp_path."""

    def build(options: str) -> list[str]:
        mount = f'mount -t tmpfs -o {options} none {tmp_path} && exec "$@"'
        return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]

    if (
        shutil.which("unshare") is None
        or subprocess.run([*build("size=1m"), "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("this process may not mount a tmpfs in a namespace of its own")
    return build


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the user nobody can reach and own, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="reportsync-test-"))
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    yield folder
    shutil.rmtree(folder)

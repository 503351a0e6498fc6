"""Real zips that nobody here wrote: wheels, served as reports by a plain HTTP server."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WHEELS = (
    "six", "idna", "certifi", "iniconfig", "packaging", "pluggy", "click", "colorama", "attrs",
    "tomli", "typing_extensions", "zipp",
)  # fmt: skip


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return a dozen wheels as pip has them."""
    folder = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
    done = subprocess.run(
        [*command, "-d", str(folder), *WHEELS], capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        if os.environ.get("REPORTSYNC_CI") == "1":
            pytest.fail(f"pip download: {done.stderr}", pytrace=False)
        pytest.skip("a dozen wheels cannot be downloaded here")
    return sorted(folder.glob("*.whl"))


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and keeps signatures to itself."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the files of `folder` over HTTP and yield the URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.slow
@pytest.mark.tool("unzip", "sha256sum")
def test_wheels_are_stored_byte_for_byte_and_other_programs_can_read_them(
    wheels: list[Path], tmp_path: Path, tool: Callable[[str], str]
) -> None:
    assert len(wheels) == len(WHEELS)
    last = datetime.now(UTC).date() - timedelta(days=2)
    days = [last - timedelta(days=number) for number in range(len(wheels))]
    served = dict(zip(days, wheels, strict=True))
    reports = tmp_path / "server" / "dailyCampaignReportDump" / "WHEELS"
    reports.mkdir(parents=True)
    for day, wheel in served.items():
        (reports / f"{day:%Y%m%d}.zip").write_bytes(wheel.read_bytes())
    with serving(tmp_path / "server") as url:
        sync(tmp_path, url, days[-1], last)
    for day, wheel in served.items():
        stored = tmp_path / "archive" / "wheels" / f"{day:%Y}" / f"{day:%Y%m%d}.zip"
        assert stored.read_bytes() == wheel.read_bytes()
        subprocess.run([tool("unzip"), "-tqq", str(stored)], check=True)
    for sums in tmp_path.glob("archive/wheels/*/SHA256SUMS"):
        subprocess.run([tool("sha256sum"), "-c", "--quiet", sums.name], cwd=sums.parent, check=True)


def sync(folder: Path, url: str, since: date, until: date) -> None:
    """Run `reportsync sync` for an app with the days `since` to `until`."""
    config = folder / "config.yaml"
    config.touch(mode=0o600)
    config.write_text(
        f"apps: [{{name: wheels, app_id: WHEELS, secret_key: a-key-0123456789, base_url: '{url}',"
        f" since: {since}, until: {until}}}]\n"
        "storage: {archive: archive, ledger: 'sqlite:///ledger.db', min_free: 0}\nhttp: {rate: 0}\n"
    )
    subprocess.run(
        [sys.executable, "-m", "reportsync", "--config", str(config), "sync"],
        check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=120,
    )  # fmt: skip

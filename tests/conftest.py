"""What every test shares: outside tools, a PostgreSQL to talk to, examples that repeat exactly."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from lacking import IN_CI, lack

SLOW_TEST_SECONDS = 600

# Derandomized: the same commit passes or fails the same way everywhere. No deadline per example: on
# a machine that is shared it would measure the neighbours.
hypothesis.settings.register_profile("reportsync", deadline=None, derandomize=True)
hypothesis.settings.load_profile("reportsync")


class _Failures:
    """Names each test that fails at once: after a run of twenty minutes it is late to begin looking."""

    def __init__(self, reporter: Any) -> None:
        self._reporter = reporter

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._reporter.write_line(f"\nfailed: {report.nodeid}")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Have failures named at once in CI, by the process that has the terminal."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if IN_CI and reporter is not None:
        config.pluginmanager.register(_Failures(reporter))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give slow tests their time, and mark as `tool` what asks for programs by a fixture."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_TEST_SECONDS))
        server = item.name.partition("[postgresql")[2][:1] in ("]", "-")  # and not a URL's case
        if server or "postgres_server" in getattr(item, "fixturenames", ()):
            # The same test runs on SQLite anyway; a server costs a second per test.
            item.add_marker(pytest.mark.slow())
        if {"tool", "postgres_server"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.tool())


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose outside tools, programs or a `module`, are absent; in CI, fail it."""
    markers = list(item.iter_markers("tool"))
    absent = {name for marker in markers for name in marker.args if find_tool(name) is None}
    modules = {marker.kwargs["module"] for marker in markers if marker.kwargs}
    absent |= {name for name in modules if importlib.util.find_spec(name) is None}
    if absent:
        lack(f"not installed here: {', '.join(sorted(absent))}")


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Return the function that keeps a line, or a table, for the figures at the end of the run.

    What `docs/reliability.md` states was printed there.
    """
    return lambda text: record_property("figure", text)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what the longer suites counted, from whichever worker it came."""
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.getreports(kind)]
    figures = {
        str(text): report.nodeid
        for report in reports
        for name, text in report.user_properties
        if name == "figure" and report.when == "call"
    }
    if figures:
        terminalreporter.section("figures")
    for text, test in sorted(figures.items(), key=lambda item: item[1]):
        terminalreporter.write_line(f"{test}\n  " + text.replace("\n", "\n  "))


def find_tool(name: str) -> str | None:
    """Return where the program `name` is: beside this Python, on PATH, or where Debian hides it."""
    hidden = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    places = [Path(sys.executable).parent, os.environ.get("PATH", os.defpath), *hidden]
    return shutil.which(name, path=os.pathsep.join(str(place) for place in places))


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """Return the function that gives the path of an outside program; for tests marked with it."""

    def path(name: str) -> str:
        found = find_tool(name)
        return found or lack(f"not installed here: {name}")

    return path


@pytest.fixture(scope="session")
def strace(tool: Callable[[str], str]) -> str:
    """Return the path of strace, if it is allowed to trace; for tests marked with it."""
    if subprocess.run([tool("strace"), "-o", "/dev/null", "true"], check=False).returncode:
        lack("strace is not allowed to trace here")
    return tool("strace")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Yield the URL of a PostgreSQL server's own database: the one given, or one started for us."""
    if importlib.util.find_spec("psycopg") is None:
        lack("psycopg is not installed here: pip install -e '.[postgres]'")
    given = os.environ.get("REPORTSYNC_TEST_POSTGRES")
    if given:
        yield given
        return
    for program in ("initdb", "postgres"):
        if find_tool(program) is None:
            lack(
                f"not installed here: {program} (or set REPORTSYNC_TEST_POSTGRES to a server's URL)"
            )
    with temporary_cluster() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """Yield the URL (postgresql://...) of an empty database that is this test's own."""
    import psycopg
    from sqlalchemy import make_url

    name = f"reportsync_test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        try:
            url = make_url(postgres_server).set(database=name)
            yield url.render_as_string(hide_password=False)
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextlib.contextmanager
def temporary_cluster() -> Iterator[str]:
    """Run a PostgreSQL of our own on a Unix socket in a scratch folder; yield its URL."""
    folder = Path(tempfile.mkdtemp(prefix="rs-pg-"))
    try:
        who = unprivileged(folder)
        create = [
            "-D",
            f"{folder}/data",
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run(
            [str(find_tool("initdb")), *create, "--locale=C"],
            check=True, stdout=subprocess.DEVNULL, cwd=folder, **who,
        )  # fmt: skip
        with serving(folder, who):
            yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def serving(folder: Path, who: dict[str, Any]) -> Iterator[None]:
    """Run `postgres` over the cluster in `folder` until the block ends."""
    log = folder / "log"
    options = [f"unix_socket_directories={folder}", "listen_addresses=", "fsync=off"]
    command = [str(find_tool("postgres")), "-D", f"{folder}/data"]
    command += [word for option in options for word in ("-c", option)]
    with log.open("wb") as sink:
        server = subprocess.Popen(command, stdout=sink, stderr=sink, cwd=folder, **who)
    try:
        wait_until_ready(folder, server, log)
        yield
    finally:
        server.send_signal(signal.SIGINT)  # a fast end: TERM waits for clients to leave
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()  # its data is thrown away in any case
            server.wait()


def wait_until_ready(folder: Path, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return once the server's pid file says `ready`; raise with its log if it does not start."""
    pid_file = folder / "data" / "postmaster.pid"
    give_up = time.monotonic() + 30
    while server.poll() is None and time.monotonic() < give_up:
        if pid_file.exists() and pid_file.read_text().rstrip().endswith("ready"):
            return
        time.sleep(0.02)
    raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text(errors='replace')}")


def unprivileged(folder: Path) -> dict[str, Any]:
    """Return the Popen arguments that drop root, which PostgreSQL refuses; hand `folder` over."""
    if os.geteuid() != 0:
        return {}
    nobody = 65534  # no account is needed: the cluster's superuser is named by -U
    os.chown(folder, nobody, nobody)
    return {"user": nobody, "group": nobody, "extra_groups": ()}

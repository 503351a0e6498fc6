"""A daemon whose volume fills or vanishes, that nobody listens to, or that gets too little of the machine."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon_process import Running, since, wait_until
from private_mounts import Mounts

from reportsync.sandbox import Fault, Sandbox

Start = Callable[..., Running]

pytestmark = pytest.mark.slow
OFTEN = "interval: 1s, grace: 3s"
MIB = 2**20


@pytest.fixture
def mounts() -> Iterator[Mounts]:
    """Yield a mount namespace of the test's own."""
    with Mounts() as mounts:
        yield mounts


def stored(running: Running) -> set[str]:
    """Return the days that the log says were stored."""
    return {event["day"] for event in running.events("report") if event["outcome"] == "stored"}


def wrapped(line: str) -> list[str]:
    """Return what starts Python by a shell that has run, or redirects by, `line`."""
    return ["sh", "-c", line, "sh", sys.executable]


@pytest.mark.tool("unshare", "nsenter", "mount")
def test_fault_22_a_daemon_outlives_a_volume_that_vanishes_and_comes_back(
    start: Start, sandbox: Sandbox, mounts: Mounts, tmp_path: Path
) -> None:
    sandbox.faults.add(Fault("404", day=since(1)))
    volume, archive = tmp_path / "volume", tmp_path / "archive"
    for folder in (volume, archive):
        folder.mkdir(mode=0o750)
    mounts.do("mount --bind {} {}", volume, archive)
    inside = mounts.inside(wrapped(f'cd {shlex.quote(str(tmp_path))} && exec "$@"'))
    schedule = 'report_time: "00:00", buffer: 0s, retry_every: 1s, retry_at_most: 2s'
    running = start(app=schedule, daemon=OFTEN, arguments=inside)
    running.await_event("pass")
    mounts.do("umount -l {}", archive)
    told = running.await_event("storage")
    assert "mounted" in told["reason"] and "archive" in told["reason"] and told["remedy"]
    sandbox.faults.replace()
    assert list(archive.iterdir()) == [], "nothing under the mount point"
    mounts.do("mount --bind {} {}", volume, archive)
    wait_until(lambda: len(stored(running)) == 3)
    wait_until(lambda: any(event["phase"] == "over" for event in running.events("incident")))
    assert len(list(volume.glob("shop/*/*.zip"))) == 3
    assert running.process.poll() is None
    assert list(archive.iterdir()) == []


@pytest.mark.tool("unshare", "nsenter", "mount")
@pytest.mark.parametrize("where", ["archive", "ledger"])
def test_fault_21_a_daemon_goes_on_once_there_is_room_again(
    start: Start, mounts: Mounts, tmp_path: Path, where: str
) -> None:
    full = tmp_path / where
    full.mkdir(mode=0o750)
    size = {"archive": "16k", "ledger": "152k"}[where]
    mounts.do(f"mount -t tmpfs -o mode=750,size={size} none {{}}", full)
    ledger = 'storage: {archive: archive, ledger: "sqlite:///ledger/ledger.db", min_free: 0}'
    change = f"s|^storage:.*|{ledger}|" if where == "ledger" else ""
    line = f"cd {shlex.quote(str(tmp_path))} && sed -i '{change}' config.yaml"
    running = start(daemon=OFTEN, days=12, arguments=mounts.inside(wrapped(f'{line} && exec "$@"')))
    assert where in running.await_event("storage")["reason"]
    mounts.do("mount -o remount,size=8m {}", full)
    archive = mounts.see(tmp_path / "archive")
    wait_until(lambda: len(list(archive.glob("shop/*/*.zip"))) == 12)
    wait_until(lambda: any(event["phase"] == "over" for event in running.events("incident")))
    assert running.end()[0] == 128 + signal.SIGTERM


@pytest.mark.parametrize("stderr", ["2>/dev/full", "2>&-", "2>&- >&- <&-", "2>&1 | true"])
def test_fault_24_a_daemon_whose_log_nobody_takes_goes_on(
    start: Start, tmp_path: Path, stderr: str
) -> None:
    pid = tmp_path / "pid"
    line = f'echo $$ >{shlex.quote(str(pid))}; exec "$@" {stderr.removesuffix(" | true")}'
    line = f'sh -c {shlex.quote(line)} sh "$@"' + (" 2>&1 | true" if "|" in stderr else "")
    running = start(days=3, arguments=wrapped(line))
    archive = running.folder / "archive"
    wait_until(lambda: len(list(archive.glob("shop/*/*.zip"))) == 3)
    os.kill(int(pid.read_text()), 0)
    assert len(list(archive.glob("shop/*/*.zip"))) == 3


@pytest.mark.tool("prlimit")
@pytest.mark.parametrize(
    "limit",
    [f"--as={mib * MIB}" for mib in (64, 112, 136, 160)]
    + [f"--as={mib * MIB} --stack={256 * MIB}" for mib in (400, 900, 1900)]
    + [f"--nofile={count}" for count in (5, 8, 12)],
)
def test_fault_23_a_daemon_without_memory_threads_or_files_ends_or_goes_on_and_the_next_heals(
    start: Start, limit: str
) -> None:
    squeezed = start(daemon=OFTEN, arguments=["prlimit", *limit.split(), sys.executable])
    # Where not even the pass gets a thread, the watch over the scheduler ends it after a minute.
    wait_until(lambda: squeezed.process.poll() or squeezed.events("pass"), seconds=100)
    code = squeezed.process.poll()
    if code is None:
        code = squeezed.end()[0]
        assert code in (1, 128 + signal.SIGTERM), limit
    assert code != 0, "a supervisor has to see it"
    start(daemon=OFTEN)
    wait_until(lambda: len(list((squeezed.folder / "archive").glob("shop/*/*.zip"))) == 3)

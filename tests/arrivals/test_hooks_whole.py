"""The hook after `sync` and beside the daemon: real processes against a sandbox."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from arrival_cases import KEY, Place, wait_until

from reportsync.ledger import deliveries, open_reading
from reportsync.sandbox import Sandbox, SandboxApp

Script = Callable[[str], str]
DAYS = 3
SINCE = datetime.now(UTC).date() - timedelta(days=DAYS)


@pytest.fixture
def url() -> Iterator[str]:
    """Yield the URL of a sandbox with the reports of a few days."""
    with Sandbox([SandboxApp("SHOP", (KEY,), SINCE, report_time=time(0))]) as sandbox:
        yield sandbox.url


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return the file that hooks write to."""
    path = tmp_path / "hook.log"
    path.touch()
    return path


class Run:
    """A daemon under test, with its log."""

    def __init__(self, place: Place) -> None:
        self.log = place.folder / "daemon.log"
        self._sink = self.log.open("ab")
        self.process = place.start("run", stderr=self._sink, stdout=subprocess.DEVNULL)

    def events(self, name: str) -> list[dict[str, Any]]:
        rows = [json.loads(line) for line in self.log.read_text().splitlines() if line[0] == "{"]
        return [row for row in rows if row["event"] == name]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._sink.close()


@pytest.fixture
def daemon(place: Place) -> Iterator[Callable[[], Run]]:
    """Return a function that starts a daemon."""
    started: list[Run] = []

    def start() -> Run:
        started.append(Run(place))
        return started[-1]

    yield start
    for run in started:
        run.close()


def state(place: Place) -> deliveries.HookState:
    with open_reading(f"sqlite:///{place.folder}/ledger.db") as ledger:
        return ledger.read(deliveries.hook_state)


def noted(place: Place) -> list[str]:
    """Return the ids of the processes that the ledger knows to run hooks."""
    with closing(sqlite3.connect(place.folder / "ledger.db")) as ledger:
        rows = ledger.execute("SELECT process FROM deliveries WHERE process IS NOT NULL")
        return [row[0].split(" ")[3] for row in rows]


@pytest.mark.slow
def test_row_41_sync_runs_the_hook_for_each_archive_that_arrived(
    place: Place, url: str, script: Script, log: Path
) -> None:
    place.write(
        script(f'sha256sum "$REPORTSYNC_PATH" | cut -c -64 >> {log}; cat >> {log}'),
        base=url,
        since=SINCE,
    )
    code, _, err = place.run("sync")
    assert code == 0, err
    told = log.read_text().splitlines()
    for sha256, line in zip(told[::2], told[1::2], strict=True):
        assert json.loads(line)["sha256"] == sha256
    assert [json.loads(line)["id"] for line in told[1::2]] == [1, 2, 3]
    assert place.run("sync")[0] == 0
    assert len(log.read_text().splitlines()) == len(told)


@pytest.mark.slow
def test_a_failing_hook_leaves_the_exit_code_alone_and_is_told_of(
    place: Place, url: str, script: Script, log: Path
) -> None:
    place.write(
        script(f"echo $REPORTSYNC_ID >> {log}; echo no table >&2; exit 3"), base=url, since=SINCE
    )
    process = place.start("sync", "--json")
    out, err = process.communicate(timeout=50)
    events = [json.loads(line) for line in out.splitlines()]
    assert (process.returncode, events[-1]["event"], events[-1]["exit"]) == (0, "summary", 0)
    assert log.read_text().split() == ["1"]
    found = [line for line in err.splitlines() if "hook" in line]
    assert len(found) == 1
    assert found[0].startswith("reportsync: the hook failed for arrival 1 (shop 20")
    assert "exit 3: no table; again from 20" in found[0]
    hook = place.json("status")[0]["hook"]
    assert (hook["waiting"], hook["failing"], hook["arrival"], hook["tries"]) == (3, 1, 1, 1)
    assert hook["error"] == "exit 3: no table"
    assert "it fails for arrival 1 (shop 20" in place.run("status")[1].replace("\n", " ")


@pytest.mark.slow
def test_a_hook_that_hangs_holds_sync_up_no_longer_than_its_time_limit(
    place: Place, url: str, script: Script
) -> None:
    place.write(script("sleep 60"), base=url, since=SINCE, timeout="1s")
    code, _, err = place.run("sync")
    assert code == 0
    assert "took longer than 1s" in err


@pytest.mark.slow
def test_a_ledger_that_fails_while_hooks_run_leaves_the_exit_code_alone(
    place: Place, url: str, script: Script
) -> None:
    ledger = place.folder / "ledger.db"
    place.write(script(f"mv {ledger} {ledger}.gone"), base=url, since=SINCE)
    code, out, err = place.run("sync")
    assert (code, "3 stored" in out) == (0, True)
    assert str(ledger) in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_a_hook_on_an_archive_with_history_is_for_what_comes_later_and_for_replays(
    place: Place, url: str, script: Script, log: Path
) -> None:
    place.write(base=url, since=SINCE + timedelta(days=1))
    assert place.run("sync")[0] == 0
    hook = script(f"echo $REPORTSYNC_ID >> {log}")
    place.write(hook, base=url, since=SINCE)
    assert place.run("sync")[0] == 0
    assert log.read_text().split() == ["3"]
    place.json("arrivals", "replay", "1", "2")
    assert place.run("backfill", "--since", str(SINCE))[0] == 0
    assert log.read_text().split() == ["3", "1", "2"]


@pytest.mark.slow
def test_a_signal_during_the_hook_of_a_sync_ends_both_and_the_summary_holds(
    place: Place, url: str, script: Script, log: Path
) -> None:
    place.write(script(f"echo $$ >> {log}; exec sleep 60"), base=url, since=SINCE)
    process = place.start("sync")
    pid = int(wait_until(log.read_text))
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=10)
    assert process.returncode == 0  # as the summary has said before
    assert "3 stored" in out
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
    assert state(place).waiting == DAYS
    assert state(place).failing is None


@pytest.mark.slow
def test_the_daemon_runs_the_hook_and_goes_on_fetching_while_one_hangs(
    place: Place, url: str, script: Script, log: Path, daemon: Callable[[], Run]
) -> None:
    place.write(script(f"echo $REPORTSYNC_ID >> {log}; sleep 60"), base=url, since=SINCE)
    run = daemon()
    wait_until(lambda: log.read_text().split() == ["1"])
    wait_until(lambda: len(run.events("report")) == DAYS)
    assert wait_until(lambda: run.events("pass"))[0]["stored"] == DAYS
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(10) == 143
    assert [row["arrival"] for row in run.events("hook stopped, to be run again")] == [1]
    assert state(place).waiting == DAYS
    assert state(place).failing is None


@pytest.mark.slow
def test_fault_41_a_daemon_killed_in_mid_hook_delivers_the_same_event_again(
    place: Place, url: str, script: Script, log: Path, daemon: Callable[[], Run]
) -> None:
    first = place.folder / "first"
    body = f"echo $$ $(cat) >> {log}; [ -e {first} ] || {{ touch {first}; exec sleep 60; }}"
    place.write(script(body), base=url, since=SINCE)
    run = daemon()
    wait_until(first.exists)
    wait_until(lambda: len(run.events("report")) == DAYS)
    orphan = Path(f"/proc/{log.read_text().split()[0]}")
    wait_until(lambda: str(orphan.name) in noted(place))
    run.process.send_signal(signal.SIGKILL)
    run.process.wait()
    assert orphan.exists()
    again = daemon()
    wait_until(lambda: len(again.events("hook")) == DAYS)
    events = [json.loads(line.partition(" ")[2]) for line in log.read_text().splitlines()]
    assert [event["id"] for event in events] == [1, 1, 2, 3]
    assert events[0] == events[1]
    assert not orphan.exists() or (orphan / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    assert state(place) == deliveries.HookState()


@pytest.mark.slow
def test_the_daemon_logs_a_failing_hook_without_ending(
    place: Place, url: str, script: Script, daemon: Callable[[], Run]
) -> None:
    place.write(script("echo no table >&2; exit 3"), base=url, since=SINCE)
    run = daemon()
    (failed, *more) = wait_until(lambda: run.events("hook failed"))
    assert (failed["arrival"], failed["app"], failed["reason"]) == (1, "shop", "exit 3: no table")
    assert (failed["level"], failed["tries"], more) == ("warning", 1, [])
    assert run.process.poll() is None


@pytest.mark.slow
def test_the_daemon_delivers_what_another_command_fetches(
    place: Place, url: str, script: Script, log: Path, daemon: Callable[[], Run]
) -> None:
    place.write(script(f"echo $REPORTSYNC_ID >> {log}"), base=url, since=SINCE + timedelta(days=1))
    run = daemon()
    wait_until(lambda: len(run.events("hook")) == DAYS - 1)
    config = place.config.read_text()
    place.write(base=url, since=SINCE)  # the backfill's own config has no hook
    assert place.run("backfill", "--since", str(SINCE))[0] == 0
    place.config.write_text(config)
    wait_until(lambda: log.read_text().split() == ["1", "2", "3"])


@pytest.mark.slow
def test_a_reload_takes_another_hook(
    place: Place, url: str, script: Script, log: Path, daemon: Callable[[], Run]
) -> None:
    place.write(base=url, since=SINCE)
    run = daemon()
    wait_until(lambda: run.events("pass"))
    place.write(script(f"echo $REPORTSYNC_ID >> {log}"), base=url, since=SINCE)
    run.process.send_signal(signal.SIGHUP)
    wait_until(lambda: run.events("config reloaded"))
    place.json("arrivals", "replay", "2")
    assert wait_until(log.read_text).split() == ["2"]


@pytest.mark.slow
def test_a_hook_that_ignores_sigterm_does_not_outlast_the_grace(
    place: Place, url: str, script: Script, log: Path, daemon: Callable[[], Run]
) -> None:
    body = f"trap '' TERM; echo $$ >> {log}; while :; do sleep 1; done"
    place.write(script(body), base=url, since=SINCE)
    run = daemon()
    pid = int(wait_until(log.read_text))
    wait_until(lambda: len(run.events("report")) == DAYS)
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(4.5) == 143  # the grace is 4 s
    wait_until(lambda: not Path(f"/proc/{pid}").exists())


def test_a_command_line_that_cannot_be_split_is_refused_with_the_config(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    for command, problem in (
        ("load 'all", "has a quotation mark or backslash without its partner"),
        ("  ", "must name a command"),
        ("'' x", "must name a command"),
        ("# all a comment?", None),
    ):
        place.write(command)
        code = place.call("config", "validate")
        _, err = capsys.readouterr()
        assert code == (78 if problem else 0), err
        assert problem is None or f"hooks.arrival: {problem}" in err

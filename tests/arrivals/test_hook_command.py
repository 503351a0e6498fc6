"""One run of a hook's command: what it is given, what is taken from it, and that it always ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from arrival_cases import wait_until

from reportsync.announce import hook
from reportsync.announce.hook import Ended, passed_on, run_command
from reportsync.redact import remember_secret
from reportsync.stop import Stop

Script = Callable[[str], str]
LONG = timedelta(seconds=30)


def run(
    command: str,
    stdin: bytes = b"",
    timeout: timedelta = LONG,
    stop: Stop | None = None,
    **variables: str,
) -> Ended:
    environment = passed_on(os.environ) | variables
    return run_command(command, environment, stdin, timeout, stop or Stop())


def open_files() -> set[str]:
    """Return the descriptors that this process has open."""
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def alive(pid: int) -> bool:
    """Say whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_command_that_exits_0_is_a_success(script: Script) -> None:
    assert run(script("exit 0")) == Ended()
    assert run(script("exit 0")).ok


def test_a_command_that_exits_otherwise_fails_with_what_it_wrote_last(script: Script) -> None:
    ended = run(script("echo loading; echo 'no such table' >&2; exit 3"))
    assert ended == Ended(error="exit 3: loading no such table")
    assert not ended.ok


def test_a_silent_failure_is_told_by_its_code_alone(script: Script) -> None:
    assert run(script("exit 7")).error == "exit 7"


def test_a_command_that_a_signal_ends_is_told_by_its_name(script: Script) -> None:
    assert run(script("kill -SEGV $$")).error == "ended by SIGSEGV"


def test_a_signal_without_a_name_is_told_by_its_number(script: Script) -> None:
    assert run(script(f"kill -{signal.SIGRTMIN + 1} $$")).error == "ended by signal 35"


def test_the_command_is_split_like_a_shell_would_and_not_run_by_one(script: Script) -> None:
    path = script('printf "%s|" "$#" "$@"; exit 1')
    ended = run(f"{path} 'two words' $HOME \"a;b\" > x")
    assert ended.error == "exit 1: 5|two words|$HOME|a;b|>|x|"


def test_a_command_on_the_path_is_found() -> None:
    assert run("true") == Ended()
    assert run("false").error == "exit 1"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("/nowhere/such-command", "No such file or directory"),
        ("no-such-command-anywhere", "No such file or directory"),
        ("/etc/passwd", "Permission denied"),
        ("'", "not a command line"),
        ("", "not a command line"),
        ("true a\0b", "not a command line"),
    ],
)
def test_a_command_that_cannot_be_started_fails_and_says_why(command: str, why: str) -> None:
    before = open_files()
    assert run(command).error == f"cannot be started: {why}"
    assert open_files() == before


def test_input_that_a_pipe_does_not_hold_is_refused_and_never_cut() -> None:
    assert run("cat", stdin=b"x" * 1_000_000).error == "cannot be started: Argument list too long"


def test_the_input_arrives_whole_and_ends(script: Script) -> None:
    ended = run(script("cat; exit 1"), stdin=b'{"id": 1}\n')
    assert ended.error == 'exit 1: {"id": 1}'


def test_a_command_that_does_not_read_its_input_is_not_harmed(script: Script) -> None:
    assert run(script("exec <&-; exit 0"), stdin=b"x" * 60_000) == Ended()


def test_nothing_of_our_environment_is_inherited_but_a_few_harmless_variables(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_DE_KEY", "canary-in-the-environment")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    monkeypatch.setenv("LC_TIME", "C")
    ended = run(script("env | sort | cut -d= -f1 | tr '\\n' ' '; exit 1"), REPORTSYNC_ID="7")
    names = set((ended.error or "").removeprefix("exit 1: ").split()) - {
        "PWD",
        "_",
        "SHLVL",
        "OLDPWD",
    }
    assert {"PATH", "LC_TIME", "REPORTSYNC_ID"} <= names
    assert names <= hook.PASSED_ON | {"LC_TIME", "REPORTSYNC_ID"} | {
        name for name in os.environ if name.startswith("LC_")
    }
    assert "canary" not in run(script("env; exit 1")).error  # type: ignore[operator]


def test_only_the_end_of_a_huge_output_is_kept(script: Script) -> None:
    ended = run(script("yes 0123456789 | head -c 30000000; echo THE END; exit 1"))
    assert ended.error is not None
    assert ended.error.endswith("THE END")
    assert len(ended.error) < 400


def test_output_that_is_not_utf_8_or_plays_tricks_is_made_fit_to_show(script: Script) -> None:
    ended = run(script(r"printf '\377\376 caf\303\251 \033[2J\n\342\200\256x <b>'; exit 1"))
    assert ended.error == "exit 1: \ufffd\ufffd café [2J x <b>"


def test_a_secret_in_the_output_is_masked_wherever_it_is_cut(script: Script) -> None:
    secret = "a-secret-that-the-config-fetched"
    remember_secret(secret)
    assert run(script(f"echo pass {secret}; exit 1")).error == "exit 1: pass ***"
    for filler in (270, 290, 8150, 8170):
        error = run(
            script(f"echo {secret}$(head -c {filler} /dev/zero | tr '\\0' x); exit 1")
        ).error
        assert error is not None
        assert not any(secret[at : at + 6] in error for at in range(len(secret) - 6))


@pytest.mark.slow
def test_fault_41_a_hanging_command_is_ended_with_all_that_it_started(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hook, "KILL_AFTER", 0.5)
    pids = tmp_path / "pids"
    body = f"trap '' TERM\nsh -c 'trap \"\" TERM; echo $$ >> {pids}; exec sleep 60' &\n"
    body += f"echo $$ >> {pids}; echo waiting; while :; do sleep 60; done"
    began = time.monotonic()
    error = run(script(body), timeout=timedelta(seconds=1)).error
    assert error == "took longer than 1s: waiting"
    assert time.monotonic() - began < 5
    started = [int(line) for line in pids.read_text().split()]
    assert len(started) == 2
    wait_until(lambda: not any(alive(pid) for pid in started))


def test_a_command_that_ends_on_request_need_not_be_killed(script: Script) -> None:
    body = "trap 'echo tidy; exit 0' TERM; sleep 60 & wait"
    began = time.monotonic()
    assert run(script(body), timeout=timedelta(seconds=0.5)).error == "took longer than 0s: tidy"
    assert time.monotonic() - began < 3


def test_a_command_that_drips_output_for_ever_is_ended_in_time(script: Script) -> None:
    began = time.monotonic()
    error = run(
        script("while :; do echo drip; sleep 0.05; done"), timeout=timedelta(seconds=1)
    ).error
    assert error is not None and error.startswith("took longer than 1s")
    assert time.monotonic() - began < 4


def test_a_command_that_closes_its_output_is_still_waited_for(
    script: Script, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    assert run(script(f"exec >&- 2>&-; sleep 0.3; touch {done}; exit 0")) == Ended()
    assert done.exists()


def test_what_a_successful_command_leaves_running_is_not_waited_for(
    script: Script, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    began = time.monotonic()
    assert run(script(f"sleep 30 & echo $! > {pid}; exit 0")) == Ended()
    assert time.monotonic() - began < 5
    assert alive(int(pid.read_text()))
    os.kill(int(pid.read_text()), signal.SIGKILL)


def test_what_a_failed_command_leaves_running_is_killed(script: Script, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    assert run(script(f"sleep 30 & echo $! > {pid}; exit 4")).error == "exit 4"
    wait_until(lambda: not alive(int(pid.read_text())))


def test_a_command_that_we_may_not_end_is_left_after_a_while(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    def refuse(group: int, number: int) -> None:
        started.append(group)
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(os, "killpg", refuse)
        patch.setattr(hook, "KILL_AFTER", 0.1)
        patch.setattr(hook, "_DEATH_SECONDS", 0.2)
        error = run(script("sleep 30"), timeout=timedelta(seconds=0.2)).error
    assert error == "took longer than 0s and cannot be ended"
    os.killpg(started[0], signal.SIGKILL)
    os.waitpid(started[0], 0)


def test_a_request_to_stop_ends_the_command_and_is_no_failure(script: Script) -> None:
    stop = Stop()
    threading.Timer(0.3, lambda: stop.request(grace=10)).start()
    began = time.monotonic()
    assert run(script("sleep 60"), stop=stop) == Ended(stopped=True)
    assert time.monotonic() - began < 3


def test_a_command_that_finishes_its_work_when_asked_to_stop_has_succeeded(script: Script) -> None:
    stop = Stop()
    threading.Timer(0.3, lambda: stop.request(grace=10)).start()
    assert run(script("trap 'exit 0' TERM; sleep 60 & wait"), stop=stop) == Ended()


def test_a_command_that_does_not_stop_is_killed_within_the_grace(script: Script) -> None:
    stop = Stop()
    threading.Timer(0.3, lambda: stop.request(grace=0)).start()
    began = time.monotonic()
    assert run(script("trap '' TERM; while :; do sleep 1; done"), stop=stop).stopped
    assert time.monotonic() - began < 2


def test_a_command_that_is_being_ended_anyway_is_killed_within_the_grace(script: Script) -> None:
    stop = Stop()
    threading.Timer(0.4, lambda: stop.request(grace=0)).start()
    began = time.monotonic()
    command = script("trap '' TERM; while :; do sleep 1; done")
    assert "took longer" in str(run(command, timeout=timedelta(seconds=0.1), stop=stop).error)
    assert time.monotonic() - began < hook.KILL_AFTER - 1


def test_signals_that_we_block_or_ignore_reach_the_command() -> None:
    watched = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    try:
        # Not by way of a shell, which clears the mask that it is given. It fails for want of a file.
        ended = run("grep -hE 'SigBlk|SigIgn' /proc/self/status /nowhere")
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    masks = [int(word, 16) for word in (ended.error or "").split() if len(word) == 16]
    assert len(masks) == 2
    wanted = (*watched, signal.SIGPIPE, signal.SIGXFSZ)
    assert not any(mask & 1 << number - 1 for mask in masks for number in wanted)


def test_the_command_gets_no_open_files_but_the_three(script: Script, tmp_path: Path) -> None:
    with (tmp_path / "open").open("w"):
        inherited = os.dup(0)
        os.set_inheritable(inherited, True)  # as those are that a shell opened for us
        ended = run(script("ls /proc/self/fd | wc -l; exit 1"))
        os.close(inherited)
    assert ended.error == "exit 1: 4"  # 0, 1, 2, and the folder that ls reads


def children_of_mine() -> set[str]:
    """Return the children of this process, those that nobody has waited for among them."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {child for task in tasks for child in task.read_text().split()}


def test_nothing_is_left_open_or_unreaped(script: Script) -> None:
    before, children = open_files(), children_of_mine()
    for body in ("exit 0", "exit 1", "kill -KILL $$", "sleep 60"):
        run(script(body), timeout=timedelta(seconds=0.2))
    assert open_files() == before
    assert children_of_mine() == children


def test_a_fault_while_noting_the_start_ends_the_command(script: Script) -> None:
    noted: list[int] = []

    def fail(pid: int) -> None:
        noted.append(pid)
        raise OSError("the ledger is gone")

    with pytest.raises(OSError, match="the ledger is gone"):
        run_command(script("sleep 60"), passed_on(os.environ), b"", LONG, Stop(), fail)
    assert not alive(noted[0])


def test_an_exit_code_is_known_also_when_our_parent_ignored_sigchld(
    script: Script, tmp_path: Path
) -> None:
    code = f"""
import sys
from datetime import timedelta
from reportsync.announce.hook import run_command
from reportsync.cli.failure import guarded
from reportsync.stop import Stop
run = lambda: print(run_command({script("exit 9")!r}, {{}}, b"", timedelta(seconds=9), Stop()).error)
sys.exit(guarded(run))
"""
    starter = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
        "os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", starter, code], capture_output=True, text=True, timeout=30
    )
    assert (done.stdout, done.stderr, done.returncode) == ("exit 9\n", "", 0)

"""Too few threads, or no memory, in a pass: it goes on with what it has, or ends; it never hangs."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest
from pass_world import Here, stand_in, sync

from reportsync.exhaustion import exhausted
from reportsync.sandbox import Sandbox
from reportsync.service.lanes import Lanes

APP = stand_in("one", 6)


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


def refuse_workers(monkeypatch: pytest.MonkeyPatch, allowed: int) -> None:
    """Have the system give a pass no more than `allowed` workers."""
    start = threading.Thread.start

    def scarce(thread: threading.Thread) -> None:
        if thread.name.startswith("collect-") and int(thread.name[8:]) >= allowed:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", scarce)


def test_fault_23_a_pass_goes_on_with_the_threads_that_it_gets(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_workers(monkeypatch, 1)
    with Sandbox([APP], clock=here.clock) as sandbox, here.world(sandbox, APP) as world:
        assert sync(world)[0].stored == 6


def test_fault_23_without_a_single_thread_a_pass_ends_and_the_next_converges(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox([APP], clock=here.clock) as sandbox, here.world(sandbox, APP) as world:
        with monkeypatch.context() as patch:
            refuse_workers(patch, 0)
            with pytest.raises(RuntimeError) as caught:
                sync(world)
        assert exhausted(caught.value) is not None
        assert list(here.archive.glob("*/*/*.zip")) == []
        assert sync(world)[0].stored == 6


@pytest.mark.parametrize("step", ["take", "done"])
def test_fault_23_a_worker_that_dies_for_want_of_memory_is_not_waited_for(
    here: Here, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with Sandbox([APP], clock=here.clock) as sandbox, here.world(sandbox, APP) as world:
        with monkeypatch.context() as patch:

            def starved(*_: object) -> None:
                raise MemoryError

            patch.setattr(Lanes, step, starved)
            with pytest.raises(MemoryError):
                sync(world)
        assert sync(world)[0].exit == 0
    assert len(list(here.archive.glob("*/*/*.zip"))) == 6


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "out of memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "out of memory"),
        (ImportError("libz.so.1: failed to map segment from shared object"), "out of memory"),
        (RuntimeError("can't start new thread"), "threads"),
        (OSError(errno.EMFILE, "Too many open files"), "open files"),
        (OSError(errno.ENFILE, "Too many open files in system"), "open files"),
        (ImportError("libz.so.1: cannot open shared object file: Too many open files"), "open files"),
    ],
    ids=repr,
)  # fmt: skip
def test_fault_23_what_ran_out_is_named_with_the_limit_to_raise(
    error: Exception, told: str
) -> None:
    for found in (error, wrapped(error)):
        meant = exhausted(found)
        assert meant is not None and told in meant.message
        assert "raise the limit (ulimit -" in str(meant.hint)


def wrapped(error: Exception) -> Exception:
    """Return an error that came up while `error` was handled."""
    other = ValueError("something else")
    other.__context__ = error
    return other


def test_other_errors_are_no_exhaustion() -> None:
    for error in (OSError(errno.EIO, "x"), RuntimeError("x"), ImportError("x"), KeyError("x")):
        assert exhausted(error) is None

"""Nothing that was written is lost, whoever writes at the same time; nothing half done stays."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from ledger_cases import DAY, LEASE, NOW, REPORT, covered, failed, row_of, running

from reportsync.errors import LedgerError, StorageError
from reportsync.ledger import Ledger, open_reading, open_writing, records
from reportsync.ledger.batch import GroupCommit
from reportsync.ledger.hot import Hot
from reportsync.ledger.tables import facts

ADD_ONE = """
import time
def add_one(connection):
    value = connection.execute(sa.text("SELECT value FROM facts WHERE name = 'n'")).scalar_one()
    time.sleep(0.01)  # so that the others come in between if they can
    connection.execute(sa.text("UPDATE facts SET value = :v WHERE name = 'n'"), {"v": int(value) + 1})
with open_writing(url) as ledger:
    say("ready")
    sys.stdin.readline()
    for _ in range(20):
        ledger.write(add_one)
"""


def put(connection: sa.Connection, name: str, value: object) -> None:
    connection.execute(sa.insert(facts).values(name=name, value=str(value)))


def get(connection: sa.Connection, name: str) -> str | None:
    return connection.execute(
        sa.select(facts.c.value).where(facts.c.name == name)
    ).scalar_one_or_none()


def add_one(connection: sa.Connection) -> None:
    value = int(get(connection, "n") or 0)
    connection.execute(sa.update(facts).where(facts.c.name == "n").values(value=str(value + 1)))


@contextmanager
def one_batch(ledger: Ledger) -> Iterator[Callable[..., Future[Any]]]:
    """Yield a function that queues operations; they are committed together when the block ends."""
    go, begun = threading.Event(), threading.Event()

    def lead(connection: sa.Connection) -> None:
        begun.set()
        assert go.wait(10)

    with ThreadPoolExecutor(16) as threads:
        leader = threads.submit(ledger.write, lead)
        assert begun.wait(10)
        count = 0

        def submit(function: Callable[..., Any], *arguments: Any) -> Future[Any]:
            nonlocal count
            count += 1
            future = threads.submit(function, *arguments)
            for _ in range(1000):
                if len(ledger._group._queue) == count:
                    return future
                threading.Event().wait(0.005)
            raise AssertionError("not queued")

        try:
            yield submit
        finally:
            go.set()
        leader.result(10)


@pytest.mark.slow
def test_fault_28_several_processes_lose_no_update(ledger: Ledger, url: str) -> None:
    ledger.write(put, "n", 0)
    with ExitStack() as stack:
        processes = [stack.enter_context(running(ADD_ONE, url)) for _ in range(3)]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        assert [process.wait(30) for process in processes] == [0, 0, 0]
    assert ledger.read(get, "n") == "60"


def test_several_threads_share_commits_and_lose_no_update(ledger: Ledger) -> None:
    ledger.write(put, "n", 0)
    with ThreadPoolExecutor(8) as threads:
        for future in [threads.submit(ledger.write, add_one) for _ in range(160)]:
            future.result()
    assert ledger.read(get, "n") == "160"


def test_two_ledgers_that_write_the_same_rows_in_opposite_order_do_not_block_each_other(
    ledger: Ledger, url: str
) -> None:
    def bump(connection: sa.Connection, names: Iterable[str]) -> None:
        for name in names:
            value = int(get(connection, name) or 0) + 1
            connection.execute(
                sa.update(facts).where(facts.c.name == name).values(value=str(value))
            )

    ledger.write(put, "a", 0)
    ledger.write(put, "b", 0)
    with open_writing(url) as other, ThreadPoolExecutor(2) as threads:
        for _ in range(15):
            both = [
                threads.submit(ledger.write, bump, "ab"),
                threads.submit(other.write, bump, "ba"),
            ]
            for future in both:
                future.result()
    assert (ledger.read(get, "a"), ledger.read(get, "b")) == ("30", "30")


def test_one_bad_operation_does_not_take_its_neighbours_down(ledger: Ledger) -> None:
    def bad(connection: sa.Connection) -> None:
        put(connection, "bad", 1)
        raise ValueError("an operation's own fault")

    with one_batch(ledger) as submit:
        first = submit(ledger.write, put, "first", 1)
        wrong = submit(ledger.write, bad)
        last = submit(ledger.write, put, "last", 1)
    with pytest.raises(ValueError, match="own fault"):
        wrong.result(10)
    assert (first.result(10), last.result(10)) == (None, None)
    assert [ledger.read(get, name) for name in ("first", "bad", "last")] == ["1", None, "1"]


@pytest.mark.parametrize("kind", ["read", "write"])
def test_whoever_keeps_an_error_of_ours_keeps_no_lock_on_the_ledger(
    ledger: Ledger, url: str, kind: str
) -> None:
    def read_in_part(connection: sa.Connection) -> None:
        rows = connection.execute(sa.select(facts))
        rows.fetchone()
        for _ in connection.execute(sa.select(facts)):
            raise RuntimeError("of ours")

    for name in "nop":
        ledger.write(put, name, 0)
    with pytest.raises(RuntimeError, match="of ours") as kept:
        getattr(ledger, kind)(read_in_part)
    with open_writing(url, lock_wait=0.5) as other:
        other.write(add_one)
    assert (ledger.read(get, "n"), str(kept.value)) == ("1", "of ours")


def test_an_operation_that_the_database_refuses_does_not_take_its_neighbours_down(
    ledger: Ledger,
) -> None:
    ledger.write(put, "twice", 0)
    with one_batch(ledger) as submit:
        first = submit(ledger.write, put, "first", 1)
        wrong = submit(ledger.write, put, "twice", 1)
        last = submit(ledger.write, put, "last", 1)
    with pytest.raises(LedgerError, match="cannot be used"):
        wrong.result(10)
    assert (first.result(10), last.result(10)) == (None, None)
    assert [ledger.read(get, name) for name in ("first", "twice", "last")] == ["1", "0", "1"]


def test_an_interrupt_in_the_midst_of_an_operation_writes_nothing(ledger: Ledger) -> None:
    def interrupted(connection: sa.Connection) -> None:
        put(connection, "half", 1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ledger.write(interrupted)
    assert ledger.read(get, "half") is None
    ledger.write(put, "after", 1)
    assert ledger.read(get, "after") == "1"


@contextmanager
def beginning_nothing() -> Iterator[None]:
    yield


def test_fault_23_whoever_has_no_memory_to_lead_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def exhausted() -> list[Any]:
        raise MemoryError

    group = GroupCommit(beginning_nothing)
    with monkeypatch.context() as patched, pytest.raises(MemoryError):
        patched.setattr(group, "_take", exhausted)
        group.run(lambda connection: None)
    assert ends(group)


def test_whoever_is_interrupted_while_it_waits_holds_up_nobody() -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    group, begun, go = GroupCommit(beginning_nothing), threading.Event(), threading.Event()
    written: list[str] = []

    def lead(connection: sa.Connection) -> None:
        begun.set()
        assert go.wait(10)

    def interrupt_the_waiting() -> None:
        while not group._queue:
            threading.Event().wait(0.005)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR2)

    before = signal.signal(signal.SIGUSR2, interrupt)
    try:
        with ThreadPoolExecutor(2) as threads:
            leader = threads.submit(group.run, lead)
            assert begun.wait(10)
            threads.submit(interrupt_the_waiting)
            with pytest.raises(KeyboardInterrupt):
                group.run(lambda connection: written.append("too late"))
            go.set()
            leader.result(10)
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert ends(group)
    assert not written


def ends(group: GroupCommit) -> bool:
    """Say whether one more operation comes to its end."""
    thread = threading.Thread(target=group.run, args=(lambda connection: None,), daemon=True)
    thread.start()
    thread.join(2)
    return not thread.is_alive()


def test_a_commit_waits_for_the_disk_also_for_the_end_of_its_journal(lite: Ledger) -> None:
    # 3 is EXTRA: a power cut after a commit cannot bring back the journal that would undo it.
    setting = lite.write(lambda ledger: ledger.exec_driver_sql("PRAGMA synchronous").scalar_one())
    assert setting == 3
    mode = lite.read(lambda ledger: ledger.exec_driver_sql("PRAGMA journal_mode").scalar_one())
    assert mode == "delete"


def test_names_are_durable_before_the_row_is_committed(tmp_path: Path, url: str) -> None:
    seen: list[tuple[list[Path], str | None]] = []

    def make_durable(files: Iterable[Path]) -> None:
        names = list(files)
        if names:
            with open_reading(url, lock_wait=5) as other:
                seen.append((names, other.read(get, "row")))

    with open_writing(url, make_durable) as ledger:
        ledger.write_after([tmp_path / "1.zip"], put, "row", "there")
        assert seen == [([tmp_path / "1.zip"], None)]
        assert ledger.read(get, "row") == "there"


def test_while_names_cannot_be_made_durable_nothing_is_committed(tmp_path: Path, url: str) -> None:
    broken = threading.Event()

    def make_durable(files: Iterable[Path]) -> None:
        if list(files) and broken.is_set():
            raise StorageError("fsync failed")

    with open_writing(url, make_durable) as ledger:
        broken.set()
        with one_batch(ledger) as submit:
            futures = [
                submit(ledger.write_after, [tmp_path / f"{n}.zip"], put, f"row{n}", n) for n in "12"
            ]
        for future in futures:
            with pytest.raises(StorageError, match="fsync failed"):
                future.result(10)
        assert [ledger.read(get, f"row{n}") for n in "12"] == [None, None]
        broken.clear()
        ledger.write_after([tmp_path / "1.zip"], put, "row1", 1)
        assert ledger.read(get, "row1") == "1"


def test_fault_31_a_lock_that_is_not_had_is_waited_for_once_not_once_for_each_operation() -> None:
    waits = []

    @contextmanager
    def locked() -> Iterator[sa.Connection]:
        waits.append(len(group._queue))
        go.wait(10)
        raise LedgerError("locked")
        yield

    group, go = GroupCommit(locked), threading.Event()
    with ThreadPoolExecutor(8) as threads:
        futures = [threads.submit(group.run, lambda connection: None) for _ in range(8)]
        while not waits or len(group._queue) + 1 < 8:
            threading.Event().wait(0.005)
        go.set()
        for future in futures:
            with pytest.raises(LedgerError):
                future.result(10)
    assert len(waits) == 2, "the leader's own, and one for the seven behind it"


def test_fault_31_a_ledger_that_another_holds_for_too_long_is_an_error_and_then_works_again(
    ledger: Ledger, url: str
) -> None:
    held, go = threading.Event(), threading.Event()

    def hold(connection: sa.Connection) -> None:
        held.set()
        assert go.wait(10)

    with open_writing(url, lock_wait=0.2) as other, ThreadPoolExecutor(1) as threads:
        holder = threads.submit(ledger.write, hold)
        assert held.wait(10)
        with pytest.raises(LedgerError, match="cannot be used") as caught:
            other.write(put, "late", 1)
        go.set()
        holder.result(10)
        assert other.read(get, "late") is None
        other.write(put, "late", 2)
        assert other.read(get, "late") == "2"
    assert "see who" in str(caught.value.hint)


def test_fault_31_a_commit_that_a_reader_holds_up_for_too_long_writes_nothing(path: Path) -> None:
    with (
        open_writing(f"sqlite:///{path}", lock_wait=0.2) as ledger,
        closing(sqlite3.connect(path)) as reader,
    ):
        reader.execute("BEGIN").close()
        reader.execute("SELECT * FROM facts").fetchall()
        with pytest.raises(LedgerError, match="locked"):
            ledger.write(put, "row", 1)
        reader.rollback()
        assert ledger.read(get, "row") is None
        ledger.write(put, "row", 2)
        assert ledger.read(get, "row") == "2"


@pytest.mark.slow
def test_fault_31_more_readers_than_connections_wait_and_then_say_so(path: Path) -> None:
    go = threading.Event()
    with (
        open_writing(f"sqlite:///{path}", lock_wait=0.2) as ledger,
        ThreadPoolExecutor(20) as threads,
    ):
        futures = [threads.submit(ledger.read, lambda connection: go.wait(10)) for _ in range(20)]
        refused = [future for future in futures if refusal(future, 2)]
        go.set()
        assert len(refused) == 5
        assert ledger.read(get, "row") is None


def refusal(future: Future[Any], seconds: float) -> bool:
    """Say whether `future` ends in a `LedgerError` within `seconds`."""
    try:
        error = future.exception(seconds / 20)
    except TimeoutError:
        return False
    assert isinstance(error, LedgerError), error
    return True


TRY_TO_WRITE = """
import sqlite3, sys
ledger = sqlite3.connect(sys.argv[1], timeout=0.2, isolation_level=None)
try:
    ledger.execute("BEGIN IMMEDIATE")
    print("began")
except sqlite3.OperationalError as error:
    print(error)
"""


def test_fault_28_a_look_at_the_ledger_by_the_writer_itself_lets_nobody_write_meanwhile(
    lite: Ledger, path: Path
) -> None:
    def another_writes(connection: sa.Connection) -> str:
        put(connection, "half", "done")
        with open_reading(f"sqlite:///{path}") as look:
            assert look.path == path
        command = [sys.executable, "-S", "-c", TRY_TO_WRITE, str(path)]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    assert lite.write(another_writes) == "database is locked"
    assert lite.read(get, "half") == "done"


def test_a_ledger_that_was_closed_is_looked_at_again(path: Path) -> None:
    with open_writing(f"sqlite:///{path}"):
        pass
    path.write_bytes(b"not a database")
    with pytest.raises(LedgerError, match="not an SQLite database"):
        open_reading(f"sqlite:///{path}")


def get_at_once(connection: sa.Connection, name: str) -> str | None:
    ((value,),) = GET.rows(connection, {"name": name})
    return str(value)


GET = Hot(sa.select(facts.c.value).where(facts.c.name == sa.bindparam("name")))


@pytest.mark.parametrize("look", [get, get_at_once])
def test_a_read_sees_one_view_whatever_is_committed_meanwhile(
    ledger: Ledger, url: str, look: Callable[[sa.Connection, str], str | None]
) -> None:
    ledger.write(put, "n", 1)

    def look_twice(connection: sa.Connection) -> tuple[str | None, str | None]:
        before = look(connection, "n")
        writer.start()
        writer.join(0.3)  # PostgreSQL commits meanwhile; SQLite has the writer wait for the reader
        return before, look(connection, "n")

    with open_writing(url) as other:
        writer = threading.Thread(target=other.write, args=(add_one,))
        assert ledger.read(look_twice) == ("1", "1")
        writer.join(10)
        assert ledger.read(get, "n") == "2"


def test_row_23_the_next_attempt_survives_a_restart(url: str) -> None:
    with open_writing(url) as ledger:
        covered(ledger)
        failed(ledger, again=NOW + LEASE)
    with open_writing(url) as ledger:
        assert row_of(ledger).next_attempt == NOW + LEASE
        assert row_of(ledger).tries == 1


def test_a_killed_writer_leaves_nothing_behind(ledger: Ledger, url: str) -> None:
    script = """
def half(connection):
    records.cover(connection, "shop", date(2026, 3, 1), date(2026, 3, 9))
    say("in the midst")
    time.sleep(60)
with open_writing(url) as ledger:
    ledger.write(half)
"""
    with running(script, url) as process:
        process.kill()
        process.wait()
    assert ledger.write(records.cover, "shop", DAY, DAY) == 1


def test_what_a_write_returns_is_what_its_function_returned(ledger: Ledger) -> None:
    assert ledger.write(lambda connection: REPORT) == REPORT

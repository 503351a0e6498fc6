"""A ledger that others have open is rebuilt: what they have committed is in the new one."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from rebuild_site import APP, Site, read, root_page, scribble

import reportsync
from reportsync.errors import LedgerError
from reportsync.ledger import place
from reportsync.service.mending import Mended
from reportsync.service.rebuild import Wanted, make_whole
from reportsync.store import Store

WRITER = """
import sys
from datetime import UTC, date, datetime
from reportsync.errors import LedgerError
from reportsync.ledger import open_writing, queries, waivers
from reportsync.model import Waiver
def say(text):
    print(text, flush=True)
def ask(connection):
    day = date(2025, 5, 5)
    waivers.add(connection, Waiver("one", day, day, "late", "operator", datetime(2026, 11, 23, tzinfo=UTC)))
    if "slowly" in sys.argv:
        say("inside")
        sys.stdin.readline()
ledger = open_writing(sys.argv[1])
ledger.read(queries.archive_id)
say("open")
sys.stdin.readline()
try:
    ledger.write(ask)
    say("written")
except LedgerError as error:
    say(f"refused: {error.message}")
"""
LATE = date(2025, 5, 5)


class Writer:
    """Another process, which has the ledger open, and adds a waiver when told to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout

    def go(self) -> None:
        """Let it go on."""
        self._in.write("go\n")
        self._in.flush()

    def says(self, patience: float | None = None) -> str | None:
        """Return its next line; None if it says nothing for so many seconds."""
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._out, selectors.EVENT_READ)
            return self._out.readline().strip() if waiting.select(patience) else None


@contextmanager
def writer(ledger: Path, *how: str) -> Iterator[Writer]:
    folder = str(Path(reportsync.__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, f"sqlite:///{ledger}", *how],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": folder},
    ) as process:  # fmt: skip
        try:
            one = Writer(process)
            assert one.says() == "open"
            yield one
        finally:
            process.kill()


def has_late(ledger: Path) -> bool:
    return any(row[2] == str(LATE) for row in read(ledger)["waivers"])


@pytest.mark.parametrize("how", ["damaged", pytest.param("replaced", marks=pytest.mark.slow)])
def test_fault_31_what_another_process_says_is_written_while_a_ledger_is_rebuilt_is_in_the_new_one(
    site: Site, how: str
) -> None:
    with writer(site.ledger) as other:
        wanted = Wanted()
        if how == "damaged":
            size, number = root_page(site.ledger, "attempts")
            scribble(site.ledger, (number - 1) * size, size)
        else:
            wanted = Wanted(next((site.here.archive / ".ledger").glob("*.db")))
        answers = []

        def tell(mended: Mended) -> None:
            """Have it write when all has been read of the old ledger, and the new one is not yet there."""
            if mended.action == ("salvage" if how == "damaged" else "restore the ledger"):
                other.go()
                answers.append(other.says(patience=0.5))

        config = site.here.config(site.sandbox, [APP], {})
        make_whole(config, Store(config.storage.archive, 0), site.here.clock, wanted, tell)
        (answer,) = answers
        answer = answer or other.says()
        assert answer is not None
        assert has_late(site.ledger) == (answer == "written"), answer
        assert "was replaced while in use" in answer


@pytest.mark.slow
def test_fault_31_a_rebuild_waits_for_a_commit_that_is_under_way(site: Site) -> None:
    with writer(site.ledger, "slowly") as other:
        size, number = root_page(site.ledger, "attempts")
        scribble(site.ledger, (number - 1) * size, size)
        other.go()
        assert other.says() == "inside"
        rebuilt = threading.Thread(target=site.rebuild)
        rebuilt.start()
        rebuilt.join(0.3)
        assert rebuilt.is_alive()
        other.go()
        assert other.says() == "written"
        rebuilt.join()
    assert has_late(site.ledger)


@pytest.mark.slow
def test_fault_31_a_ledger_that_somebody_writes_for_ever_is_left_as_it_is(site: Site) -> None:
    with writer(site.ledger, "slowly") as other:
        other.go()
        assert other.says() == "inside"
        with (
            pytest.raises(LedgerError, match="was locked by another process") as caught,
            place.without_writers(site.ledger, lock_wait=0.2),
        ):
            pass
        assert "fuser" in str(caught.value.hint)

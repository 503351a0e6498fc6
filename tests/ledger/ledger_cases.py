"""Helpers for the tests of the ledger: apps, reports, attempts, and scripts run as processes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

import reportsync
from reportsync.ledger import Ledger, claims, open_writing, queries, records
from reportsync.ledger.claims import Claim, Settled, Taken
from reportsync.ledger.tables import metadata
from reportsync.model import Archive, Attempt, Outcome, Report
from reportsync.settings import App

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = date(2026, 3, 1)
REPORT = Report("shop", DAY)
LEASE = timedelta(minutes=11)
MINUTE = timedelta(minutes=1)

PREAMBLE = """
import os, signal, sys, time
from datetime import UTC, date, datetime, timedelta
import sqlalchemy as sa
from reportsync.ledger import claims, open_reading, open_writing, queries, records
from reportsync.model import Report
url = sys.argv[1]
REPORT = Report("shop", date(2026, 3, 1))
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
LEASE = timedelta(minutes=11)
def take(ledger):
    return ledger.write(
        claims.take, REPORT, now=NOW, lease=LEASE, wanted_at=NOW, again=False
    )
def say(text):
    print(text, flush=True)
"""


def shop(since: date = DAY, until: date | None = None, name: str = "shop", **more: Any) -> App:
    key = (SecretStr("no-real-key"),)
    address = "https://example.com"
    return App(
        name=name, app_id="A1", secret_key=key, base_url=address, since=since, until=until, **more
    )


def covered(ledger: Ledger, first: date = DAY, last: date = DAY, app: str = "shop") -> None:
    ledger.write(records.cover, app, first, last)


def take(
    ledger: Ledger, report: Report = REPORT, now: datetime = NOW, **more: Any
) -> Claim | Taken | Settled:
    wish = {"lease": LEASE, "wanted_at": now, "again": False, **more}
    return ledger.write(claims.take, report, now=now, **wish)


def taken(ledger: Ledger, report: Report = REPORT, now: datetime = NOW, **more: Any) -> Claim:
    claim = take(ledger, report, now, **more)
    assert isinstance(claim, Claim)
    return claim


def attempt(
    report: Report = REPORT, outcome: Outcome = Outcome.STORED, at: datetime = NOW, **more: Any
) -> Attempt:
    return Attempt(report, at, at + MINUTE, outcome, **{"requests": 1, **more})


def archive(report: Report = REPORT, version: int = 1, size: int = 100) -> Archive:
    content = f"{report} {version} {size}"
    return Archive(report, version, size, hashlib.sha256(content.encode()).hexdigest(), 1)


def stored(ledger: Ledger, report: Report = REPORT, version: int = 1, size: int = 100) -> int:
    """Store a version of `report` as a collector does, and return the arrival's number."""
    claim = taken(ledger, report, wanted_at=NOW + timedelta(days=1), again=True)
    done = attempt(report)
    found = ledger.write(records.record_archive, claim, done, archive(report, version, size))
    assert found.arrival is not None
    return found.arrival


def failed(
    ledger: Ledger,
    report: Report = REPORT,
    outcome: Outcome = Outcome.FAILED,
    again: datetime | None = None,
    reason: str = "HTTP 503",
) -> None:
    claim = taken(ledger, report, wanted_at=NOW + timedelta(days=1), again=True)
    done = attempt(report, outcome, reason=reason, status=503)
    counted = outcome is not Outcome.REJECTED
    ledger.write(records.record_failure, claim, done, again, counted)


def row_of(ledger: Ledger, report: Report = REPORT) -> queries.ReportRow:
    row = ledger.read(queries.report_row, report)
    assert row is not None
    return row


def contents(ledger: Ledger) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table."""

    def read(connection: sa.Connection) -> dict[str, list[tuple[Any, ...]]]:
        tables = metadata.sorted_tables
        return {
            table.name: sorted(
                (tuple(row) for row in connection.execute(sa.select(table))), key=str
            )
            for table in tables
        }

    return ledger.read(read)


def start(script: str, url: str, *arguments: str) -> subprocess.Popen[str]:
    """Start `script`, which begins with the preamble, as a process of its own."""
    folder = str(Path(reportsync.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + script, url, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": folder},
    )  # fmt: skip


@contextmanager
def running(script: str, url: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run `script` until the block ends; the block begins once it has said something."""
    with start(script, url, *arguments) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()
            process.wait()


def half_done(path: Path) -> None:
    """Leave a ledger of some months at `path` with what a kill in the midst of a commit leaves."""
    with open_writing(f"sqlite:///{path}") as ledger:
        covered(ledger, last=DAY.replace(month=12))
    before = path.read_bytes()
    script = """
import sqlite3
connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
# With no room in memory the pages go to the file before the commit, as in a large commit.
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE reports SET attempts = 99, reason = 'half done' || hex(zeroblob(200))")
say("pages written")
time.sleep(60)
"""
    with running(script, f"sqlite:///{path}") as process:
        process.kill()
        process.wait()
    assert path.with_name(f"{path.name}-journal").stat().st_size > 0
    assert path.read_bytes() != before

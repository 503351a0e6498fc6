"""Years of history without the years: a ledger, and the folders of its archive, as daily passes leave them.

    python -m benchmarks.history FOLDER --apps 1000 --days 3650

Every due day is stored. There are rows for archives, attempts and passes, and folders with SHA256SUMS, but
no archives in them. FOLDER/config.yaml is a config for it; what is due later is asked for on a closed port.
"""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from reportsync.ledger import open_writing, upkeep
from reportsync.store import Store

PASSES_A_DAY = 288
"""Those of a daemon with the default interval."""

_CONFIG = """\
apps:
{apps}
storage:
  archive: archive
  ledger: sqlite:///{folder}/ledger.db
  min_free: 1MiB
daemon: {{listen: 127.0.0.1:0}}
"""
_APP = """\
  - {{name: {name}, app_id: APP{number}, secret_key: not-a-real-key, base_url: 'http://127.0.0.1:1',
     since: {since}}}
"""


@dataclass(frozen=True, slots=True)
class History:
    """So many apps with so many days each, the last of them being `through`."""

    apps: int
    days: int
    through: date

    @property
    def since(self) -> date:
        """The first day."""
        return self.through - timedelta(days=self.days - 1)

    @property
    def names(self) -> list[str]:
        """The names of the apps."""
        return [f"app-{number:04}" for number in range(self.apps)]


def newest_due(now: datetime) -> date:
    """Return the newest day that is due at `now` with the default schedule, 02:00 UTC and 2 h."""
    return (now - timedelta(hours=4)).date() - timedelta(days=1)


def lay_out(history: History, folder: Path) -> Path:
    """Make config, archive and ledger in the new `folder`, and return the config's path."""
    folder.mkdir(parents=True)
    ledger = folder / "ledger.db"
    store = Store(folder / "archive", 2**20)
    with open_writing(f"sqlite:///{ledger}") as opened:
        opened.write(upkeep.remember_archive, store.open(None))
    fill(ledger, history)
    _lay_out_folders(history, folder / "archive")
    config = folder / "config.yaml"
    apps = "".join(
        _APP.format(name=name, number=number, since=history.since)
        for number, name in enumerate(history.names)
    )
    config.write_text(_CONFIG.format(apps=apps, folder=folder.resolve()))
    config.chmod(0o600)
    return config


def fill(ledger: Path, history: History, passes_a_day: int = PASSES_A_DAY) -> None:
    """Write the rows of `history` into the new ledger at `ledger`, day after day as they came."""
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        for pragma in ("synchronous = OFF", "journal_mode = OFF", "cache_size = -1000000"):
            connection.execute(f"PRAGMA {pragma}").close()
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO apps (name, first, through, bytes) VALUES (?, ?, ?, ?)",
            [
                (name, str(history.since), str(history.through), 4096 * history.days)
                for name in history.names
            ],
        )
        for number in range(history.days):
            day = history.since + timedelta(days=number)
            values = {"day": str(day), **_instants(day), "verified": _verified(history, number)}
            for statement in _OF_A_DAY:
                connection.execute(statement, values)
        connection.executemany(_ENDED, _passes(history, passes_a_day))
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = DELETE").close()


def _instants(day: date) -> dict[str, str]:
    """Return when the report of `day` was first asked for and when it was stored."""
    asked = datetime(day.year, day.month, day.day, 4, tzinfo=UTC) + timedelta(days=1)
    return {"asked": _text(asked), "stored": _text(asked + timedelta(minutes=30))}


def _verified(history: History, number: int) -> str:
    """Return when the archives of the day of this number were verified: all of them within thirty days."""
    end = datetime.combine(history.through, datetime.min.time(), UTC)
    return _text(end - timedelta(days=30) * (1 - number / history.days))


def _passes(history: History, a_day: int) -> Iterator[tuple[str, str]]:
    kept = min(history.days, upkeep.KEPT.days)
    begin = datetime.combine(history.through, datetime.min.time(), UTC) - timedelta(days=kept - 1)
    for number in range(kept * a_day):
        yield f"{number:016x}", _text(begin + timedelta(days=number / a_day))


def _text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%S.%f}Z"


_OF_A_DAY = (
    """INSERT INTO reports (app, day, state, attempts, tries, last_attempt, last_outcome)
    SELECT name, :day, 'stored', 1, 0, :stored, 'stored' FROM apps""",
    """INSERT INTO archives
    (app, day, version, held, size, sha256, members, flags, stored, verified)
    SELECT name, :day, 1, 1, 4096, lower(hex(randomblob(32))), 8, '', :stored, :verified FROM apps""",
    # One report in ten was not there when it was first asked for.
    """INSERT INTO attempts
    (app, day, pass_id, started, ended, outcome, requests, status, reason)
    SELECT name, :day, '00000000000000aa', :asked, :asked, 'waiting', 1, 404, 'not there yet' FROM apps
    WHERE (rowid + julianday(:day)) % 10 < 1""",
    """INSERT INTO attempts (app, day, pass_id, started, ended, outcome, requests, status, size)
    SELECT name, :day, '00000000000000aa', :stored, :stored, 'stored', 1, 200, 4096 FROM apps""",
)
_ENDED = """INSERT INTO passes (id, kind, started, beat, ended, asked, stored, missing, exit)
    VALUES (?1, 'run', ?2, ?2, ?2, 0, 0, 0, 0)"""


def _lay_out_folders(history: History, archive: Path) -> None:
    """Make the folder of each year, with a SHA256SUMS."""
    for name in history.names:
        for year in range(history.since.year, history.through.year + 1):
            folder = archive / name / f"{year:04}"
            folder.mkdir(parents=True)
            (folder / "SHA256SUMS").write_bytes(b"")


def main() -> None:
    """Run the command line."""
    words = argparse.ArgumentParser(prog="python -m benchmarks.history", description=__doc__)
    words.add_argument("folder", type=Path, metavar="FOLDER", help="a new folder")
    words.add_argument("--apps", type=int, default=1000, metavar="N")
    words.add_argument("--days", type=int, default=3650, metavar="N")
    given = words.parse_args()
    print(lay_out(History(given.apps, given.days, newest_due(datetime.now(UTC))), given.folder))


if __name__ == "__main__":
    main()

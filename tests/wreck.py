"""What must hold of archive and ledger after a crash, and after the run that follows: I1, I2, I3, I9.

Reads with zipfile, sqlite3 and coreutils, not with the program's own code, and changes nothing: the ledger
is looked at in a copy, since to open it would already roll back what was under way. Every check yields what
is wrong.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sqlite3
import stat
import subprocess
import tempfile
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

FINAL = re.compile(r"[\w-]+/\d{4}/\d{8}(?:\.v\d+)?\.zip")
"""The final names below the archive's root."""

_BACKUP = re.compile(r"(?<=^\.ledger/ledger-)\d{8}(?=\.db$)")
_SET_ASIDE = re.compile(r"(?<=\.damaged-)\d{8}T\d{6}Z")
_OWN_CONTENT = re.compile(r"\.reportsync|\.ledger/.*")  # holds ids and instants of its own
_TABLES = {
    "apps": "SELECT name, first, through, bytes FROM apps",
    "reports": "SELECT app, day, state, CASE state WHEN 'missing' THEN reason END,"
    " next_attempt IS NULL FROM reports",
    "archives": "SELECT app, day, version, held, size, sha256, members, flags FROM archives",
    "waivers": "SELECT app, first, last, reason, ended IS NULL FROM waivers",
    "claims": "SELECT app, day FROM claims",
    "stale sums": "SELECT app, year FROM stale_sums",
    "deliveries": "SELECT arrival, app FROM deliveries",
    "facts": "SELECT name FROM facts",
}
"""What a ledger says in the end, but for instants, ids and how many attempts it took."""


@dataclass(frozen=True, slots=True)
class Held:
    """An archive that the ledger says is stored."""

    name: str  # below the archive's root
    sha256: str


@dataclass(frozen=True, slots=True)
class Rows:
    """What a ledger says; without tables, nothing. `damage` is what SQLite finds wrong with it."""

    damage: str = ""
    held: tuple[Held, ...] = ()
    states: Mapping[tuple[str, str], str] = field(default_factory=dict)
    attempts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    tables: Mapping[str, list[tuple[object, ...]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """All of an archive and its ledger; `tree` has (mode, SHA-256) by name, that of a folder empty."""

    tree: Mapping[str, tuple[int, str]]
    beside: frozenset[str]  # the names in the ledger's folder
    rows: Rows

    def finals(self) -> dict[str, str]:
        """Return the SHA-256 of each archive under a final name."""
        return {name: sha for name, (_, sha) in self.tree.items() if FINAL.fullmatch(name)}


def look(archive: Path, ledger: Path) -> Found:
    """Return what lies there; neither need exist."""
    tree = {}
    for path in sorted(archive.rglob("*")):
        name = _BACKUP.sub("DAY", str(path.relative_to(archive)))
        content = path.is_file() and not _OWN_CONTENT.fullmatch(name)
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if content else ""
        tree[name] = (stat.S_IMODE(path.lstat().st_mode), digest)
    ours = [path.name for path in ledger.parent.glob(f"*{ledger.name}*")]
    ours += [path.name for path in ledger.parent.glob(".reportsync-ledger*")]
    return Found(tree, frozenset(_SET_ASIDE.sub("THEN", name) for name in ours), read(ledger))


def read(ledger: Path) -> Rows:
    """Return what the ledger says once SQLite has brought a copy of it, and its journal, in order."""
    if not ledger.exists():
        return Rows()
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        for path in ledger.parent.glob(f"{ledger.name}*"):
            if path.name in {ledger.name, f"{ledger.name}-journal"}:
                shutil.copy(path, folder)
        try:
            with closing(sqlite3.connect(Path(folder) / ledger.name)) as connection:
                return _rows(connection)
        except sqlite3.DatabaseError as error:
            return Rows(damage=str(error))


def _rows(connection: sqlite3.Connection) -> Rows:
    damage = connection.execute("PRAGMA integrity_check").fetchone()[0]
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'incidents'").fetchone()
    if damage != "ok" or not known:
        return Rows(damage="" if damage == "ok" else damage)
    held = connection.execute("SELECT app, day, version, sha256 FROM archives WHERE held")
    reports = connection.execute("SELECT app, day, state, attempts FROM reports").fetchall()
    tables = {name: sorted(connection.execute(query)) for name, query in _TABLES.items()}
    return Rows(
        held=tuple(Held(_name(*row), sha256) for *row, sha256 in held),
        states={(app, day): state for app, day, state, _ in reports},
        attempts={(app, day): attempts for app, day, _, attempts in reports},
        tables={**tables, "incidents": _told_of(connection)},
    )


def _told_of(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    """Return the missing reports of which an open incident tells, and open ones that tell of no report.

    Which days it tells of together depends on what was missing before.
    """
    open_ones = connection.execute(
        "SELECT key, held FROM incidents WHERE closed IS NULL"
    ).fetchall()
    spans = [line.split() for _, held in open_ones for line in held.splitlines()]
    missing = connection.execute("SELECT app, day FROM reports WHERE state = 'missing'").fetchall()
    told = {
        (app, day)
        for app, day in missing
        for of, first, last in spans
        if app == of and first <= day <= last
    }
    return sorted([*told, *((key,) for key, held in open_ones if not held)])


def _name(app: str, day: str, version: int) -> str:
    suffix = "" if version == 1 else f".v{version}"
    return f"{app}/{day[:4]}/{day.replace('-', '')}{suffix}.zip"


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def not_whole(
    archive: Path,
    found: Found,
    right: Mapping[str, Collection[str]],
    spoilt: Collection[str] = (),
    *,
    damaged: bool = False,
) -> Iterator[str]:
    """Check I1 and I2 on a wreck.

    `right` has by final name the SHA-256 of each content that may lie there. `spoilt` are the names that a
    scene itself has damaged or removed, and that nobody has mended yet; `damaged`: so is the ledger.
    """
    if found.rows.damage and not damaged:
        yield f"the ledger is damaged: {found.rows.damage}"
    finals = found.finals()
    for name, sha256 in finals.items():
        if sha256 not in right.get(name, ()):
            yield f"I2: {name} is visible with other content than the server's"
        elif name not in spoilt and (bad := _bad_zip(archive / name)):
            yield f"I2: {name} is visible and no whole zip: {bad}"
    for row in found.rows.held:
        if finals.get(row.name) != row.sha256 and row.name not in spoilt:
            what = "another file" if row.name in finals else "no file"
            yield f"I1: the ledger says that {row.name} is stored, and there is {what}"
    stored = {row.name.split(".")[0] for row in found.rows.held}
    for (app, day), state in found.rows.states.items():
        if state == "stored" and _name(app, day, 1).split(".")[0] not in stored:
            yield f"I1: the ledger says that {app} {day} is stored, and has no archive of it"


def _bad_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.testzip()
            return f"bad CRC of {member}" if member else ""
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        return str(error)


def moved_back(
    before: Rows, after: Rows, reopened: Collection[tuple[str, str]] = ()
) -> Iterator[str]:
    """Check I9: attempts only grow, and what was stored stays so unless its file was lost or damaged."""
    for report, attempts in before.attempts.items():
        if after.attempts.get(report, 0) < attempts:
            yield f"I9: the attempts at {' '.join(report)} went back from {attempts}"
    for report, state in before.states.items():
        now = after.states.get(report)
        if now != state and (state, now) != ("missing", "stored") and report not in reopened:
            yield f"I9: {' '.join(report)} went from {state} to {now}"


def other_than(calm: Found, end: Found) -> Iterator[str]:
    """Check I3: yield where the end of a disturbed run is not that of the undisturbed one, `calm`."""
    if end.rows.damage:
        yield f"I3: the ledger is damaged: {end.rows.damage}"
    for name in sorted(calm.tree.keys() | end.tree.keys()):
        was, now = calm.tree.get(name), end.tree.get(name)
        if was != now:
            yield f"I3: {name} is {_told(now)} and would be {_told(was)}"
    for name in sorted(calm.beside ^ end.beside):
        yield f"I3: beside the ledger there is {'no' if name in calm.beside else 'a'} {name}"
    for table in (*_TABLES, "incidents"):
        was_rows, now_rows = calm.rows.tables.get(table, []), end.rows.tables.get(table, [])
        if was_rows != now_rows:
            yield f"I3: the ledger's {table} are {now_rows} and would be {was_rows}"


def _told(entry: tuple[int, str] | None) -> str:
    return "absent" if entry is None else f"{entry[0]:04o} {entry[1][:12] or '-'}"


def wrong_sums(archive: Path) -> Iterator[str]:
    """Check every SHA256SUMS with coreutils, and that each archive is in one."""
    for year in sorted({path.parent for path in archive.glob("[!.]*/*/*.zip")}):
        where = year.relative_to(archive)
        checked = subprocess.run(
            ["sha256sum", "--check", "--strict", "SHA256SUMS"],
            cwd=year, capture_output=True, text=True, check=False,
        )  # fmt: skip
        right = re.findall(r"^(.*): OK$", checked.stdout, re.M)
        if checked.returncode or sorted(right) != sorted(p.name for p in year.glob("*.zip")):
            yield f"I3: sha256sum says of {where}: {checked.stdout}{checked.stderr}"

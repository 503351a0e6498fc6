"""Looks at ledger and tree after each virtual day, and says which invariant does not hold."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from canary import CANARY

from reportsync.known import Coverage, gaps
from reportsync.ledger import overview
from reportsync.ledger.reader import Reader
from reportsync.model import Outcome, Report
from reportsync.settings import App

from . import almanac
from .vendor import DAY, HOUR
from .watch import Violation

if TYPE_CHECKING:
    from .world import SimWorld

_FINAL = re.compile(r"(\d{4})(\d\d)(\d\d)(?:\.v(\d+))?\.zip")
_LONG_MISSING = 30 * DAY
_WEEK = 7 * DAY
_SLACK = 4 * HOUR


class Audit:
    """Compares what the program holds with what the watch knows."""

    def __init__(self, world: SimWorld) -> None:
        self._world = world
        self._watch = world.watch
        self._reader = Reader(f"sqlite:///{world.ledger}")
        self._archives = self._attempts = 0  # the last rows seen
        self._made: dict[Report, int] = {}  # attempts that reports were seen with
        self._open: dict[str, set[date]] = {}  # expected and not stored, by app
        self._range: dict[str, tuple[date, date]] = {}
        self._stamps: dict[Path, tuple[int, int, int]] = {}

    def close(self) -> None:
        """Close the ledger."""
        self._reader.close()

    def forget_ledger(self) -> None:
        """Begin anew: the ledger was lost, and what comes in its place knows less."""
        self._archives = self._attempts = 0
        self._made.clear()
        self._open.clear()
        self._range.clear()
        self._watch.stored.clear()

    @contextmanager
    def _ledger(self) -> Iterator[sqlite3.Connection]:
        uri = f"file:{self._world.ledger}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            yield connection

    def daily(self) -> None:
        """Check what has changed since the last look, and that every expected day has its state."""
        if not self._world.has_ledger():
            return
        with self._ledger() as ledger:
            self._look_at_archives(ledger)
            self._look_at_healed(ledger)
            self._look_at_attempts(ledger)
            self._look_at_missing(ledger)
        apps, now = self._world.config.apps, self._world.machine.clock()
        for covered in self._reader.read(overview.coverages, apps, now):
            self._look_at(covered, now)

    def _look_at_archives(self, ledger: sqlite3.Connection) -> None:
        query = "SELECT id, app, day, version, sha256, held FROM archives WHERE id > ? ORDER BY id"
        for number, app, day, version, digest, held in ledger.execute(query, (self._archives,)):
            self._archives = number
            key = Report(app, date.fromisoformat(day)), version
            if held:
                self._see_stored(*key, digest)

    def _look_at_healed(self, ledger: sqlite3.Connection) -> None:
        """Take back the excuse of a file that was hurt and is as it should be again."""
        query = "SELECT sha256 FROM archives WHERE app = ? AND day = ? AND version = ? AND held"
        for report, version in sorted(self._watch.hurt):
            row = ledger.execute(query, (report.app, str(report.day), version)).fetchone()
            if row is not None and self._digest(report, version) == row[0]:
                self._watch.hurt.discard((report, version))
                self._stamps.pop(self._world.path(report, version), None)
                self._see_stored(report, version, row[0])

    def _see_stored(self, report: Report, version: int, digest: str) -> None:
        """I1, I6: the file of a stored version is there, whole, and the same as ever."""
        key = report, version
        self._watch.litter.discard(key)
        if key not in self._watch.hurt:
            found = self._digest(report, version)
            if found != digest:
                raise Violation(
                    f"I1: {report} v{version} is stored as {digest}, on disk is {found}"
                )
            if digest not in self._watch.offered_to[report]:
                raise Violation(f"I1: {report} v{version} is stored, but nobody offered that")
            if self._watch.files.setdefault(key, digest) != digest:
                raise Violation(f"I6: {report} v{version} has changed")
        self._watch.stored[report.app].add(report.day)
        self._open.get(report.app, set()).discard(report.day)

    def _digest(self, report: Report, version: int) -> str | None:
        try:
            return sha256(self._world.path(report, version).read_bytes()).hexdigest()
        except FileNotFoundError:
            return None

    def _look_at_attempts(self, ledger: sqlite3.Connection) -> None:
        query = (
            "SELECT id, app, day, started, ended, outcome, reason FROM attempts"
            " WHERE id > ? ORDER BY id"
        )
        for number, app, day, started, ended, outcome, reason in ledger.execute(
            query, (self._attempts,)
        ):
            self._attempts = number
            self._watch.counts[outcome] += 1
            if started > ended:
                raise Violation(f"an attempt at {app} {day} ended before it began")
            if outcome in (Outcome.WAITING, Outcome.FAILED, Outcome.REJECTED) and not reason:
                raise Violation(f"I5: an attempt at {app} {day} failed without a reason")
            if reason and (CANARY in reason or "<script>\n" in reason):
                raise Violation(f"I4: the reason of {app} {day} shows what it must not")

    def _look_at_missing(self, ledger: sqlite3.Connection) -> None:
        """I9: nothing goes back to missing unless its file was hurt; attempts only grow."""
        query = "SELECT app, day, attempts FROM reports WHERE state = 'missing'"
        for app, text, made in ledger.execute(query):
            report = Report(app, date.fromisoformat(text))
            if made < self._made.get(report, 0):
                raise Violation(f"I9: the attempts at {report} have become fewer")
            self._made[report] = made
            if report.day in self._watch.stored[app]:
                if not any(hurt == report for hurt, _ in self._watch.hurt):
                    raise Violation(f"I9: {report} was stored and is missing")
                self._watch.stored[app].discard(report.day)
                self._range.pop(app, None)

    def _look_at(self, covered: Coverage, now: datetime) -> None:
        """I5: stored, missing and waived are a partition of the expected days."""
        app = covered.app
        last = almanac.last_due(now, str(app.timezone), app.report_time, app.buffer)
        if app.until is not None:
            last = min(last, app.until)
        if last < app.since:
            if covered.expected:
                raise Violation(f"I5: {app.name} has expected days before its first")
            return
        rest = self._not_stored(app, last)
        waived = {day for day in rest if self._watch.is_waived(Report(app.name, day), now)}
        found = {row.day for row in covered.missing}
        if covered.due_through != last or covered.expected != (last - app.since).days + 1:
            raise Violation(f"I5: {app.name} is due through {covered.due_through}, not {last}")
        if found != rest - waived or set(covered.waived) != waived:
            odd = sorted(found ^ (rest - waived))[:5], sorted(set(covered.waived) ^ waived)[:5]
            raise Violation(f"I5: {app.name}: missing or waived wrongly: {odd}")
        if not all(gap.reason and gap.next_attempt for gap in gaps(covered)):
            raise Violation(f"I5: a missing day of {app.name} has no reason or next attempt")
        for day in sorted(waived):  # nobody is to fetch it as long as this holds
            self._watch.harmed(Report(app.name, day), self._world.scheduler.now)
        for day in sorted(found):
            self._look_at_progress(app, day)

    def gaps_before(self, app: str, before: date) -> list[date]:
        """Return the days of `app` before that one which are known not to be stored."""
        return sorted(day for day in self._open.get(app, ()) if day < before)

    def _not_stored(self, app: App, last: date) -> set[date]:
        """Return the expected days without an archive, adding those that are new to what is known."""
        stored = self._watch.stored[app.name]
        if app.name not in self._range:
            self._open[app.name] = {d for d in _days(app.since, last) if d not in stored}
            self._range[app.name] = app.since, last
        first, through = self._range[app.name]
        known = self._open[app.name]
        for start, end in ((app.since, first - almanac.ONE_DAY), (through + almanac.ONE_DAY, last)):
            known.update(d for d in _days(start, end) if d not in stored)
        self._range[app.name] = min(first, app.since), max(through, last)
        return {day for day in known if app.since <= day <= last}

    def _look_at_progress(self, app: App, day: date) -> None:
        """What the vendor has, and nothing hinders, is stored within the bound of retries."""
        report, now = Report(app.name, day), self._world.scheduler.now
        due = almanac.due(day, str(app.timezone), app.report_time, app.buffer).timestamp()
        free = max(
            self._world.vendor.ready(app.app_id, day), due, self._watch.unharmed_since(report)
        )
        bound = app.retry_at_most.total_seconds() + self._world.longest_pause + _SLACK
        if now - due > _LONG_MISSING:
            bound += _WEEK
        if now > free + bound:
            since = almanac.instant(free)
            raise Violation(f"{report} is not stored, though it could be since {since:%F %H:%M}")

    def whole(self, final: bool = False) -> None:
        """Check every row and every file; at the end also that nothing is left over."""
        self.daily()
        if not self._world.has_ledger():
            return
        with self._ledger() as ledger:
            self._look_at_states(ledger)
            self._look_at_files(ledger, final)
        if CANARY.encode() in self._world.ledger.read_bytes():
            raise Violation("I4: the key is in the ledger")

    def _look_at_states(self, ledger: sqlite3.Connection) -> None:
        query = (
            "SELECT app, day, attempts,"
            " (SELECT count(*) FROM archives a WHERE a.app = r.app AND a.day = r.day AND a.held),"
            " (SELECT count(*) FROM attempts a WHERE a.app = r.app AND a.day = r.day)"
            " FROM reports r WHERE state = 'stored'"
        )
        found: dict[str, set[date]] = {}
        for app, text, made, held, recorded in ledger.execute(query):
            found.setdefault(app, set()).add(date.fromisoformat(text))
            if not held:
                raise Violation(f"I1: {app} {text} is stored without an archive")
            if made != recorded:
                raise Violation(f"I9: {app} {text} says {made} attempts and has {recorded}")
        for app, days in found.items():
            if odd := days ^ self._watch.stored[app]:
                raise Violation(f"I9: {app} {sorted(odd)[:5]} changed its state without a trace")

    def _look_at_files(self, ledger: sqlite3.Connection, final: bool) -> None:
        """I2, I6: every file under a final name is whole, and stays as it is."""
        held = {
            (Report(app, date.fromisoformat(day)), version)
            for app, day, version in ledger.execute(
                "SELECT app, day, version FROM archives WHERE held"
            )
        }
        there = dict(self._final_names())
        excused = self._watch.hurt | self._watch.litter
        for key in (held | self._watch.files.keys()) - excused - there.keys():
            raise Violation(f"I6: the file of {key[0]} v{key[1]} is gone")
        for key, path in there.items():
            if key not in excused:
                self._look_at_file(key, path, final)
        if final and (unknown := there.keys() - held):
            raise Violation(f"files without a row are left: {sorted(unknown)[:3]}")

    def _look_at_file(self, key: tuple[Report, int], path: Path, final: bool) -> None:
        status = path.stat()
        stamp = status.st_ino, status.st_size, status.st_mtime_ns
        if self._stamps.setdefault(path, stamp) == stamp and not final and key in self._watch.files:
            return
        digest = self._digest(*key)
        if digest not in self._watch.offered_to[key[0]]:
            raise Violation(f"I2: {path} is not what anybody offered")
        if self._watch.files.get(key, digest) != digest or self._stamps[path] != stamp:
            raise Violation(f"I6: {path} was changed")

    def _final_names(self) -> Iterator[tuple[tuple[Report, int], Path]]:
        for path in sorted(self._world.archive.glob("[!.]*/*/*.zip")):
            match = _FINAL.fullmatch(path.name)
            assert match is not None, path
            day = date(int(match[1]), int(match[2]), int(match[3]))
            yield (Report(path.parent.parent.name, day), int(match[4] or 1)), path


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))

"""Put right what a verification found: set aside, reopen, correct; for `repair` and the daemon alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from reportsync.collect import freed_on_error, lease_of
from reportsync.ledger import Ledger, claims, queries, records
from reportsync.ledger.claims import Claim, ClaimLost
from reportsync.model import Archive, Report
from reportsync.redact import clean
from reportsync.service.judge import Checked, Found, judge
from reportsync.service.world import World
from reportsync.store import Obstructed


@dataclass(frozen=True, slots=True)
class Mended:
    """One thing that was done, or in a dry run would be done."""

    action: str  # "adopt", "set aside", "reopen", "set the ledger aside", "leave alone", ...
    what: str
    why: str


Tell = Callable[[Mended], None]


def steps(checked: Checked, path: Path | str, *, newer: bool) -> list[Mended]:
    """Return what is done about an archive at `path` (or called so) that is not right. Pure.

    `newer`: a newer version of the report is there, and the server has no older content to give.
    """
    report, found = checked.archive.report, checked.found
    if found is Found.OK:
        return []
    if found is Found.UNREADABLE:
        why = checked.error.message if checked.error else "it cannot be read"
        return [Mended("leave alone", str(path), why)]
    if found is Found.MISRECORDED:
        return [Mended("correct", f"the row of {path}", "whole, and not what the ledger says")]
    told = []
    if found is Found.DAMAGED:
        told.append(Mended("set aside", str(path), "its SHA-256 is not the one that was stored"))
    if newer:
        which = f"{report} version {checked.archive.version}"
        return [*told, Mended("give up", which, f"it is {found}; the server has newer content")]
    return [*told, Mended("reopen", str(report), f"its archive is {found}")]


def mend_archive(
    world: World, checked: Checked, tell: Tell, piece_read: Callable[[], None] | None = None
) -> bool:
    """Do what `steps` says, under the report's claim; return whether the report was reopened.

    `piece_read` is called while other versions are read, and may raise (None: the stop's `check`).
    The damaged file is set aside before the row says so: after a kill between the two it is found lost.
    Does nothing if another process has the claim or has done it by now. Raises `StorageError`.
    """
    archive = checked.archive
    if checked.found in (Found.OK, Found.UNREADABLE):
        for one in steps(checked, _named(world, archive), newer=False):
            tell(one)
        return False
    path = world.store.path(archive.report, archive.version)
    claim = world.ledger.write(_claim, world, archive.report)
    if not isinstance(claim, Claim):
        return False
    with freed_on_error(claim, world.ledger):
        if not _is_so_still(world, checked):
            world.ledger.write(claims.release, claim)
            return False
        newer = newer_held(world.ledger, checked)
        if checked.found is Found.DAMAGED:
            world.store.quarantine(archive.report, path, "damaged on disk", checked.sha256)
        try:
            reopened = world.ledger.write(_record, world, claim, checked)
        except ClaimLost:
            return False
    for one in steps(checked, path, newer=newer):
        tell(one)
    return _look_at_others(world, checked, tell, piece_read or world.stop.check) or reopened


def _named(world: World, archive: Archive) -> str:
    """Return the path of `archive`, or what else names it: a row that was tampered with has no path."""
    try:
        return str(world.store.path(archive.report, archive.version))
    except Obstructed:
        return clean(f"{archive.report} version {archive.version}")


def newer_held(ledger: Ledger, checked: Checked) -> bool:
    """Say whether the ledger holds a newer version of the same report."""
    rows = ledger.read(queries.versions_of, checked.archive.report)
    return any(row.held and row.archive.version > checked.archive.version for row in rows)


def _claim(connection: Connection, world: World, report: Report) -> object:
    records.ensure_row(connection, report)
    now = world.clock()
    lease = lease_of(world.config.http)
    return claims.take(connection, report, now=now, lease=lease, wanted_at=now + lease, again=True)


def _is_so_still(world: World, checked: Checked) -> bool:
    """Say whether row and file are what they were when they were compared."""
    archive = checked.archive
    rows = world.ledger.read(queries.versions_of, archive.report)
    if not any(row.held and row.archive == archive for row in rows):
        return False
    if checked.found is Found.LOST:
        world.refuse_unmounted()
    return world.store.identity(archive.report, archive.version) == checked.file


def _record(connection: Connection, world: World, claim: Claim, checked: Checked) -> bool:
    if not claims.release(connection, claim):
        raise ClaimLost(str(claim.report))
    if checked.right is not None:
        records.correct_archive(connection, checked.right, world.clock())
        return False
    return records.lose_archive(connection, claim.report, checked.archive.version)


def _look_at_others(
    world: World, checked: Checked, tell: Tell, piece_read: Callable[[], None]
) -> bool:
    """Look at the other versions of the report, too; return whether the report was reopened by that.

    Found right now, they tell that the damage is over once the lost one is there again.
    """
    archive = checked.archive
    if checked.right is not None:
        return False
    reopened = False
    for row in world.ledger.read(queries.versions_of, archive.report):
        if not row.held or row.archive.version == archive.version:
            continue
        other = judge(world.store, row.archive, piece_read)
        if other.found is Found.OK:
            now = world.clock()
            world.ledger.write(records.set_verified, archive.report, row.archive.version, now)
        else:
            reopened = mend_archive(world, other, tell, piece_read) or reopened
    return reopened

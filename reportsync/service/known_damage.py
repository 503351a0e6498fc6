"""Damage that a verification has found and nobody has mended: a pass does, and asks for it again."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sqlalchemy import Connection

from reportsync.ledger import incidents, queries, records
from reportsync.model import Report
from reportsync.service.judge import Found, judge
from reportsync.service.mending import mend_archive
from reportsync.service.world import World
from reportsync.settings import App

SECONDS = 10.0
"""For so long a pass mends, lest what is due wait for it; the next one goes on."""


def mend_known_damage(world: World, apps: Iterable[App]) -> None:
    """Reopen the reports of `apps` which are held and which an open incident calls damaged or lost.

    What is whole again by now is noted as that; what cannot be read is left to verifying. Ends after
    `SECONDS`. Raises `StorageError` and `Stopped`.
    """
    names = {app.name for app in apps}
    ends = time.monotonic() + SECONDS
    for report in sorted(world.ledger.read(_damaged)):
        if report.app in names:
            _mend(world, report)
            if time.monotonic() > ends:
                return


def _damaged(connection: Connection) -> frozenset[Report]:
    return incidents.unverified(connection, incidents.open_now(connection))


def _mend(world: World, report: Report) -> None:
    """Look at each held version of `report`."""
    for row in world.ledger.read(queries.versions_of, report):
        if not row.held:
            continue
        world.stop.check()
        checked = judge(world.store, row.archive, world.stop.check)
        if checked.found is Found.OK:
            now = world.clock()
            world.ledger.write(records.set_verified, report, row.archive.version, now)
        else:
            mend_archive(world, checked, lambda _: None)

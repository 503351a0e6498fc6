"""Damage that a verification has found and nobody has mended: a pass does, and asks for it again."""

from __future__ import annotations

import time
from collections.abc import Iterable

from reportsync.ledger import incidents, queries, records
from reportsync.model import Report
from reportsync.service.judge import Found, judge
from reportsync.service.mending import Tell, mend_archive
from reportsync.service.world import World

SECONDS = 10.0
"""For so long a pass mends, lest what is due wait for it; the next one goes on."""


def mend_known_damage(world: World, names: Iterable[str], tell: Tell) -> None:
    """Reopen the reports of the apps `names` that are known to be damaged or lost, telling each step.

    What is whole again by now is noted as that; what cannot be read is left to verifying. Ends after
    `SECONDS`. Raises `StorageError` and `Stopped`.
    """
    ends = time.monotonic() + SECONDS
    for report in world.ledger.read(incidents.known_damage, names, world.clock()):
        _mend(world, report, tell)
        if time.monotonic() > ends:
            return


def _mend(world: World, report: Report, tell: Tell) -> None:
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
            mend_archive(world, checked, tell)

"""What stands behind the sandbox's port: apps, faults, journal and clock, per request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from reportsync.model import Clock
from reportsync.sandbox.answers import (
    Answer,
    Found,
    damaged,
    faulty,
    judge,
    not_there,
    parse_day,
    zip_answer,
)
from reportsync.sandbox.apps import SandboxApp
from reportsync.sandbox.book import Asked, FaultBook
from reportsync.sandbox.faults import Fault
from reportsync.sandbox.journal import Journal
from reportsync.sandbox.kinds import KINDS, Family
from reportsync.sandbox.reports import ReportCache


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and the fault that it owes itself to, or with which it is to be sent."""

    answer: Answer
    fault: Fault | None = None


class Vendor:
    """Answers requests for reports; safe for threads. `report_size` is in bytes."""

    def __init__(
        self,
        apps: Iterable[SandboxApp],
        faults: FaultBook,
        journal: Journal,
        clock: Clock,
        latency: float,
        report_size: int,
    ) -> None:
        self.faults, self.journal, self.clock, self.latency = faults, journal, clock, latency
        self._size = report_size
        self._cache = ReportCache()
        self._apps: defaultdict[str, list[SandboxApp]] = defaultdict(list)
        for app in apps:
            self._apps[app.app_id].append(app)

    def reply(self, path: str, app_id: str, file_name: str, signature: str, now: datetime) -> Reply:
        """Return what to send for the report `file_name` of `app_id` at the instant `now`."""
        apps = self._apps.get(app_id, ())
        found = judge(apps, file_name, signature, now)
        day = parse_day(file_name)
        if day is None:
            return Reply(self._right(found))
        name = next((app.name for app in apps), None)
        ready_for = now - found.ready if isinstance(found, Found) else None
        fault = self.faults.choose(Asked(app_id, name, day, ready_for))
        if fault is None:
            return Reply(self._right(found))
        return Reply(self._wrong(fault, found, path, file_name, now), fault)

    def _wrong(
        self, fault: Fault, found: Found | Answer, path: str, file_name: str, now: datetime
    ) -> Answer:
        family = KINDS[fault.kind].family
        match family:
            case Family.TIME:
                return not_there(file_name)
            case Family.ANSWER:
                return faulty(fault, path, file_name, now)
            case Family.BODY:
                revision = fault.revision if fault.kind == "changed" else 1
                return damaged(fault, self._right(found, revision).body)
            case Family.WIRE:
                return self._right(found)
        assert_never(family)

    def _right(self, found: Found | Answer, revision: int = 1) -> Answer:
        if isinstance(found, Answer):
            return found
        return zip_answer(self._cache.get(found.app.app_id, found.day, revision, self._size))

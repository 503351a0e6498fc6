"""What is under way at a host, and the reports of one app that are on their way there."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import date

from reportsync.model import Report
from reportsync.width import Width


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A request that is under way.

    `mark` is its host's, `began` the running time in seconds; `spare` says that its host could have been
    asked for twice as much.
    """

    report: Report
    mark: int
    began: float
    spare: bool


@dataclass(slots=True)
class Host:
    """What is under way at one host.

    A report is `asking` while it has one of the places there, until it is downloaded.
    """

    width: Width
    asking: dict[Report, bool] = field(default_factory=dict)  # whether it is a newest day
    pausing: set[Report] = field(default_factory=set)  # of those, until they are repeated
    verifying: dict[Report, bool] = field(default_factory=dict)  # downloaded; as in `asking`
    pending: int = 0  # how many were handed out and have no place
    heard: dict[Request, float] = field(default_factory=dict)  # when last, in running time
    silent: int = 0  # of those that are asking
    proven: bool = False  # an app of it was accepted

    @property
    def busy(self) -> int:
        """How many are under way and do not pause."""
        return len(self.asking) - len(self.pausing)

    def room(self, newest: bool = False) -> int:
        """Return how many more may start; beside mere silence one may always."""
        beside = sum(self.asking.values()) if newest else len(self.asking)
        return max(self.width.now - beside, int(len(self.asking) == self.silent))


@dataclass(slots=True)
class Lane:
    """One app's reports of this pass."""

    host: Host
    newest: deque[date] = field(default_factory=deque)
    gaps: deque[date] = field(default_factory=deque)
    running: int = 0
    accepted: bool = False
    barred: bool = False
    failures: int = 0
    refusals: int = 0

    @property
    def open(self) -> bool:
        """Whether another report may start: until the key is accepted, one probe at a time."""
        return not self.barred and (self.accepted or self.running == 0)


@dataclass(frozen=True, slots=True, eq=False)
class Pending:
    """A report that was handed out and has no place at its host; its thread waits for one, or soon will.

    `begun` says that it was asked for before.
    """

    report: Report
    lane: Lane
    newest: bool
    begun: bool
    woken: threading.Condition

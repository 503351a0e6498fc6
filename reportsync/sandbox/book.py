"""The faults in force, and how often each was served; safe to change while requests come in."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from reportsync.sandbox.faults import Fault
from reportsync.sandbox.kinds import KINDS, Family


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for, as far as faults care.

    `ready_for` is how long the report has been there, or None if the right answer is no report.
    """

    app_id: str
    name: str | None  # of the app; None for one that the sandbox does not know
    day: date
    ready_for: timedelta | None


@dataclass(slots=True)
class _Entry:
    fault: Fault
    seen: Counter[str] = field(default_factory=Counter)
    served: Counter[str] = field(default_factory=Counter)

    def take(self, asked: Asked) -> bool:
        """Count a matching request and say whether it is this fault's turn."""
        report, scope = f"{asked.app_id} {asked.day}", _scope(self.fault, asked)
        self.seen[report] += 1
        if scope != report:
            self.seen[scope] += 1
        ready = self.seen[scope] > self.fault.after
        spent = self.fault.times is not None and self.served[scope] >= self.fault.times
        if not ready or spent or not _drawn(self.fault, report, self.seen[report]):
            return False
        self.served[scope] += 1
        return True


class FaultBook:
    """The list of faults in force, in order; the first that matches a request is served."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._entries = [_Entry(fault) for fault in faults]

    def __iter__(self) -> Iterator[Fault]:
        with self._lock:
            return iter([entry.fault for entry in self._entries])

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, *faults: Fault) -> None:
        """Switch `faults` on, after those in force."""
        with self._lock:
            self._entries += [_Entry(fault) for fault in faults]

    def remove(self, *faults: Fault) -> None:
        """Switch off whatever equals one of `faults`; one that is not in force is no error."""
        with self._lock:
            self._entries = [entry for entry in self._entries if entry.fault not in faults]

    def replace(self, *faults: Fault) -> None:
        """Have `faults` and no others in force, their counts beginning anew."""
        with self._lock:
            self._entries = [_Entry(fault) for fault in faults]

    def clear(self) -> None:
        """Switch all faults off."""
        self.replace()

    def choose(self, asked: Asked) -> Fault | None:
        """Return the fault to serve to this request, and count it; None for the right answer."""
        with self._lock:
            for entry in self._entries:
                if _matches(entry.fault, asked) and entry.take(asked):
                    return entry.fault
        return None


def _matches(fault: Fault, asked: Asked) -> bool:
    if fault.app not in (None, asked.app_id, asked.name) or not fault.covers(asked.day):
        return False
    family = KINDS[fault.kind].family
    if family is Family.TIME:
        return asked.ready_for is not None and asked.ready_for < fault.by
    return family is not Family.BODY or asked.ready_for is not None


def _scope(fault: Fault, asked: Asked) -> str:
    if fault.per == "report":
        return f"{asked.app_id} {asked.day}"
    return asked.app_id if fault.per == "app" else ""


def _drawn(fault: Fault, report: str, nth: int) -> bool:
    text = f"{fault.seed} {fault.kind} {report} {nth}"
    draw = int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48
    return draw < fault.share

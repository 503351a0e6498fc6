"""One cause that holds back reports, as a value: its key, since when, which days. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from reportsync.calendar import days
from reportsync.model import ONE_DAY, Report
from reportsync.settings import Event


class Cause(StrEnum):
    """What kind of thing holds reports back; the first word of an incident's key."""

    KEY = "key"  # an app's key is refused
    HOST = "host"  # the reports of several apps of one host fail
    APP = "app"  # every day of an app is refused: the way is barred, or a setting is gone
    ARCHIVE = "archive"  # archives came that are not acceptable: encrypted, a bomb, too large
    LATE = "late"  # days are missing for longer than alert_after
    DAMAGE = "damage"  # archives are damaged or lost on disk
    STORAGE = "storage"  # our own disk or ledger
    HOOK = "hook"  # the command for arrivals fails again and again


KINDS: dict[Cause, Event] = {
    Cause.KEY: "rejected",
    Cause.HOST: "late",
    Cause.APP: "rejected",
    Cause.ARCHIVE: "damaged",
    Cause.LATE: "late",
    Cause.DAMAGE: "damaged",
    Cause.STORAGE: "storage",
    Cause.HOOK: "late",
}
"""By which word of `notify.on` notices of a cause are chosen."""


class Span(NamedTuple):
    """The days `first` to `last` of an app."""

    app: str
    first: date
    last: date

    @property
    def days(self) -> int:
        """How many days these are."""
        return (self.last - self.first).days + 1

    def __str__(self) -> str:
        if self.days == 1:
            return f"{self.app} {self.first}"
        return f"{self.app} {self.first} to {self.last} ({self.days} days)"


def spans(reports: Iterable[Report]) -> tuple[Span, ...]:
    """Return the runs of days that `reports` form, by app and day."""
    found: list[Span] = []
    for app, day in sorted(set(reports)):
        if found and found[-1].app == app and day - found[-1].last == ONE_DAY:
            found[-1] = found[-1]._replace(last=day)
        else:
            found.append(Span(app, day, day))
    return tuple(found)


def reports_of(held: Iterable[Span]) -> frozenset[Report]:
    """Return every report of the days in `held`."""
    return frozenset(Report(span.app, day) for span in held for day in days(span.first, span.last))


@dataclass(frozen=True, slots=True)
class Incident:
    """One cause, from when it was first seen until it is over.

    `held` are the reports that it holds or held back. `told`: when somebody was last told of it, None if
    nobody was yet. `handed`: when a notice about it was last given to the channels, None once it is known
    what became of it. `number` is that of its row. `outcome`: what was filled in, once `closed`.
    """

    key: str
    opened: datetime
    held: tuple[Span, ...]
    reason: str
    hint: str | None = None
    told: datetime | None = None
    handed: datetime | None = None
    closed: datetime | None = None
    outcome: str | None = None
    number: int | None = None

    @property
    def cause(self) -> Cause:
        """What kind of thing it is."""
        return Cause(self.key.partition(":")[0])

    @property
    def subject(self) -> str:
        """The app or host that it is about; nothing for storage and hook."""
        subject = self.key.partition(":")[2]
        return subject.partition(":")[0] if self.cause is Cause.LATE else subject

    @property
    def apps(self) -> tuple[str, ...]:
        """The apps whose reports it holds back, in the order of their names."""
        return tuple(dict.fromkeys(span.app for span in self.held))

    @property
    def days(self) -> int:
        """How many reports it holds or held back."""
        return sum(span.days for span in self.held)


def key_of(cause: Cause, subject: str = "", day: date | None = None) -> str:
    """Return the key under which a cause is known as long as it lasts."""
    if day is not None:
        return f"{cause}:{subject}:{day}"
    return f"{cause}:{subject}" if subject else str(cause)

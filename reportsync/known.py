"""What the ledger knows of an app, and what follows from it: coverage and gaps. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from reportsync.calendar import days, due, due_through
from reportsync.model import ONE_DAY, Outcome, Waiver
from reportsync.retry import believable
from reportsync.settings import App

NEVER_ASKED = "not asked for yet"
DAMAGED = "a verification found its archive damaged or lost"


@dataclass(frozen=True, slots=True)
class Missing:
    """A day without an archive; `next_attempt` None means as soon as somebody looks."""

    day: date
    attempts: int = 0
    tries: int = 0
    next_attempt: datetime | None = None
    last_outcome: Outcome | None = None
    reason: str | None = None
    last_attempt: datetime | None = None

    @property
    def waiting(self) -> bool:
        """Whether the vendor's last answer was "not there yet"."""
        return self.last_outcome is Outcome.WAITING


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger holds about one app.

    Every day from `first` to `through` has a row there; those of them without an archive are in
    `missing`. `beyond` are the stored days outside that range. `newest` is the latest stored day.
    `verified_since` is the instant since which each held archive was verified, None without any. `damaged`
    are the stored days whose archive a verification found damaged or lost, until it is found right again.
    """

    first: date | None = None
    through: date | None = None
    missing: tuple[Missing, ...] = ()
    beyond: frozenset[date] = frozenset()
    waivers: tuple[Waiver, ...] = ()
    bytes: int = 0
    newest: date | None = None
    verified_since: datetime | None = None
    damaged: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True)
class Coverage:
    """The expected days of one app, split in three: stored, missing and waived.

    `damaged` are those of the stored days whose archive is known not to be whole; `damaged_beyond` are such
    days in the archive that are not expected.
    """

    app: App
    due_through: date | None
    expected: int
    missing: tuple[Missing, ...]  # in the order of days
    waived: tuple[date, ...]
    damaged: tuple[date, ...] = ()
    damaged_beyond: tuple[date, ...] = ()

    @property
    def not_whole(self) -> tuple[date, ...]:
        """All days whose archive is known to be damaged or lost, in their order."""
        return tuple(sorted((*self.damaged, *self.damaged_beyond)))

    @property
    def stored(self) -> int:
        """How many expected days are in the archive, or were: damaged ones count."""
        return self.expected - len(self.missing) - len(self.waived)


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of missing days."""

    first: date
    last: date
    reason: str
    next_attempt: datetime

    @property
    def days(self) -> int:
        """How many days are missing."""
        return (self.last - self.first).days + 1


def coverage(app: App, known: Known, now: datetime) -> Coverage:
    """Return which days of `app` are expected at `now` and which of them are missing or waived."""
    last = due_through(app, now)
    if last is None:
        return Coverage(app, None, 0, (), (), (), tuple(sorted(known.damaged)))
    rows = {day: Missing(day) for day in _unknown_days(app.since, last, known)}
    for row in known.missing:
        if app.since <= row.day <= last:
            again = believable(row.next_attempt, now, app, row.last_attempt)
            rows[row.day] = replace(row, next_attempt=again)
    waived = tuple(day for day in sorted(rows) if is_waived(day, known.waivers, now))
    missing = tuple(rows[day] for day in sorted(rows.keys() - set(waived)))
    spoilt = sorted(known.damaged - rows.keys())
    damaged = tuple(day for day in spoilt if app.since <= day <= last)
    beyond = tuple(day for day in spoilt if not app.since <= day <= last)
    return Coverage(app, last, (last - app.since).days + 1, missing, waived, damaged, beyond)


def _unknown_days(since: date, last: date, known: Known) -> Iterable[date]:
    """Yield the expected days that have no row yet."""
    if known.first is None or known.through is None:
        ranges = [(since, last)]
    else:
        ranges = [
            (since, min(last, known.first - ONE_DAY)),
            (max(since, known.through + ONE_DAY), last),
        ]
    for first, through in ranges:
        yield from (day for day in days(first, through) if day not in known.beyond)


def is_waived(day: date, waivers: Iterable[Waiver], now: datetime) -> bool:
    """Say whether a person's waiver holds for `day` at `now`."""
    return any(waiver.covers(day, now) for waiver in waivers)


def states(covered: Coverage) -> dict[date, str]:
    """Return the state of each expected day that is not stored and whole.

    That is missing, waiting, waived or damaged.
    """
    return _states(covered.missing, covered.waived, covered.damaged)


def last_states(covered: Coverage, count: int) -> list[tuple[date, str]]:
    """Return the last `count` expected days, oldest first, each with its state."""
    if covered.due_through is None:
        return []
    first = max(covered.app.since, covered.due_through - (count - 1) * ONE_DAY)
    # No more of them can be among the last days, however many there are.
    other = _states(covered.missing[-count:], covered.waived[-count:], covered.damaged[-count:])
    return [(day, other.get(day, "stored")) for day in days(first, covered.due_through)]


def _states(
    missing: Iterable[Missing], waived: Iterable[date], damaged: Iterable[date]
) -> dict[date, str]:
    found = dict.fromkeys(damaged, "damaged") | dict.fromkeys(waived, "waived")
    return found | {row.day: "waiting" if row.waiting else "missing" for row in missing}


def gaps(covered: Coverage) -> tuple[Gap, ...]:
    """Return the runs of missing days, oldest first."""
    runs: list[list[Missing]] = []
    for row in covered.missing:
        if runs and row.day - runs[-1][-1].day == ONE_DAY:
            runs[-1].append(row)
        else:
            runs.append([row])
    return tuple(_gap(covered.app, run) for run in runs)


def _gap(app: App, run: list[Missing]) -> Gap:
    soonest = min(may_ask_from(app, row) for row in run)
    return Gap(run[0].day, run[-1].day, common_reason(run), soonest)


def may_ask_from(app: App, row: Missing) -> datetime:
    """Return the instant from which `row` is asked for by itself: its next attempt, or since it is due."""
    return row.next_attempt or due(row.day, app)


def common_reason(run: Sequence[Missing]) -> str:
    """Return the reason most days of `run` have, saying how many there are if they differ.

    What was said of one day tells more than that others were not asked for.
    """
    counted = Counter(row.reason for row in run if row.reason).most_common(1)
    reason, count = counted[0] if counted else (NEVER_ASKED, len(run))
    return reason if count == len(run) else f"{reason} ({count} of {len(run)} days)"

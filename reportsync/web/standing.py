"""How each app stands, and all of them together: what the page, the metrics and the health say. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, get_args

from reportsync.calendar import last_due, next_due
from reportsync.known import Coverage, Known
from reportsync.model import ONE_DAY, Outcome

Word = Literal["key refused", "damaged", "late", "missing", "waiting", "complete", "nothing due"]
_WORST_FIRST: tuple[Word, ...] = get_args(Word)


@dataclass(frozen=True, slots=True)
class Standing:
    """One app: `overdue` counts its missing days that have been due for longer than `alert_after`.

    `ripe` is the newest expected day that should be there by now: due for longer than `alert_after` and
    not waived; `ripe_missing` says whether it is missing.
    """

    coverage: Coverage
    known: Known
    next_due: datetime | None
    overdue: int
    rejected: bool
    ripe: date | None
    ripe_missing: bool

    @property
    def name(self) -> str:
        """The app's name."""
        return self.coverage.app.name

    @property
    def word(self) -> Word:
        """The app's state in a word; `late` is missing for longer than `alert_after`."""
        if self.rejected:
            return "key refused"
        if self.coverage.not_whole:
            return "damaged"
        if self.overdue:
            return "late"
        if self.coverage.missing:
            waiting = all(row.waiting for row in self.coverage.missing)
            return "waiting" if waiting else "missing"
        return "complete" if self.coverage.expected else "nothing due"


def standing(coverage: Coverage, known: Known, now: datetime) -> Standing:
    """Return how the app of `coverage` stands at `now`."""
    upcoming = next_due(coverage.app, now)
    through = _ripe_through(coverage, now)
    ripe = _ripe_day(coverage, through)
    days = [row.day for row in coverage.missing]
    return Standing(
        coverage,
        known,
        upcoming[1] if upcoming else None,
        bisect_right(days, through),
        # The newest missing day tells: older ones may keep the word of a key that was right again since.
        bool(coverage.missing) and coverage.missing[-1].last_outcome is Outcome.REJECTED,
        ripe,
        ripe is not None and _among(days, ripe),
    )


def worst_first(standings: Sequence[Standing]) -> list[Standing]:
    """Return `standings` by how much they need a person, in the order of `Word`."""
    return sorted(
        standings, key=lambda one: (_WORST_FIRST.index(one.word), -one.overdue, _missing(one))
    )


def _missing(one: Standing) -> tuple[int, str]:
    return -len(one.coverage.missing), one.name


def _ripe_through(coverage: Coverage, now: datetime) -> date:
    """Return the latest day that has been due for `alert_after`."""
    return last_due(now - coverage.app.alert_after, coverage.app)


def _ripe_day(coverage: Coverage, through: date) -> date | None:
    if coverage.due_through is None:
        return None
    day = min(through, coverage.due_through)
    while _among(coverage.waived, day):
        day -= ONE_DAY
    return day if day >= coverage.app.since else None


def _among(days: Sequence[date], day: date) -> bool:
    """Say whether `day` is in `days`, which are in order."""
    place = bisect_left(days, day)
    return place < len(days) and days[place] == day


def stalled(
    standings: Sequence[Standing], last_arrival: datetime | None, now: datetime
) -> str | None:
    """Say that nothing has succeeded for too long, None while something has.

    That is so when there are apps with a report that should be there by now (`Standing.ripe`), the newest
    such report of each of them is missing, and no archive of any app has arrived for longer than the
    longest `alert_after` among them. A hole in the past of an app that goes on does not count.
    """
    ripe = [one for one in standings if one.ripe is not None]
    if not ripe or not all(one.ripe_missing for one in ripe):
        return None
    patience = max((one.coverage.app.alert_after for one in ripe), default=timedelta())
    if last_arrival is not None and now - last_arrival <= patience:
        return None
    whose = ripe[0].name if len(ripe) == 1 else f"each of {len(ripe)} apps"
    return f"the newest report of {whose} that should be there is missing"


def sentence(standings: Sequence[Standing]) -> str:
    """Return the one sentence about all apps."""
    expected = sum(one.coverage.expected for one in standings)
    missing = sum(len(one.coverage.missing) for one in standings)
    waived = sum(len(one.coverage.waived) for one in standings)
    damaged = [one.name for one in standings if one.coverage.not_whole]
    act = (
        f" Damaged or lost archives{_where(damaged, standings)}: reportsync repair."
        if damaged
        else ""
    )
    if not expected:
        return f"Nothing is due yet.{act}"
    if not missing:
        rest = f", {counted(waived, 'day')} waived" if waived else ""
        spoilt = any(one.coverage.damaged for one in standings)
        begin = (
            "Every due day was stored, not all are whole" if spoilt else "Every due day is there"
        )
        return f"{begin}: {expected - waived:,} stored{rest}.{act}"
    where = _where([one.name for one in standings if one.coverage.missing], standings)
    text = f"{missing:,} of {expected:,} due days {'is' if missing == 1 else 'are'} missing"
    return f"{text}{',' if where else ''}{where}.{act}"


def _where(names: Sequence[str], among: Sequence[Standing]) -> str:
    """Return in which apps something is, nothing where it can be in one alone."""
    if len(among) == 1:
        return ""
    return f" in {names[0]}" if len(names) == 1 else f" in {len(names)} of {len(among)} apps"


def counted(count: int, thing: str) -> str:
    """Return `count` with its `thing`: 1 day, 2 days."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")

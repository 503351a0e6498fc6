"""What to do now and in which order, from what is known. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import zip_longest
from typing import Literal

from reportsync.calendar import DayWord, days, next_due
from reportsync.known import NEVER_ASKED, Coverage, Missing, may_ask_from
from reportsync.model import Report, instant_text
from reportsync.settings import App


@dataclass(frozen=True, slots=True)
class Ask:
    """What the caller wants: which days, in which order, and whether pauses count.

    A person asks now (`patient` False) and does not wait for the next attempt's time; `again` asks for
    stored and waived days too.
    """

    since: DayWord | None = None
    until: DayWord | None = None
    order: Literal["newest", "oldest"] = "newest"
    patient: bool = True
    again: bool = False

    def wants(self, app: App, day: date, now: datetime) -> bool:
        """Say whether `day` of `app` is in the range asked for."""
        if self.since is not None and day < self.since.resolve(app, now):
            return False
        return self.until is None or day <= self.until.resolve(app, now)


@dataclass(frozen=True, slots=True)
class Planned:
    """One report, whether it is fetched now or waits, why, and from which instant."""

    report: Report
    action: Literal["fetch", "wait"]
    reason: str
    at: datetime


def plan(covered: Sequence[Coverage], ask: Ask, now: datetime) -> tuple[Planned, ...]:
    """Return the reports to fetch at `now` in their order, then those that wait, soonest first.

    The newest due day of each app comes first; then gaps, taking turns between the apps so that a long
    gap of one never holds up another.
    """
    fetch: list[list[Planned]] = []
    wait: list[Planned] = []
    for one in covered:
        rows = list(_rows(one, ask, now))
        fetch.append([row for row in rows if row.action == "fetch"])
        wait += [row for row in rows if row.action == "wait"]
        wait += _upcoming(one, ask, now)
    turns = [row for turn in zip_longest(*fetch) for row in turn if row is not None]
    if ask.order == "newest":
        newest = {Report(one.app.name, one.due_through) for one in covered if one.due_through}
        turns.sort(key=lambda row: row.report not in newest)
    return (*turns, *sorted(wait, key=lambda row: row.at))


def _rows(one: Coverage, ask: Ask, now: datetime) -> Iterator[Planned]:
    for row in _in_order(_candidates(one, ask, now), ask):
        at = may_ask_from(one.app, row)
        report = Report(one.app.name, row.day)
        if at > now and ask.patient:
            yield Planned(
                report, "wait", f"next attempt {instant_text(at)}: {row.reason or NEVER_ASKED}", at
            )
        else:
            yield Planned(report, "fetch", _why_now(row, one, ask), now)


def _candidates(one: Coverage, ask: Ask, now: datetime) -> Iterable[Missing]:
    wanted = [row for row in one.missing if ask.wants(one.app, row.day, now)]
    if not ask.again or one.due_through is None:
        return wanted
    known = {row.day: row for row in wanted}
    every = (day for day in days(one.app.since, one.due_through) if ask.wants(one.app, day, now))
    return [known.get(day) or Missing(day, reason="asked for again") for day in every]


def _in_order(rows: Iterable[Missing], ask: Ask) -> list[Missing]:
    return sorted(rows, key=lambda row: row.day, reverse=ask.order == "newest")


def _why_now(row: Missing, one: Coverage, ask: Ask) -> str:
    if row.attempts == 0:
        return row.reason or ("newest due day" if row.day == one.due_through else NEVER_ASKED)
    times = "once" if row.attempts == 1 else f"{row.attempts} times"
    return f"missing, asked for {times}: {row.reason}"


def _upcoming(one: Coverage, ask: Ask, now: datetime) -> Iterator[Planned]:
    """Yield the app's next day, which waits for becoming due."""
    upcoming = next_due(one.app, now)
    if upcoming is not None and ask.wants(one.app, upcoming[0], now):
        day, at = upcoming
        yield Planned(Report(one.app.name, day), "wait", f"due {instant_text(at)}", at)

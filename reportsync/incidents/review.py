"""What has changed since the last look: which incidents begin, last, are to be told again, are over. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from reportsync.incidents.causes import Look, Present, Seen, causes
from reportsync.incidents.incident import Cause, Incident, Span, reports_of, spans
from reportsync.incidents.notice import MOST_SPANS
from reportsync.known import Coverage
from reportsync.model import ONE_DAY, Report
from reportsync.settings import App

REMIND_EVERY = timedelta(days=1)
HANDED_FOR = timedelta(minutes=2)
"""For so long nobody else tells what was given to the channels; then whoever did so is taken for dead."""

_STEP_BACK = 2 * ONE_DAY
"""A clock set back makes so many days "not due yet" without making anybody doubt them."""

_WIDER = {
    Cause.LATE: frozenset({Cause.LATE, Cause.APP, Cause.HOST, Cause.KEY}),
    Cause.APP: frozenset({Cause.HOST, Cause.KEY}),
    Cause.HOST: frozenset({Cause.KEY}),
}
"""By which causes one that was known before them may be explained."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What follows from a look: rows to add, to change and to close.

    `covered` last too, but a wider cause explains them, so nobody is reminded. `closed` are told of;
    `dropped` are closed without a word: what they were about is expected no more.
    """

    opened: tuple[Incident, ...] = ()
    lasting: tuple[Incident, ...] = ()
    covered: tuple[Incident, ...] = ()
    closed: tuple[Incident, ...] = ()
    dropped: tuple[Incident, ...] = ()


def review(
    open_now: Sequence[Incident],
    covered: Sequence[Coverage],
    seen: Seen,
    now: datetime,
    damaged: frozenset[Report] = frozenset(),
) -> Reviewed:
    """Compare the incidents that are open with the causes that are there at `now`.

    `covered` are the coverages of every configured app, `damaged` the reports of open damage that are stored
    and were not found right since. A clock that was set back closes nothing aloud.
    """
    known = {incident.key: incident for incident in open_now}
    found = {one.key: one for one in causes(Look(covered, seen, known, damaged, now))}
    by_app = {one.app.name: one for one in covered}
    opened = tuple(_opened(one, now) for key, one in found.items() if key not in known)
    lasting, explained, closed, dropped = [], [], [], []
    for incident in open_now:
        if incident.key in found:
            lasting.append(_goes_on(incident, found[incident.key], by_app, now))
        elif _explained(incident, found) or _undecided(incident, by_app, seen):
            explained.append(incident)
        elif (outcome := _outcome(incident, by_app)) is not None:
            closed.append(replace(incident, closed=now, outcome=outcome))
        else:
            dropped.append(replace(incident, closed=now))
    return Reviewed(opened, tuple(lasting), tuple(explained), tuple(closed), tuple(dropped))


def holds_back(incident: Incident, by_app: Mapping[str, Coverage]) -> bool:
    """Say whether by the coverages `by_app` an open incident may hold back anything still.

    It does not when all its reports are stored, waived or expected no more, which a person can bring
    about between two reviews. What the coverages do not tell is taken for held back.
    """
    if incident.cause in (Cause.STORAGE, Cause.HOOK) or not incident.held:
        return True
    return any(_holds(span, by_app.get(span.app)) for span in incident.held)


def _holds(span: Span, one: Coverage | None) -> bool:
    return one is None or any(span.first <= row.day <= span.last for row in one.missing)


def is_to_tell(incident: Incident, now: datetime, *, end: bool = False) -> bool:
    """Say whether a lasting incident is to be told: nobody was told yet, or not within the last day.

    Of an `end` that nobody was told of, only what was just handed to the channels is not to be told.
    """
    if incident.handed is not None and timedelta(0) <= now - incident.handed < HANDED_FOR:
        return False
    return end or incident.told is None or now - incident.told >= REMIND_EVERY


def _opened(one: Present, now: datetime) -> Incident:
    return Incident(one.key, now, spans(one.reports), one.reason, one.hint)


def _goes_on(
    incident: Incident, one: Present, by_app: dict[str, Coverage], now: datetime
) -> Incident:
    """Keep what was held back before, so that the end can tell what was filled in."""
    before = {
        report
        for report in reports_of(incident.held)
        if (of := by_app.get(report.app)) is None or not _never_due(report.day, of)
    }
    told = min(incident.told, now) if incident.told else None  # told in a future that never came
    held = spans(one.reports | before)
    return replace(incident, held=held, reason=one.reason, hint=one.hint, told=told)


def _never_due(day: date, one: Coverage) -> bool:
    """Say whether only a clock that was far ahead can have taken `day` for due."""
    return one.due_through is not None and day > one.due_through + _STEP_BACK


def _explained(incident: Incident, found: dict[str, Present]) -> bool:
    """Say whether a wider cause holds back now what `incident` is about."""
    wider = _WIDER.get(incident.cause, frozenset())
    mine = reports_of(incident.held)
    return any(
        mine & one.reports for one in found.values() if Cause(one.key.partition(":")[0]) in wider
    )


def _undecided(incident: Incident, by_app: dict[str, Coverage], seen: Seen) -> bool:
    """Say whether nobody can tell: its days are missing still and were not judged, or hidden.

    A clock set back a little hides days that nobody has answered for.
    """
    if seen.judged is not None and incident.cause in _WIDER and holds_back(incident, by_app):
        return True
    return any(
        _hidden(span.last, by_app[span.app]) and span.app not in seen.answered
        for span in incident.held
        if span.app in by_app
    )


def _hidden(day: date, one: Coverage) -> bool:
    late = one.due_through is None or day > one.due_through
    return late and not _never_due(day, one) and _in_range(day, one.app)


def _in_range(day: date, app: App) -> bool:
    return app.since <= day and (app.until is None or day <= app.until)


def _outcome(incident: Incident, by_app: dict[str, Coverage]) -> str | None:
    """Say what became of the reports; None if they are just expected no more."""
    if incident.cause is Cause.STORAGE:
        return "Disk and ledger can be used again."
    if incident.cause is Cause.HOOK:
        return "The hook has taken what waited for it."
    if incident.cause is Cause.KEY and incident.subject in by_app and not incident.held:
        return "The key is accepted again."
    missing = {Report(app, row.day) for app, one in by_app.items() for row in one.missing}
    waived = {Report(app, day) for app, one in by_app.items() for day in one.waived}
    reports = reports_of(incident.held)
    # Damage is mended also where the app is not configured any more.
    damage = incident.cause is Cause.DAMAGE
    there = {r for r in reports - missing - waived if damage or _is_due(r, by_app)}
    if not there and not reports & waived and incident.cause is Cause.LATE:
        return None  # alert_after was raised
    parts = [
        _part(there, "is there", "are there"),
        _part(reports & waived, "was waived", "were waived"),
        _part(reports & missing, "is missing still", "are missing still"),
    ]
    told = "; ".join(part for part in parts if part)
    return f"{told}." if told else None


def _is_due(report: Report, by_app: dict[str, Coverage]) -> bool:
    one = by_app.get(report.app)
    if one is None or one.due_through is None:
        return False
    return _in_range(report.day, one.app) and report.day <= one.due_through


def _part(reports: Set[Report], one: str, more: str) -> str | None:
    runs = spans(reports)
    shown = ", ".join(str(span) for span in runs[:MOST_SPANS])
    rest = f" and {len(runs) - MOST_SPANS} more" if len(runs) > MOST_SPANS else ""
    return f"{shown}{rest} {one if len(reports) == 1 else more}" if runs else None

"""What has changed since the last look: which incidents begin, last, are to be told again, are over. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from reportsync.incidents.causes import Look, Present, Seen, causes
from reportsync.incidents.incident import Cause, Incident, Span, key_of, reports_of, spans
from reportsync.known import Coverage
from reportsync.model import ONE_DAY, Report

REMIND_EVERY = timedelta(days=1)
HANDED_FOR = timedelta(minutes=2)
"""For so long nobody else tells what was given to the channels; then whoever did so is taken for dead."""

_STEP_BACK = 2 * ONE_DAY
"""A clock set back makes so many days "not due yet" without making anybody doubt them."""

_WIDER = (Cause.KEY, Cause.HOST, Cause.APP)


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What follows from a look: rows to add, to change and to close.

    `closed` are told of; `dropped` are closed without a word, for a wider cause explains them, or what
    they were about is expected no more.
    """

    opened: tuple[Incident, ...] = ()
    lasting: tuple[Incident, ...] = ()
    closed: tuple[Incident, ...] = ()
    dropped: tuple[Incident, ...] = ()


Review = Reviewed


def review(
    open_now: Sequence[Incident],
    covered: Sequence[Coverage],
    seen: Seen,
    now: datetime,
    unmended: frozenset[Report] = frozenset(),
) -> Reviewed:
    """Compare the incidents that are open with the causes that are there at `now`.

    `covered` are the coverages of every configured app, `unmended` the reports of open damage that are
    damaged or missing still. A clock that was set back closes nothing.
    """
    if covered and not any(one.due_through for one in covered) and not seen.damaged:
        return Reviewed(lasting=tuple(open_now))  # before every first day: the clock must be wrong
    known = {incident.key: incident for incident in open_now}
    found = {one.key: one for one in causes(Look(covered, seen, known, unmended, now))}
    by_app = {one.app.name: one for one in covered}
    opened = tuple(_opened(one, now) for key, one in found.items() if key not in known)
    lasting, closed, dropped = [], [], []
    for incident in open_now:
        if incident.key in found:
            lasting.append(_goes_on(incident, found[incident.key], now))
        elif _undecided(incident, by_app, seen):
            lasting.append(incident)
        elif _explained(incident, found) or (outcome := _outcome(incident, by_app)) is None:
            dropped.append(replace(incident, closed=now))
        else:
            closed.append(replace(incident, closed=now, outcome=outcome))
    return Reviewed(opened, tuple(lasting), tuple(closed), tuple(dropped))


def _opened(one: Present, now: datetime) -> Incident:
    return Incident(one.key, now, spans(one.reports), one.reason, one.hint)


def _goes_on(incident: Incident, one: Present, now: datetime) -> Incident:
    """Keep what was held back before, so that the end can tell what was filled in."""
    held = spans(one.reports | reports_of(incident.held)) if one.reports else incident.held
    told = min(incident.told, now) if incident.told else None  # told in a future that never came
    return replace(incident, held=held, reason=one.reason, hint=one.hint, told=told)


def is_to_tell(incident: Incident, now: datetime) -> bool:
    """Say whether an open incident is to be told: nobody was told yet, or not within the last day."""
    if incident.handed is not None and timedelta(0) <= now - incident.handed < HANDED_FOR:
        return False
    return incident.told is None or now - incident.told >= REMIND_EVERY


def _undecided(incident: Incident, by_app: dict[str, Coverage], seen: Seen) -> bool:
    """Say whether a clock set back a little hides days of `incident` that nobody has answered for."""
    return any(
        _hidden(span, by_app[span.app]) and span.app not in seen.answered
        for span in incident.held
        if span.app in by_app
    )


def _hidden(span: Span, one: Coverage) -> bool:
    if one.due_through is None:
        return True
    return one.due_through < span.last <= one.due_through + _STEP_BACK and _expected(
        span.last, one, span.last
    )


def _expected(day: date, one: Coverage, through: date) -> bool:
    until = one.app.until
    return one.app.since <= day <= through and (until is None or day <= until)


def _explained(incident: Incident, found: dict[str, Present]) -> bool:
    """Say whether a wider cause has taken over what `incident` holds back."""
    wider = {
        key_of(Cause.LATE): set[Cause](_WIDER),
        key_of(Cause.APP): {Cause.KEY, Cause.HOST},
        key_of(Cause.HOST): {Cause.KEY},
    }.get(str(incident.cause), set())
    others = [one for one in found.values() if Cause(one.key.partition(":")[0]) in wider]
    together = found.get(key_of(Cause.LATE, incident.subject))
    if incident.cause is Cause.LATE and together is not None:
        others.append(together)
    mine = reports_of(incident.held)
    return any(mine & one.reports for one in others)


def _outcome(incident: Incident, by_app: dict[str, Coverage]) -> str | None:
    """Say what became of the reports; None if nothing did and they are just expected no more."""
    if incident.cause is Cause.STORAGE:
        return "Disk and ledger can be used again."
    stored, waived, missing = set(), set(), set()
    for report in reports_of(incident.held):
        one = by_app.get(report.app)
        if one is None or one.due_through is None:
            if incident.cause is Cause.DAMAGE:
                stored.add(report)  # of an app that is configured no more: mended none the less
        elif report.day in {row.day for row in one.missing}:
            missing.add(report)
        elif report.day in one.waived:
            waived.add(report)
        elif _expected(report.day, one, one.due_through) or incident.cause is Cause.DAMAGE:
            stored.add(report)
    parts = [_part(stored, "is there", "are there"), _part(waived, "was waived", "were waived")]
    parts.append(_part(missing, "is still missing", "are still missing"))
    told = [part for part in parts if part]
    if incident.cause in (Cause.KEY, Cause.ARCHIVE) and not incident.held:
        return "The key is accepted again."
    return "; ".join(told) + "." if told else None


def _part(reports: set[Report], one: str, more: str) -> str | None:
    if not reports:
        return None
    runs = spans(reports)
    shown = ", ".join(str(span) for span in runs[:10])
    rest = f" and {len(runs) - 10} more" if len(runs) > 10 else ""
    return f"{shown}{rest} {one if len(reports) == 1 else more}"

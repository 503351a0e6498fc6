"""What a person reads about an incident: a title, a few lines, the command to act. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from reportsync.incidents.incident import KINDS, Cause, Incident
from reportsync.model import instant_text
from reportsync.redact import clean
from reportsync.settings import Event

MOST_SPANS = 10
"""So many runs of days are listed; of the others the number is told."""

MOST_NOTICES = 5
"""More notices at once become a single one."""

_MOST_TITLES = 40


class Phase(StrEnum):
    """When in the life of an incident a notice is."""

    OPENED = "opened"
    REMINDER = "still open"
    CLOSED = "over"


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told about one incident, or about several at once; `numbers` are those of their rows."""

    phase: Phase
    kind: Event
    title: str
    body: str
    numbers: tuple[int, ...] = ()


def notice(incident: Incident, phase: Phase) -> Notice:
    """Return what is told about `incident` at `phase`, without secrets."""
    lines = (
        [clean(incident.outcome or "", 1000)] if phase is Phase.CLOSED else _open_lines(incident)
    )
    numbers = () if incident.number is None else (incident.number,)
    mark = "" if phase is Phase.OPENED else f"{phase}: "
    return Notice(phase, KINDS[incident.cause], mark + title(incident), "\n".join(lines), numbers)


def _open_lines(incident: Incident) -> list[str]:
    shown = [str(span) for span in incident.held[:MOST_SPANS]]
    more = len(incident.held) - len(shown)
    if more > 0:
        shown.append(f"and {more} more")
    lines = [f"Held back: {', '.join(shown)}"] if shown else []
    lines += [f"Why: {clean(incident.reason)}", f"Since: {instant_text(incident.opened)}"]
    hint = f"{clean(incident.hint)}; " if incident.hint else ""
    return [*lines, f"What to do: {hint}{command(incident)}"]


def title(incident: Incident) -> str:
    """Return what is the matter, in a few words."""
    about = incident.subject
    match incident.cause:
        case Cause.KEY:
            return f"{about}: the key is refused"
        case Cause.HOST:
            return f"{about}: the reports of {len(incident.apps)} apps fail"
        case Cause.APP:
            return f"{about}: every day is refused"
        case Cause.ARCHIVE:
            return f"{about}: {_count(incident, 'archive')} not acceptable"
        case Cause.LATE:
            if incident.days == 1:
                return f"{about}: {incident.held[0].first} is missing"
            return f"{about}: {incident.days} days are missing"
        case Cause.DAMAGE:
            return f"{about}: {_count(incident, 'archive')} damaged or lost"
        case Cause.STORAGE:
            return "the archive or the ledger cannot be used"
        case Cause.HOOK:
            return "the hook fails, and its arrivals wait"
    assert_never(incident.cause)


def _count(incident: Incident, what: str) -> str:
    return f"1 {what} is" if incident.days == 1 else f"{incident.days} {what}s are"


def command(incident: Incident) -> str:
    """Return what to type."""
    about = incident.subject
    match incident.cause:
        case Cause.KEY | Cause.APP:
            return f"reportsync check --app {about}"
        case Cause.HOST | Cause.STORAGE:
            return "reportsync check"
        case Cause.ARCHIVE:
            return f"reportsync why {about} {incident.held[-1].last}"
        case Cause.LATE:
            if incident.days == 1:
                return f"reportsync why {about} {incident.held[0].first}"
            return f"reportsync status --app {about}"
        case Cause.DAMAGE:
            return f"reportsync repair --app {about}"
        case Cause.HOOK:
            return "reportsync status"
    assert_never(incident.cause)


def bundle(notices: Sequence[Notice]) -> list[Notice]:
    """Return `notices`, those of one phase as a single one where there are more than a few."""
    result = []
    for phase in Phase:
        of_phase = [one for one in notices if one.phase is phase]
        result += [_together(phase, of_phase)] if len(of_phase) > MOST_NOTICES else of_phase
    return result


def _together(phase: Phase, notices: Sequence[Notice]) -> Notice:
    lines = [f"- {one.title}" for one in notices[:_MOST_TITLES]]
    if len(notices) > _MOST_TITLES:
        lines.append(f"and {len(notices) - _MOST_TITLES} more")
    lines.append("What to do: reportsync status")
    numbers = tuple(number for one in notices for number in one.numbers)
    head = f"{len(notices)} incidents {phase if phase is Phase.OPENED else f'are {phase}'}"
    return Notice(phase, notices[0].kind, head, "\n".join(lines), numbers)


def open_lines(incidents: Iterable[Incident]) -> list[str]:
    """Return a line for each open incident, a limited number of them."""
    every = [
        f"{title(one)} since {instant_text(one.opened)}: {clean(one.reason)}" for one in incidents
    ]
    shown = every[:_MOST_TITLES]
    return shown if len(shown) == len(every) else [*shown, f"and {len(every) - len(shown)} more"]

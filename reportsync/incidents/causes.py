"""What holds reports back right now, each cause once and the widest first. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from urllib.parse import urlsplit

from reportsync.calendar import last_due
from reportsync.incidents.incident import Cause, Incident, key_of, reports_of
from reportsync.known import Coverage, Missing, common_reason
from reportsync.model import HAVE, ONE_DAY, UNANSWERED, Archive, Outcome, Report

MOST_HOLES = 3
"""More absent days of one app than this are one incident, even where they do not touch."""

_ENOUGH = 3
"""So many late days say something about the app; fewer say something about the days."""

REST_API = "see that Settings > Reports Settings in the dashboard still says REST API"


@dataclass(frozen=True, slots=True)
class Said:
    """What an error said, and what mends it."""

    reason: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a pass or a verification saw and the ledger does not keep.

    `refused`: apps whose key was refused; `barred`: apps all of whose days would be; `archives`: those that
    were not acceptable; `answered`: apps that got an answer for a day; `damaged`: what was found damaged or
    lost; `storage`: what is wrong with disk or ledger, `storage_fine` that nothing is; `hook`: why the
    command for arrivals keeps failing. `judged`: the only reports of which it is judged anew whether they
    are late, None for all that are expected.
    """

    refused: Mapping[str, Said] = field(default_factory=dict)
    barred: Mapping[str, Said] = field(default_factory=dict)
    archives: Mapping[Report, Said] = field(default_factory=dict)
    answered: frozenset[str] = frozenset()
    damaged: frozenset[Archive] = frozenset()
    storage: Said | None = None
    storage_fine: bool = False
    hook: Said | None = None
    judged: frozenset[Report] | None = None


@dataclass(frozen=True, slots=True)
class Present:
    """A cause that is there now, with the reports that it holds back."""

    key: str
    reports: frozenset[Report]
    reason: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """All that the causes are found from: coverages, what was seen, what is known already."""

    covered: Sequence[Coverage]
    seen: Seen
    known: Mapping[str, Incident]  # the open incidents by their keys
    damaged: frozenset[Report]  # of those that damage holds back: stored, and not right since
    now: datetime


def causes(look: Look) -> list[Present]:
    """Return what holds reports back; what a wider cause explains is not there a second time."""
    keys = {one.app.name: found for one in look.covered if (found := _key(one, look))}
    hosts = list(_hosts([one for one in look.covered if one.app.name not in keys], look))
    explained = {*keys, *(report.app for one in hosts for report in one.reports)}
    apps = {
        one.app.name: found
        for one in look.covered
        if one.app.name not in explained and (found := _app(one, look))
    }
    explained |= apps.keys()
    single = [*_archives(look), *_damage(look)]
    told = frozenset[Report]().union(*(found.reports for found in single))
    late = [
        found
        for one in look.covered
        if one.app.name not in explained
        for found in _late(one, told, look)
    ]
    return [*_storage(look), *_hook(look), *keys.values(), *hosts, *apps.values(), *single, *late]


def _key(one: Coverage, look: Look) -> Present | None:
    """A refusal lasts until the app gets another answer, or nothing is missing."""
    name = one.app.name
    key = key_of(Cause.KEY, name)
    said = look.seen.refused.get(name)
    lasts = said is None and key in look.known and name not in look.seen.answered
    if lasts and any(row.last_outcome in UNANSWERED for row in one.missing):
        said = Said(look.known[key].reason, look.known[key].hint)
    return None if said is None else Present(key, _missing(one), said.reason, said.hint)


def _missing(one: Coverage) -> frozenset[Report]:
    return frozenset(Report(one.app.name, row.day) for row in one.missing)


def _hosts(covered: Iterable[Coverage], look: Look) -> Iterator[Present]:
    """A host is the cause when at least half of its apps, and two at least, fail at their newest day."""
    by_host: dict[str, list[Coverage]] = defaultdict(list)
    for one in covered:
        by_host[urlsplit(one.app.base_url).netloc].append(one)
    for host, all_of_host in by_host.items():
        failing = [one for one in all_of_host if _fails(one)]
        key = key_of(Cause.HOST, host)
        if len(failing) < 2 or (key not in look.known and 2 * len(failing) < len(all_of_host)):
            continue
        rows = [row for one in failing if (row := _latest_asked(one)) is not None]
        hints = [said.hint for one in failing if (said := look.seen.barred.get(one.app.name))]
        reports = frozenset[Report]().union(*(_missing(one) for one in failing))
        yield Present(key, reports, common_reason(rows), next(iter(hints), None))


def _fails(one: Coverage) -> bool:
    """Say whether the last day of the app that was asked for brought no answer about the day."""
    row = _latest_asked(one)
    return row is not None and row.last_outcome is Outcome.FAILED


def _latest_asked(one: Coverage) -> Missing | None:
    """Return the latest expected day that was asked for if it is missing; None if it is stored."""
    rows = {row.day: row for row in one.missing}
    day, waived = one.due_through, set(one.waived)
    while day is not None and day >= one.app.since:
        row = rows.get(day)
        asked = row is not None and row.last_outcome is not None and row.last_outcome not in HAVE
        if asked or (row is None and day not in waived):
            return row
        day -= ONE_DAY
    return None


def _app(one: Coverage, look: Look) -> Present | None:
    """An app is the cause when its way is barred, or when it never got anything but refusals."""
    name = one.app.name
    key = key_of(Cause.APP, name)
    known = look.known.get(key)
    if _fails(one) and (name in look.seen.barred or known):
        said = look.seen.barred.get(name) or Said(known.reason if known else "", None)
        hint = said.hint or (known.hint if known else None)
        return Present(key, _missing(one), said.reason, hint)
    asked = [row for row in one.missing if row.last_outcome is not None]
    late = [row for row in _late_rows(one, look.now) if row.last_outcome is not None]
    refused = all(row.waiting for row in asked)
    if refused and one.stored == 0 and len(late) >= _ENOUGH:
        hint = f"{REST_API}, and that since ({one.app.since}) is right"
        return Present(key, _missing(one), common_reason(asked), hint)
    return None


def _late_rows(one: Coverage, now: datetime) -> list[Missing]:
    through = last_due(now - one.app.alert_after, one.app)
    return [row for row in one.missing if row.day <= through]


def _late(one: Coverage, told: frozenset[Report], look: Look) -> Iterator[Present]:
    """Absent days that stand alone are a hole each, the others of an app one incident together."""
    name = one.app.name
    key = key_of(Cause.LATE, name)
    before = {day for _, day in reports_of(look.known[key].held)} if key in look.known else set()
    rows = {
        row.day: row
        for row in _late_rows(one, look.now)
        if Report(name, row.day) not in told
        and (row.day in before or _is_judged(Report(name, row.day), row, look))
    }
    together = {
        day for day in rows if day in before or day - ONE_DAY in rows or day + ONE_DAY in rows
    }
    if len(rows) - len(together) > MOST_HOLES:
        together = set(rows)
    if together:
        group = [rows[day] for day in sorted(together)]
        yield Present(key, _reports(name, together), common_reason(group), _hint(one))
    for day in sorted(rows.keys() - together):
        hole = key_of(Cause.LATE, name, day)
        yield Present(hole, _reports(name, [day]), common_reason([rows[day]]))


def _is_judged(report: Report, row: Missing, look: Look) -> bool:
    """Say whether it may be told for the first time that `report` is late.

    What a disk or ledger that fails has kept from being asked for is told as that.
    """
    if key_of(Cause.LATE, *report) in look.known:
        return True
    if look.seen.storage is not None and row.last_outcome is None:
        return False
    return look.seen.judged is None or report in look.seen.judged


def _reports(app: str, found: Iterable[date]) -> frozenset[Report]:
    return frozenset(Report(app, day) for day in found)


def _hint(one: Coverage) -> str | None:
    """Return what to look at when an app answers "not there" for each of its newest days."""
    newest = one.missing[-_ENOUGH:]
    unbroken = len(newest) == _ENOUGH and newest[0].day == _days_before(one.due_through)
    refused = all(row.waiting for row in newest)
    return REST_API if unbroken and refused else None


def _days_before(last: date | None) -> date | None:
    return None if last is None else last - (_ENOUGH - 1) * ONE_DAY


def _archives(look: Look) -> Iterator[Present]:
    for one in look.covered:
        name = one.app.name
        key = key_of(Cause.ARCHIVE, name)
        known = look.known.get(key)
        before = reports_of(known.held) if known else frozenset()
        new = {report: said for report, said in look.seen.archives.items() if report.app == name}
        failed = {
            Report(name, row.day) for row in one.missing if row.last_outcome is Outcome.FAILED
        }
        reports = frozenset(new) | (before & failed)
        said = next(iter(new.values()), Said(known.reason, known.hint) if known else None)
        if reports and said is not None:
            yield Present(key, reports, said.reason, said.hint)


def _damage(look: Look) -> Iterator[Present]:
    waived = {Report(one.app.name, day) for one in look.covered for day in one.waived}
    by_app: dict[str, set[Report]] = defaultdict(set)
    damaged = {one.report for one in look.seen.damaged} | look.damaged
    for report in (damaged | _reopened(look)) - waived:
        by_app[report.app].add(report)
    for app, reports in sorted(by_app.items()):
        key = key_of(Cause.DAMAGE, app)
        yield Present(key, frozenset(reports), "their files are not what was stored")


def _reopened(look: Look) -> set[Report]:
    """Return which reports that damage holds back are missing now, and expected."""
    found: set[Report] = set()
    for one in look.covered:
        known = look.known.get(key_of(Cause.DAMAGE, one.app.name))
        if known is not None:
            found |= reports_of(known.held) & _missing(one)
    return found


def _storage(look: Look) -> Iterator[Present]:
    key = key_of(Cause.STORAGE)
    known = look.known.get(key)
    said = look.seen.storage
    if said is None and known is not None and not look.seen.storage_fine:
        said = Said(known.reason, known.hint)
    if said is not None:
        yield Present(key, frozenset(), said.reason, said.hint)


def _hook(look: Look) -> Iterator[Present]:
    if look.seen.hook is not None:
        yield Present(key_of(Cause.HOOK), frozenset(), look.seen.hook.reason, look.seen.hook.hint)

"""Coverage of each app as plain values: what `status` prints, the API serves and the page shows."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from reportsync.calendar import next_due
from reportsync.incidents import Cause, Incident, Span, command, holds_back, spans, title
from reportsync.known import Coverage, Gap, Known, coverage, gaps, last_states
from reportsync.ledger import Ledger, deliveries, incidents, overview
from reportsync.ledger.deliveries import HookState
from reportsync.model import Report, instant_text
from reportsync.settings import App


def status(ledger: Ledger, apps: Sequence[App], now: datetime) -> dict[str, Any]:
    """Return the coverage of `apps` at `now` as the contract's JSON object."""
    known, hook, open_now = ledger.read(shown, [app.name for app in apps])
    found = [(coverage(app, known[app.name], now), known[app.name]) for app in apps]
    return describe(found, now, hook, open_now)


def shown(
    connection: Connection, names: Sequence[str]
) -> tuple[dict[str, Known], HookState, list[Incident]]:
    """Return what there is to show of the apps `names`, of the hook, and which incidents are open."""
    open_now = incidents.open_now(connection)
    known = overview.known(connection, names, open_now)
    return known, deliveries.hook_state(connection), open_now


def describe(
    found: Sequence[tuple[Coverage, Known]],
    now: datetime,
    hook: HookState,
    open_now: Iterable[Incident],
) -> dict[str, Any]:
    """Return what `status` does for coverages, a hook and incidents that were read already. Pure."""
    by_app = {covered.app.name: covered for covered, _ in found}
    return {
        "version": 1,
        "now": instant_text(now),
        "apps": [_app(covered, known, now) for covered, known in found],
        "hook": _hook(hook),
        "incidents": [
            _incident(left)
            for one in open_now
            if _concerns(one, by_app.keys()) and (left := _left(one, by_app)) is not None
        ],
    }


def _left(one: Incident, by_app: Mapping[str, Coverage]) -> Incident | None:
    """Return an open incident as it is to be shown, None if it holds nothing back any more.

    Damage is shown with the days that are not whole or, reopened, still missing.
    """
    of = by_app.get(one.subject) if one.cause is Cause.DAMAGE else None
    if of is None:
        return one if holds_back(one, by_app) else None
    days = sorted({*of.not_whole, *(row.day for row in of.missing)})
    held = spans(
        Report(of.app.name, day)
        for span in one.held
        for day in days[bisect_left(days, span.first) : bisect_right(days, span.last)]
    )
    return replace(one, held=held) if held else None


def _concerns(one: Incident, names: Set[str]) -> bool:
    """Say whether an incident is about one of the apps `names`, or about all."""
    return not one.apps or not names.isdisjoint(one.apps) or one.subject in names


def _incident(one: Incident) -> dict[str, Any]:
    return {
        "key": one.key,
        "title": title(one),
        "since": instant_text(one.opened),
        "reason": one.reason,
        "apps": list(one.apps),
        "days": one.days,
        "told": instant_text(one.told) if one.told else None,
        "hint": one.hint,
        "command": command(one),
    }


def _hook(state: HookState) -> dict[str, Any]:
    failing = state.failing
    return {
        "waiting": state.waiting,
        "failing": failing.failing if failing else 0,
        "arrival": failing.arrival if failing else None,
        "app": failing.app if failing else None,
        "day": failing.day.isoformat() if failing else None,
        "tries": failing.tries if failing else 0,
        "since": instant_text(failing.since) if failing else None,
        "error": failing.error if failing else None,
        "next_attempt": instant_text(failing.next_attempt) if failing else None,
    }


def _app(one: Coverage, known: Known, now: datetime) -> dict[str, Any]:
    upcoming, verified = next_due(one.app, now), known.verified_since
    return {
        "name": one.app.name,
        "since": one.app.since.isoformat(),
        "due_through": one.due_through.isoformat() if one.due_through else None,
        "expected": one.expected,
        "stored": one.stored,
        "missing": len(one.missing),
        "waived": len(one.waived),
        "damaged": len(one.not_whole),
        "damage": [_run(span) for span in damage(one)],
        "bytes": known.bytes,
        "newest": known.newest.isoformat() if known.newest else None,
        "next_due": instant_text(upcoming[1]) if upcoming else None,
        "verified_since": instant_text(verified) if verified else None,
        "gaps": [_gap(gap) for gap in gaps(one)],
        "strip": strip(one, 30),
    }


def damage(one: Coverage) -> tuple[Span, ...]:
    """Return the runs of days whose archive is known to be damaged or lost, oldest first."""
    return spans(Report(one.app.name, day) for day in one.not_whole)


def _run(span: Span) -> dict[str, Any]:
    return {"from": span.first.isoformat(), "to": span.last.isoformat(), "days": span.days}


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "from": gap.first.isoformat(),
        "to": gap.last.isoformat(),
        "days": gap.days,
        "reason": gap.reason,
        "next_attempt": instant_text(gap.next_attempt),
    }


def strip(one: Coverage, count: int) -> list[dict[str, str]]:
    """Return the last `count` expected days, oldest first, each with its state.

    States are stored, damaged (stored, and found damaged or lost), missing, waiting (missing, and answered
    "not there yet") and waived.
    """
    return [{"day": day.isoformat(), "state": state} for day, state in last_states(one, count)]

"""Review the incidents in one transaction: what to log, what to send, what is open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from reportsync.incidents import (
    REMIND_EVERY,
    Incident,
    Notice,
    Phase,
    Reviewed,
    Said,
    Seen,
    is_to_tell,
    notice,
    review,
)
from reportsync.ledger import deliveries, incidents, overview
from reportsync.settings import Config, Event, Notify

HOOK_TRIES = 3
"""A hook that fails as often as this in a row is an incident."""


@dataclass(frozen=True, slots=True)
class News:
    """What a review came to; all of `logged` is new to the log, `sent` is for the channels."""

    logged: tuple[Notice, ...]
    sent: tuple[Notice, ...]
    open_now: tuple[Incident, ...]


def review_now(connection: Connection, config: Config, seen: Seen, now: datetime) -> News:
    """Bring the incidents up to date with the ledger and with what was `seen`, and say what follows.

    What is to be sent is noted as handed to the channels, so that no other process sends it as well;
    where no channel is asked for, it counts as told.
    """
    open_before = incidents.open_now(connection)
    if any(one.opened > now for one in open_before):
        incidents.bring_back(connection, now)
        open_before = incidents.open_now(connection)
    incidents.doubt(connection, seen.damaged, open_before)
    damaged = incidents.damaged(connection, open_before)
    seen = replace(seen, hook=_hook(connection, config))
    found = review(
        open_before, overview.coverages(connection, config.apps, now), seen, now, damaged
    )
    opened = incidents.apply(connection, found, now)
    # Also what was found right by a clock that was ahead: it would be taken for mended at the next look.
    incidents.doubt(connection, seen.damaged, opened)
    ends = incidents.untold_ends(connection, now - REMIND_EVERY)
    remind = [one for one in found.lasting if one.told is not None and is_to_tell(one, now)]
    again = [one for one in found.lasting if one.told is None and is_to_tell(one, now)]
    pending = [
        *(notice(one, Phase.OPENED) for one in (*opened, *again)),
        *(notice(one, Phase.REMINDER) for one in remind),
        *(notice(one, Phase.CLOSED) for one in ends if is_to_tell(one, now, end=True)),
    ]
    sent = [one for one in pending if reaches(config.notify, one.kind, one.phase)]
    _note(connection, pending, sent, now)
    return News(
        logged=_logged(opened, remind, found),
        sent=tuple(sent),
        open_now=(*opened, *found.lasting, *found.covered),
    )


def _hook(connection: Connection, config: Config) -> Said | None:
    """Say why the hook keeps failing, None while it does not or there is none."""
    failing = deliveries.failing_hook(connection) if config.hooks.arrival else None
    if failing is None or failing.tries < HOOK_TRIES:
        return None
    about = f"arrival {failing.arrival} ({failing.app} {failing.day})"
    return Said(
        f"{about} failed {failing.tries} times: {failing.error}",
        "mend the command of hooks.arrival; it is run again by itself",
    )


def _logged(
    opened: Iterable[Incident], remind: Iterable[Incident], found: Reviewed
) -> tuple[Notice, ...]:
    return (
        *(notice(one, Phase.OPENED) for one in opened),
        *(notice(one, Phase.REMINDER) for one in remind),
        *(notice(one, Phase.CLOSED) for one in found.closed),
    )


def _note(
    connection: Connection, pending: Iterable[Notice], sent: list[Notice], now: datetime
) -> None:
    for one in pending:
        if one in sent:
            incidents.hand(connection, one.numbers, now)
        else:
            incidents.told(connection, one.numbers, now, end=one.phase is Phase.CLOSED)


def reaches(notify: Notify, kind: Event, phase: Phase) -> bool:
    """Say whether a channel is asked for notices of `kind` at `phase`. Pure."""
    wanted = kind in notify.on and (phase is not Phase.CLOSED or "recovered" in notify.on)
    return bool(notify.urls) and wanted

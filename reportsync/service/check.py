"""Is everything ready: clock, folder, ledger, schedule, and one real request per app. Writes nothing."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from reportsync.calendar import due, due_through, next_due
from reportsync.errors import (
    AttemptFailed,
    NotThereYet,
    ReportsyncError,
    StorageError,
    TransientFault,
)
from reportsync.known import Known
from reportsync.ledger import overview, place, queries
from reportsync.model import Clock, instant_text
from reportsync.service.world import ledger_file, look
from reportsync.settings import App, Config
from reportsync.sources import Source
from reportsync.sources.daily import file_name
from reportsync.store import Store

SKEW_ALLOWED = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was checked; `error` is what is wrong, with its remedy."""

    what: str
    text: str
    app: str | None = None
    error: ReportsyncError | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.error is None

    @property
    def hint(self) -> str | None:
        """What mends it, None if nothing is wrong or nobody knows."""
        if isinstance(self.error, TransientFault) and self.error.hint is None:
            return "try again later; what passes by itself, 'run' and 'sync' get over"
        return self.error.hint if self.error else None


class _Nowhere:
    """A sink that counts and forgets."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: bytes, /) -> None:
        """Take the next bytes."""
        self.size += len(data)


def check(
    config: Config, apps: Sequence[App], clock: Clock, source: Source | None
) -> Iterator[Line]:
    """Yield a line for each thing checked, as soon as it is known.

    `source` is asked once per app, for a day already held or else the newest due one, and what it sends
    is thrown away; None stays offline.
    """
    yield _folder(config)
    yield from _open_to_all(config)
    known: dict[str, Known] = {}
    try:
        yield _ledger_place(config)
        with look(config) as ledger:
            known = ledger.read(overview.known, [app.name for app in apps])
            yield _same_archive(config, ledger.read(queries.archive_id))
    except StorageError as error:
        yield Line("ledger", error.message, error=error)
    for app in apps:
        yield _schedule(app, clock())
    if source is not None:
        for app in apps:
            yield from _request(app, known.get(app.name, Known()), clock, source)


def _folder(config: Config) -> Line:
    root = config.storage.archive
    store = Store(root, config.storage.min_free)
    try:
        marked = store.look() is not None
        if not marked and not root.exists():
            text = f"{root} does not exist yet; the first pass creates it"
            return Line("archive", text, error=_uncreatable(root))
        store.require_space(None)
    except StorageError as error:
        return Line("archive", error.message, error=error)
    if not os.access(root, os.W_OK | os.X_OK):
        denied = StorageError(
            f"{root} is not writable for this user", hint=f"chown it: chown -R {os.getuid()} {root}"
        )
        return Line("archive", denied.message, error=denied)
    state = "is there" if marked else "is there, not yet marked as an archive"
    return Line("archive", f"{root} {state}, is writable and has room")


def _open_to_all(config: Config) -> Iterator[Line]:
    """Yield a line for each folder in which anybody could plant an archive, or a journal for the ledger."""
    ledger = ledger_file(config)
    for folder in dict.fromkeys((config.storage.archive, *([ledger.parent] if ledger else []))):
        mode = 0
        with contextlib.suppress(OSError):  # not there yet, or told of by the lines about it
            mode = folder.stat().st_mode
        if mode & stat.S_IWOTH:
            error = StorageError(
                f"anybody may write to {folder}: others could plant files there",
                hint=f"chmod o-w {shlex.quote(str(folder))}, or choose another folder",
            )
            yield Line("rights", error.message, error=error)


def _uncreatable(path: Path) -> StorageError | None:
    """Return an error if `path` could not be created by this user."""
    parent = next(parent for parent in path.absolute().parents if parent.exists())
    if os.access(parent, os.W_OK | os.X_OK):
        return None
    return StorageError(
        f"{path} does not exist and {parent} is not writable", hint=f"create {path} for this user"
    )


def _ledger_place(config: Config) -> Line:
    path = ledger_file(config)
    if path is None:
        return Line("ledger", "on a database server")
    place.refuse_network(path.parent)
    place.looks_like_sqlite(path)  # else `exists` would raise where this user may not look
    # The folder too: the journal of a transaction stands beside the ledger.
    for needed in (path, path.parent):
        if path.exists() and not os.access(needed, os.W_OK):
            raise StorageError(
                f"the ledger's {needed} is not writable for this user",
                hint=f"chown {os.getuid()} {needed}",
            )
    if not path.exists():
        return Line(
            "ledger",
            f"{path} does not exist yet; the first pass creates it",
            error=_uncreatable(path),
        )
    return Line(
        "ledger", f"{path} is on a local disk ({place.file_system(path) or 'type unknown'})"
    )


def _same_archive(config: Config, remembered: str | None) -> Line:
    found = Store(config.storage.archive, 0).look()
    if remembered is not None and found is None:
        error = StorageError(
            f"the ledger knows an archive, but {config.storage.archive} is not marked as one",
            hint="mount the volume that holds it",
        )
        return Line("archive and ledger", error.message, error=error)
    if remembered is not None and found != remembered:
        error = StorageError(
            f"the ledger belongs to another archive than {config.storage.archive}",
            hint="set storage.archive and storage.ledger to a pair",
        )
        return Line("archive and ledger", error.message, error=error)
    return Line("archive and ledger", "belong together" if remembered else "no pass was made yet")


def _schedule(app: App, now: datetime) -> Line:
    upcoming = next_due(app, now)
    if upcoming is None:
        return Line("schedule", f"no more reports: until is {app.until}", app.name)
    day, at = upcoming
    local = at.astimezone(app.timezone)
    text = f"{day} is due {local:%Y-%m-%d %H:%M} {app.timezone} ({instant_text(at)})"
    return Line("schedule", text, app.name)


def _request(app: App, known: Known, clock: Clock, source: Source) -> Iterator[Line]:
    now = clock()
    held = known.newest is not None and known.newest >= app.since
    day = known.newest if held else due_through(app, now)
    if day is None:
        yield Line(
            "request",
            f"not made: nothing is due before {instant_text(due(app.since, app))}",
            app.name,
        )
        return
    name, sink = file_name(day), _Nowhere()
    try:
        source.await_turn(app)
        received = source.fetch(app, day, lambda size: sink, lambda: None)
    except NotThereYet as error:
        yield Line(
            "request",
            f"{name}: the key is accepted, the report is not there: {error.message}",
            app.name,
        )
    except AttemptFailed as error:
        yield Line("request", f"{name}: {error.message}", app.name, error)
    else:
        yield Line("request", f"{name}: {received.size:,} bytes", app.name)
        if received.server_time is not None:
            yield _clock(app, received.server_time, clock())


def _clock(app: App, server: datetime, now: datetime) -> Line:
    skew = now - server
    text = f"{abs(skew.total_seconds()):.0f} s {'ahead of' if skew > timedelta(0) else 'behind'} the server"
    if abs(skew) <= SKEW_ALLOWED:
        return Line("clock", text, app.name)
    error = ReportsyncError(
        f"this host's clock is {text}", hint="set the clock: timedatectl set-ntp true"
    )
    return Line("clock", error.message, app.name, error)

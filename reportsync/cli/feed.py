"""The feed of arrivals as it is shown: what is new since the last look."""

from __future__ import annotations

from collections.abc import Collection

from reportsync.cli.context import Context
from reportsync.cli.output import put, put_json, reader_left
from reportsync.ledger import queries
from reportsync.ledger.queries import HeldArchive
from reportsync.ledger.reader import Reader
from reportsync.notation import readable_size
from reportsync.service.hooks import arrival_event
from reportsync.settings import Config
from reportsync.stop import Stop
from reportsync.store import Store

_CHUNK = 500


class Feed:
    """What was shown so far, and how the rest is to be."""

    def __init__(
        self,
        context: Context,
        config: Config,
        since: int,
        wanted: Collection[str] | None,
        as_json: bool,
    ) -> None:
        self._context = context
        self._store = Store(config.storage.archive, 0)
        self._since = since
        self._last = since
        self._wanted = wanted
        self._as_json = as_json

    def put_new(self, reader: Reader, stop: Stop) -> None:
        """Show the arrivals that were not shown yet."""
        while rows := reader.read(queries.arrivals_after, self._last, _CHUNK):
            for row in rows:
                if stop.requested or reader_left():
                    return
                if self._wanted is None or row.archive.report.app in self._wanted:
                    self._put(row)
                self._last = row.number

    def warn_beyond(self, reader: Reader) -> None:
        """Say so if there is no arrival of the number from which on the feed was asked for."""
        latest = reader.read(queries.last_arrival_number)
        if self._since > latest:
            self._context.note(f"--since {self._since} is beyond the latest arrival, {latest}")

    def _put(self, row: HeldArchive) -> None:
        archive = row.archive
        path = self._store.path(archive.report, archive.version).absolute()
        if self._as_json:
            put_json(arrival_event(row, path))
            return
        version = f" version {archive.version}" if archive.version > 1 else ""
        flags = "".join(f" [{flag}]" for flag in row.flags)
        put(
            f"{row.number}  {archive.report}{version}  {readable_size(archive.size)}  {path}{flags}"
        )

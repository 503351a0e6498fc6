"""The vendor's Daily Campaign Report API as a source: one zip per app and day, at a signed URL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from hashlib import sha256

from reportsync.address import host_of
from reportsync.errors import KeyRefused, NotThereYet
from reportsync.model import Clock, system_clock
from reportsync.settings import App, Http
from reportsync.sources import OpenSink, Received
from reportsync.sources.http import Transport
from reportsync.stop import Stop


def file_name(day: date) -> str:
    """Return the name of the report about `day` as the API has it: 20260302.zip."""
    return f"{day.year:04}{day.month:02}{day.day:02}.zip"


def report_url(app: App, day: date) -> str:
    """Return the address of a report without its signature, fit for display."""
    return f"{app.base_url}/dailyCampaignReportDump/{app.app_id}/{file_name(day)}"


def signature(app_id: str, name: str, key: str) -> str:
    """Return the signature of the file `name`: the plain SHA-256, in lower-case hex, of
    `app_id|name|key` in UTF-8, as the vendor's page on this API has it.

    It never expires: whoever has it can read that report for ever. Treat it like the key.
    """
    return sha256(f"{app_id}|{name}|{key}".encode()).hexdigest()


class DailySource:
    """Asks the Daily Campaign Report API. Of an app's keys the one that worked last goes first."""

    def __init__(self, http: Http, stop: Stop, clock: Clock = system_clock) -> None:
        """Prepare; opens no connection. Waits and downloads end as `stop` says."""
        self._transport = Transport(http, stop, clock)
        self._worked: dict[str, str] = {}

    def prepare_turn(self, app: App) -> None:
        """Raise TransientFault if the app's host is not to be asked for long yet; see `Source`."""
        self._transport.refuse_rest(host_of(app.base_url))

    def await_turn(self, app: App) -> None:
        """Wait until the app's host may be asked again; see `Source`."""
        self._transport.await_turn(host_of(app.base_url))

    def fetch(
        self, app: App, day: date, open_sink: OpenSink, accepted: Callable[[], None]
    ) -> Received:
        """Ask for the report of `day`, with the next key if one is refused; see `Source`."""
        worked = self._worked.get(app.name)
        keys = [key.get_secret_value() for key in app.secret_key]
        keys.sort(key=lambda key: key != worked)
        return self._try(keys, app, day, open_sink, accepted)

    def close(self) -> None:
        """Close all connections; see `Source`."""
        self._transport.close()

    def _try(
        self,
        keys: list[str],
        app: App,
        day: date,
        open_sink: OpenSink,
        accepted: Callable[[], None],
    ) -> Received:
        key, *others = keys
        try:
            return self._ask(key, app, day, open_sink, accepted)
        except KeyRefused:
            if not others:
                raise
        self.await_turn(app)
        received = self._try(others, app, day, open_sink, accepted)
        return replace(received, requests=received.requests + 1)

    def _ask(
        self, key: str, app: App, day: date, open_sink: OpenSink, accepted: Callable[[], None]
    ) -> Received:
        def works() -> None:
            self._worked[app.name] = key
            accepted()

        signed = signature(app.app_id, file_name(day), key)
        url = f"{report_url(app, day)}?Signature={signed}"
        secrets = (signed, key)
        try:
            return self._transport.download(url, host_of(app.base_url), secrets, open_sink, works)
        except NotThereYet:  # of two keys the other one would have been refused
            self._worked[app.name] = key
            raise

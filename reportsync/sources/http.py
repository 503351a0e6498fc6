"""One HTTP exchange: a signed GET with a total deadline, its answer read in bounded pieces."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import timedelta

import requests
from urllib3 import HTTPResponse

from reportsync import __version__
from reportsync.errors import AttemptFailed, ReportsyncError, Stopped, TooLarge, TransientFault
from reportsync.model import Clock
from reportsync.notation import duration_text, size_text
from reportsync.redact import MASK
from reportsync.settings import Http
from reportsync.sources import OpenSink, Received
from reportsync.sources.answer import Answer, judge
from reportsync.sources.deadline import Watch, Watchdog
from reportsync.sources.faults import FOREIGN, explain
from reportsync.sources.headers import declared_length, http_date
from reportsync.sources.pace import Pace
from reportsync.sources.wire import Adapter
from reportsync.stop import Stop

PIECE = 256 * 1024  # bytes read at once of an archive
LOOK = 64 * 1024  # bytes read at most of anything else
LONGEST_WAIT = 60.0  # seconds that await_turn waits for a pause of the host to end

_HEADERS = {
    "User-Agent": f"reportsync/{__version__}",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}


class Transport:
    """Downloads over kept connections; nothing comes from the environment, no redirect is followed.

    `stop` ends waits at once and cuts exchanges at its `cut_at`. Safe to use from many threads.
    """

    def __init__(self, http: Http, stop: Stop, clock: Clock) -> None:
        self._http = http
        self._stop = stop
        self._clock = clock
        self._pace = Pace(http.rate)
        self._bytes = Pace(http.bandwidth)
        self._watchdog = Watchdog(stop)
        self._adapter = Adapter(http.workers, http.ca_file)
        self._proxies = {"http": http.proxy, "https": http.proxy} if http.proxy else {}
        self._blank = requests.Request("GET", "http://localhost/", headers=_HEADERS).prepare()
        self._timeout = (http.connect_timeout.total_seconds(), http.read_timeout.total_seconds())

    def refuse_rest(self, host: str) -> None:
        """Raise TransientFault if `host` has asked for a pause that lasts too long to wait for."""
        if (rest := self._pace.rest(host)) > LONGEST_WAIT:
            raise _asked_to_wait(host, rest)

    def await_turn(self, host: str) -> None:
        """Wait until `host` may be asked again; raises as `Source.await_turn` does."""
        waited = False
        while not waited or self._pace.rest(host):  # a pause may begin while we wait for our turn
            self._stop.check()
            self.refuse_rest(host)
            self._stop.wait(self._pace.take(host))
            waited = True
        self._stop.check()

    def download(
        self,
        url: str,
        host: str,
        secrets: tuple[str, ...],
        open_sink: OpenSink,
        accepted: Callable[[], None],
    ) -> Received:
        """GET `url` once and stream an answer that begins like a zip to the sink.

        `secrets` are taken out of whatever the server says. Raises as `Source.fetch` does.
        """
        self._stop.check()
        with self._watchdog.watch(self._http.deadline.total_seconds()) as watch:
            exchange = Exchange(self._send(url, host, watch), host, watch, self._http)
            try:
                start = exchange.start() if exchange.status == 200 else b""
                if start.startswith(b"PK"):
                    return self._stream(exchange, start, open_sink, accepted)
                failure = self._verdict(exchange, start, secrets)
            finally:
                exchange.close()
        raise failure

    def close(self) -> None:
        """Close all connections and end the watchdog."""
        self._adapter.close()
        self._watchdog.close()

    def _send(self, url: str, host: str, watch: Watch) -> HTTPResponse:
        request = self._blank.copy()
        request.url = url
        try:
            response = self._adapter.send(
                request, stream=True, timeout=self._timeout, proxies=self._proxies
            )
        except (*FOREIGN, AttemptFailed) as error:
            failure = _failure(error, host, watch, self._http)
        else:
            raw: HTTPResponse = response.raw
            return raw
        raise failure

    def _stream(
        self, exchange: Exchange, start: bytes, open_sink: OpenSink, accepted: Callable[[], None]
    ) -> Received:
        accepted()
        declared = exchange.declared()
        self._require_small(declared or 0)
        sink = open_sink(declared)
        piece = start
        while piece:
            self._require_small(exchange.received)
            sink.write(piece)
            if wait := self._bytes.take("", len(piece)):
                self._stop.wait(min(wait, exchange.watch.remaining()))
            piece = exchange.read(PIECE)
        return Received(200, exchange.received, http_date(exchange.headers.get("date")), 1)

    def _require_small(self, count: int) -> None:
        limit = self._http.max_size
        if count > limit:
            raise TooLarge(
                f"the archive has {count} bytes or more; http.max_size is {size_text(limit)}",
                hint="raise http.max_size if an archive may be that large",
                status=200,
            )

    def _verdict(self, exchange: Exchange, start: bytes, secrets: tuple[str, ...]) -> AttemptFailed:
        """Return what an answer without a zip means, and pause the host if it asks for that."""
        body = exchange.look(start).decode("latin-1")
        hidden = re.compile("|".join(re.escape(secret) for secret in secrets), re.IGNORECASE)
        headers = {name.lower(): hidden.sub(MASK, text) for name, text in exchange.headers.items()}
        told = hidden.sub(MASK, body).encode("latin-1")
        failure = judge(Answer(exchange.host, exchange.status, headers, told), self._clock())
        if exchange.status in (429, 503) and failure.retry_after is not None:
            self._pace.hold(exchange.host, failure.retry_after.total_seconds())
        return failure


class Exchange:
    """An answer that is coming in; what the libraries below raise becomes ours here."""

    def __init__(self, raw: HTTPResponse, host: str, watch: Watch, http: Http) -> None:
        self.host = host
        self.watch = watch
        self.status = raw.status
        self.headers = raw.headers
        self.received = 0  # bytes of the body, decoded
        self._raw = raw
        self._http = http
        self._encoded = "content-encoding" in raw.headers  # though we ask for identity

    def declared(self) -> int | None:
        """Return the declared number of bytes of the archive, None if it is not declared."""
        try:
            length = declared_length(self.headers)
        except ValueError as error:
            failure = TransientFault(f"{self.host} sent {error}", status=self.status)
        else:
            return None if self._encoded else length
        raise failure

    def start(self) -> bytes:
        """Return the first bytes of the body as soon as they tell what it is."""
        start = b""
        while len(start) < 2 and (piece := self.read(PIECE, at_once=True)):
            start += piece
        return start

    def look(self, start: bytes) -> bytes:
        """Return `start` and what follows it, at most LOOK bytes."""
        body = start
        try:
            while len(body) < LOOK and (piece := self.read(LOOK - len(body))):
                body += piece
        except TransientFault:
            if self.status == 200 or self.watch.cut:  # else the status says enough
                raise
        return body[:LOOK]

    def read(self, amount: int, at_once: bool = False) -> bytes:
        """Return the next `amount` bytes, fewer at the end; whatever is there if `at_once`."""
        read = self._raw.read1 if at_once else self._raw.read
        failure: ReportsyncError | None = None
        piece = b""
        try:
            piece = read(amount, decode_content=self._encoded)
        except FOREIGN as error:
            failure = _failure(error, self.host, self.watch, self._http, self.received)
        if failure is None and not piece and self.watch.cut:  # a shut down socket reads as an end
            failure = _cut(self.host, self.watch, self._http)
        if failure is not None:
            raise failure
        self.received += len(piece)
        return piece

    def close(self) -> None:
        """Give the connection back, or close it if the body was not read to its end."""
        self._raw.close()
        self._raw.release_conn()


def _failure(
    error: BaseException, host: str, watch: Watch, http: Http, received: int = 0
) -> ReportsyncError:
    """Return what a foreign error amounts to.

    The caller raises it after its `except` has ended: an exception raised within, even `from None`,
    would keep the foreign one, and with it the signed URL, as its context.
    """
    if watch.over:
        return _cut(host, watch, http)
    return explain(error, host, http.read_timeout, received)


def _cut(host: str, watch: Watch, http: Http) -> ReportsyncError:
    if watch.stopped:
        return Stopped("stopped on request, in the middle of a download")
    return TransientFault(
        f"{host} did not finish within the deadline of {duration_text(http.deadline)}",
        hint="if archives are that large or the line that slow, raise http.deadline",
    )


def _asked_to_wait(host: str, rest: float) -> TransientFault:
    pause = timedelta(seconds=math.ceil(rest))
    text = f"{host} asked to be left alone; {duration_text(pause)} of that are left"
    return TransientFault(text, retry_after=pause)

"""The connections under an exchange: they register with its watch, and bound what comes back."""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

from requests.adapters import HTTPAdapter
from requests.models import PreparedRequest, Response
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from reportsync.errors import AppRefused, TransientFault
from reportsync.notation import duration_text, size_text
from reportsync.redact import clean
from reportsync.sources.deadline import Watch, current_watch
from reportsync.sources.faults import NO_DESCRIPTOR, WireFault, no_descriptor
from reportsync.sources.resolve import Address, addresses

HEADERS_AT_MOST = 256 * 1024  # bytes before the body, interim answers (100 Continue) included
_LINE = 64 * 1024  # bytes
_HOSTS = 64  # connection pools kept


class _Head:
    """The lines before the body: how many bytes they were, and whether they came to their end."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._left = HEADERS_AT_MOST
        self.cut = False

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self._stream.readline(limit)
        self._left -= len(line)
        if self._left < 0:
            raise WireFault(f"sent more than {size_text(HEADERS_AT_MOST)} of headers")
        self.cut = not line
        return line

    def close(self) -> None:
        self._stream.close()


class _StrictResponse(http.client.HTTPResponse):
    """http.client's response, which on its own takes headers that are cut, broken or endless for
    whole ones (status 200, no length, no error), drops what follows the declared length, and takes
    every interim answer but 100 for the answer itself."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._socket = sock

    def begin(self) -> None:
        stream: Any = self.fp
        head: Any = _Head(stream)
        self.fp = head
        try:
            super().begin()
        finally:
            if self.fp is head:
                self.fp = stream
        if head.cut:
            raise WireFault("closed the connection inside the headers")
        if self.msg.defects:
            raise WireFault("sent a header that is none")

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, why = super()._read_status()  # type: ignore[misc]  # not in typeshed
            if status == http.client.SWITCHING_PROTOCOLS:
                raise WireFault("changed to another protocol, unasked")
            if not 100 <= status < 200:
                return version, status, why
            # The real answer would stay in the connection, and be taken for the next day's.
            while self.fp.readline(_LINE).strip(b"\r\n"):
                pass

    def _close_conn(self) -> None:
        """Called by http.client when the body has come to its end (or has failed)."""
        try:
            if self.length == 0 and self._more_is_there():
                raise WireFault("sent more bytes than it had declared")
        finally:
            super()._close_conn()  # type: ignore[misc]  # not in typeshed

    def _more_is_there(self) -> bool:
        patience = self._socket.gettimeout()
        self._socket.settimeout(0)
        try:
            return bool(self.fp.peek(1))
        except OSError:  # nothing to read over TLS, or reset after the end
            return False
        finally:
            self._socket.settimeout(patience)


class _Watched(HTTPConnection):
    """A connection whose socket the watch over the exchange can shut down."""

    response_class = _StrictResponse

    def _new_conn(self) -> socket.socket:
        watch, seconds = current_watch(), self.timeout
        assert isinstance(seconds, float)
        places = addresses(self._dns_host, self.port, min(seconds, watch.remaining()), watch)
        failure: OSError | None = None
        for place in places:
            try:
                return _connect(place, seconds, watch, self.socket_options or [])
            except OSError as error:
                failure = error
        raise _no_connection(failure, f"{self.host}:{self.port}", seconds)

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:  # from the pool
            current_watch().guard_socket(self.sock)
        super().request(*args, **kwargs)


def _connect(place: Address, seconds: float, watch: Watch, options: Any) -> socket.socket:
    family, kind, protocol, _, address = place
    sock = socket.socket(family, kind, protocol)
    try:
        for option in options:
            sock.setsockopt(*option)
        sock.settimeout(min(seconds, watch.remaining()))
        watch.guard_socket(sock)
        sock.connect(address)
        if watch.cut:  # before it was connected, when there was nothing to shut down
            raise TimeoutError
    except BaseException:
        sock.close()
        raise
    sock.settimeout(seconds)
    return sock


def _no_connection(error: OSError | None, place: str, seconds: float) -> TransientFault:
    match error:
        case ConnectionRefusedError():
            return TransientFault(f"connection refused by {place}")
        case TimeoutError():
            return _not_in_time(f"connection to {place}", seconds)
        case _:
            why = error.strerror if error else None
            text = f"no connection to {place}: {why or 'no address'}"
            own = error is not None and error.errno in NO_DESCRIPTOR
            return no_descriptor(text) if own else TransientFault(text)


def _not_in_time(what: str, seconds: float) -> TransientFault:
    return TransientFault(f"no {what} within {duration_text(timedelta(seconds=seconds))}")


class _WatchedTLS(_Watched, HTTPSConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except TimeoutError:  # of the handshake, or of a proxy's tunnel
            place, seconds = f"{self.host}:{self.port}", self.timeout
        else:
            return
        assert isinstance(seconds, float)
        way = "connection through the proxy" if self._tunnel_host else "TLS connection to"
        raise _not_in_time(f"{way} {place}", seconds)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _PoolTLS(HTTPSConnectionPool):
    ConnectionCls = _WatchedTLS


_POOLS = {"http": _Pool, "https": _PoolTLS}


class Adapter(HTTPAdapter):
    """The adapter of requests over such connections. It follows no redirect, keeps no cookie,
    looks at no environment and always verifies TLS; the CAs are read once, not per connection."""

    def __init__(self, workers: int, ca_file: Path | None) -> None:
        self._ca_file = ca_file
        self._context: ssl.SSLContext | None = None
        super().__init__(pool_connections=_HOSTS, pool_maxsize=workers)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> PoolManager:
        if proxy.startswith("https:"):
            kwargs["proxy_ssl_context"] = self._tls()
        manager: PoolManager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        host, _ = super().build_connection_pool_key_attributes(request, True)
        return host, {"ssl_context": self._tls()} if host["scheme"] == "https" else {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Do nothing: the context holds the CAs and insists on them."""

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        """Return a Response without looking for cookies or a character set in it."""
        response = Response()
        response.request, response.raw, response.status_code = req, resp, resp.status
        return response

    def close(self) -> None:
        """Close every kept connection now; urllib3 alone leaves that to the garbage collector."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118  # not a dict: cannot be iterated
                manager.pools[key].close()
        super().close()

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            path = str(self._ca_file or DEFAULT_CA_BUNDLE_PATH)
            own = False
            try:
                self._context = ssl.create_default_context(cafile=path)
            except OSError as error:  # ssl.SSLError is one
                own = type(error) is not ssl.SSLError and error.errno in NO_DESCRIPTOR
                why = error.strerror if type(error) is not ssl.SSLError else "not a PEM file"
            if self._context is None:
                text = f"the CA file {path} cannot be used: {why}"
                hint = "name a readable PEM file in http.ca_file"
                raise no_descriptor(text) if own else AppRefused(text, hint=hint)
        return self._context


class _Discreet(logging.Filter):
    """Takes signatures and floods out of what urllib3 logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = clean(record.getMessage()), ()
        record.exc_info = record.exc_text = None
        return True


# A filter on `urllib3` alone would not see the records of its children.
for _name in [name for name in logging.root.manager.loggerDict if name.startswith("urllib3")]:
    logging.getLogger(_name).addFilter(_Discreet())

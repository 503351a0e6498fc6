"""What requests, urllib3, http.client and ssl raise, in one plain line each, as ours. Pure."""

from __future__ import annotations

import errno
import http.client
import os
import re
import ssl
from collections.abc import Iterator
from datetime import timedelta

import requests
import urllib3.exceptions as urllib3_errors

from reportsync.errors import AppRefused, AttemptFailed, OwnFault, TransientFault
from reportsync.notation import duration_text
from reportsync.redact import clean

FOREIGN = (
    requests.RequestException,
    urllib3_errors.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,  # http.client's UnicodeError and int() on what a server sends
)
"""What the libraries below may raise in an exchange."""

# OpenSSL's X509_V_ERR_* numbers.
_CERTIFICATE = {
    9: "its certificate is not valid yet (is the clock right?)",
    10: "its certificate has expired",
    18: "its certificate is self-signed",
    19: "its certificate chain ends in one that is self-signed and not trusted here",
    20: "the issuer of its certificate is not known here",
    62: "its certificate is for another host",
    64: "its certificate is for another address",
}
NO_DESCRIPTOR = {errno.EMFILE, errno.ENFILE}
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})", re.ASCII)


def explain(
    error: BaseException, host: str, read_timeout: timedelta, received: int
) -> AttemptFailed:
    """Return what `error` amounts to, without a word of its text where that may hold the URL.

    `received` is the number of body bytes that had come before it.
    """
    links = list(_chain(error))
    for link in links:
        if isinstance(link, AttemptFailed):
            return link
        if isinstance(link, ssl.SSLCertVerificationError):
            return _not_trusted(link, host)
        if isinstance(link, OSError) and (match := _TUNNEL.search(str(link))):
            return _no_tunnel(int(match[1]))
        if isinstance(link, OSError) and link.errno in NO_DESCRIPTOR:
            return no_descriptor(_cause(links, host, read_timeout))
    # The vendor's API gives no part of a report: there is nothing to go on from.
    after = f" after {received:,} bytes; the next try starts anew" if received else ""
    return TransientFault(_cause(links, host, read_timeout) + after)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and the exceptions that it wraps, outermost first."""
    todo, seen = [error], set[int]()
    while todo:
        link = todo.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        inside = (*link.args, getattr(link, "reason", None), link.__cause__)
        todo += [inner for inner in inside if isinstance(inner, BaseException)]


def _not_trusted(error: ssl.SSLCertVerificationError, host: str) -> AppRefused:
    why = _CERTIFICATE.get(error.verify_code, clean(f"{error.verify_message}"))
    return AppRefused(
        f"{host} cannot be trusted: {why}",
        hint="if this host is signed by a CA of your own, name its PEM file in http.ca_file",
    )


def no_descriptor(text: str) -> OwnFault:
    """Return the fault of a request for which this machine has no descriptor left."""
    hint = "raise the limit on open files (ulimit -n, LimitNOFILE=) or lower `http.workers`"
    return OwnFault(text, hint=hint)


def _no_tunnel(status: int) -> AttemptFailed:
    text = f"the proxy answered {status} to a connection through it"
    if status == 407:
        return AppRefused(text, hint="check http.proxy, its user and password", status=status)
    return TransientFault(text, hint="check http.proxy")


def _cause(links: list[BaseException], host: str, read_timeout: timedelta) -> str:
    """Return one line for the innermost of `links` that says something."""
    for link in reversed(links):
        match link:
            case TimeoutError() | urllib3_errors.TimeoutError():
                return f"{host} sent nothing for {duration_text(read_timeout)}"
            case http.client.RemoteDisconnected():
                return f"{host} closed the connection without an answer"
            case http.client.IncompleteRead() | urllib3_errors.InvalidChunkLength():
                return f"{host} cut the connection or garbled the body"
            case ValueError() if not isinstance(links[0], requests.RequestException):
                return f"{host} sent a number that makes no sense"
            case http.client.LineTooLong():
                return f"{host} sent a line of headers or chunks that has no end"
            case http.client.BadStatusLine() | http.client.UnknownProtocol():
                return f"{host} answered with something that is not HTTP"
            case ssl.SSLError():
                return f"the TLS connection to {host} failed: {clean(link.reason or 'cut', 80)}"
            case ConnectionError():
                return f"{host} reset the connection"
            case urllib3_errors.DecodeError():
                return f"{host} sent a body that its Content-Encoding does not fit"
            case urllib3_errors.InvalidHeader():
                return f"{host} declared more than one length"
            case WireFault():
                return f"{host} {link.what}"
            case OSError() if isinstance(link.errno, int):  # no descriptor left, no route, ...
                return f"the connection to {host} failed: {os.strerror(link.errno)}"
            case http.client.HTTPException() if str(link).startswith("got more than"):
                return f"{host} sent too many headers"
            case _:
                continue
    return f"the exchange with {host} failed ({type(links[0]).__name__})"


class WireFault(http.client.HTTPException):
    """Something that http.client would let pass; `what` goes on after the host's name."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

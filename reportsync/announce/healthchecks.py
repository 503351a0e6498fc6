"""Pings to a Healthchecks check: a dead man's switch, told the start and the end of each pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode, urlsplit, urlunsplit

import requests

from reportsync import __version__
from reportsync.announce.courier import NotDelivered
from reportsync.redact import clean

TIMEOUT = 10.0
"""Seconds to connect, and between two bytes of the answer."""

TRIES = 2
_MOST_BYTES = 10_000

Sign = Literal["start", "success", "fail"]


@dataclass(frozen=True, slots=True)
class Ping:
    """A sign of life; `run_id` (a UUID) ties the end of a pass to its start."""

    sign: Sign
    run_id: str
    body: str = ""


def ping_url(url: str, sign: Sign, run_id: str) -> str:
    """Return where to send `sign`; `url` may end in a slash or carry a query. Pure.

    Healthchecks' pinging API: /start and /fail after the check's address, nothing for success, rid=UUID.
    """
    scheme, place, path, query, _ = urlsplit(url)
    path = path.rstrip("/") + ("" if sign == "success" else f"/{sign}")
    query = "&".join(filter(None, [query, urlencode({"rid": run_id})]))
    return urlunsplit((scheme, place, path, query, ""))


class Healthchecks:
    """One check, by its secret address; `proxy` as in `http.proxy`."""

    def __init__(self, url: str, proxy: str | None = None, timeout: float = TIMEOUT) -> None:
        self._url = url
        self._proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._timeout = timeout

    def send(self, ping: Ping) -> None:
        """Send `ping`, a second time if need be; raise `NotDelivered` with a text without the address."""
        url = ping_url(self._url, ping.sign, ping.run_id)
        body = ping.body.encode()[:_MOST_BYTES]
        for left in reversed(range(TRIES)):
            try:
                return self._post(url, body)
            except NotDelivered:
                if not left:
                    raise
        raise AssertionError("the last try returns or raises")

    def _post(self, url: str, body: bytes) -> None:
        with requests.Session() as session:
            session.trust_env = False  # a login in ~/.netrc is nobody's business here
            try:
                answer = session.post(
                    url,
                    data=body,
                    headers={
                        "User-Agent": f"reportsync/{__version__}",
                        "Content-Type": "text/plain; charset=utf-8",
                    },
                    timeout=self._timeout,
                    proxies=self._proxies,
                    allow_redirects=False,
                    stream=True,  # only the status counts, however long the body
                )
            except (requests.RequestException, OSError, ValueError) as error:
                # Its text holds the address.
                failure = NotDelivered(f"no answer ({clean(type(error).__name__)})")
            else:
                answer.close()
                if 200 <= answer.status_code < 300:
                    return
                failure = NotDelivered(f"answered {answer.status_code}")
        raise failure

"""What is answered to each request: routes, refusals, and the headers that keep browsers on guard."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reportsync.address import is_loopback
from reportsync.announce.metrics import AppFigures, Metrics
from reportsync.errors import LedgerError
from reportsync.ledger import queries
from reportsync.model import Clock
from reportsync.service.status import describe
from reportsync.settings import Config
from reportsync.web.board import Board, Seen
from reportsync.web.health import Liveness, Verdict, health, readiness
from reportsync.web.hosts import is_ours
from reportsync.web.pages import LATEST_ATTEMPTS, Pages
from reportsync.web.standing import Standing

HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
_FOR_AN_HOUR = (("Cache-Control", "max-age=3600"),)
GUARDS = (
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
"""Sent with every answer: nothing but our own style sheet and icon, no scripts, no frames."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as far as an answer depends on it; `hosts` are the values of its Host headers."""

    method: str
    target: str
    hosts: tuple[str, ...] = ()
    accept: str = ""
    old: bool = False  # of HTTP/1.0, whose clients may leave the Host out


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back, besides `GUARDS`."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Cache-Control", "no-store"),)


class Site:
    """Answers requests; raises nothing for what a client, the ledger or the daemon's state can be."""

    def __init__(
        self,
        config: Config,
        host: str,
        board: Board,
        metrics: Metrics,
        liveness: Callable[[], Liveness],
        clock: Clock,
    ) -> None:
        self._names = config.daemon.hosts
        self._host = host
        self._board = board
        self._metrics = metrics
        self._liveness = liveness
        self._clock = clock
        self._pages = Pages()
        self._routes: dict[str, Callable[[Asked], Answer]] = {
            "/": self._overview,
            "/api/v1/status": self._status,
            "/metrics": self._exposition,
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/style.css": lambda _: Answer(200, "text/css", self._pages.style, _FOR_AN_HOUR),
            "/icon.svg": lambda _: Answer(200, "image/svg+xml", self._pages.icon, _FOR_AN_HOUR),
        }
        metrics.show(self._figures)

    def answer(self, asked: Asked) -> Answer:
        """Return what to send back."""
        refusal = self._refusal(asked)
        if refusal is not None:
            return refusal
        path = asked.target.partition("?")[0]
        route = self._routes.get(path)
        try:
            if route is not None:
                return route(asked)
            if path.startswith("/apps/"):
                return self._app(path.removeprefix("/apps/"))
        except LedgerError as error:
            return self._unreadable(path, error)
        return self._message(404, path, "There is no such page", "Nothing is served here.")

    def _refusal(self, asked: Asked) -> Answer | None:
        """Return the answer to a request that is refused unread, None for any other."""
        if asked.method not in ("GET", "HEAD"):
            refused = Answer(405, TEXT, b"only GET and HEAD\n")
            return Answer(405, TEXT, refused.body, (*refused.headers, ("Allow", "GET, HEAD")))
        if not asked.target.startswith("/"):
            return Answer(400, TEXT, b"the target is not a path\n")
        if not asked.hosts and asked.old:
            return None
        if len(asked.hosts) != 1:
            return Answer(400, TEXT, b"one Host header is needed\n")
        if is_ours(asked.hosts[0], self._host, self._names):
            return None
        told = b"this host name is not served here; daemon.hosts in the config names further ones\n"
        return Answer(403, TEXT, told)

    def _overview(self, asked: Asked) -> Answer:
        def make(seen: Seen) -> bytes:
            live = self._liveness()
            return self._pages.overview(seen, live, self._verdict(live, seen))

        return Answer(200, HTML, self._board.once("overview", make))

    def _status(self, asked: Asked) -> Answer:
        return Answer(200, JSON, self._board.once("status", _status_json))

    def _app(self, name: str) -> Answer:
        def make(seen: Seen) -> bytes:
            days = self._board.read(queries.days_of, name)
            tried = self._board.read(queries.latest_attempts, name, LATEST_ATTEMPTS)
            one = seen.of(name)
            assert one is not None, "the apps are those of the config, at every look"
            return self._pages.app(seen, one, days, tried)

        if self._board.look().of(name) is None:
            told = "There is no such app", "The config names no such app."
            return self._message(404, f"/apps/{name}", *told)
        return Answer(200, HTML, self._board.once(f"app {name}", make))

    def _exposition(self, asked: Asked) -> Answer:
        body, content_type = self._metrics.exposition(asked.accept)
        return Answer(200, content_type, body)

    def _healthz(self, asked: Asked) -> Answer:
        return _told(self._verdict(self._liveness(), self._seen()))

    def _readyz(self, asked: Asked) -> Answer:
        return _told(readiness(self._liveness(), self._seen() is not None))

    def _verdict(self, live: Liveness, seen: Seen | None) -> Verdict:
        now = self._clock()
        if seen is None:
            return health(live, None, None, now)
        return health(live, seen.standings, seen.last_arrival, now)

    def _seen(self) -> Seen | None:
        try:
            return self._board.look()
        except LedgerError:
            return None

    def _figures(self) -> Sequence[AppFigures] | None:
        seen = self._seen()
        return None if seen is None else [_app_figures(one) for one in seen.standings]

    def _unreadable(self, path: str, error: LedgerError) -> Answer:
        if not is_loopback(self._host):  # where things lie here is nothing for strangers
            error = LedgerError("the ledger cannot be read", hint="the daemon's log says why")
        if path == "/api/v1/status":
            told = {"version": 1, "error": error.message, "hint": error.hint}
            return Answer(503, JSON, json.dumps(told).encode() + b"\n")
        return self._message(503, path, "The ledger cannot be read", error.message, error.hint)

    def _message(
        self, status: int, path: str, title: str, text: str, hint: str | None = None
    ) -> Answer:
        root = "../" * (path.count("/") - 1)
        return Answer(status, HTML, self._pages.message(title, text, hint, root))


def _told(verdict: Verdict) -> Answer:
    return Answer(200 if verdict.good else 503, TEXT, f"{verdict.text}\n".encode())


def _status_json(seen: Seen) -> bytes:
    standings = [(one.coverage, one.known) for one in seen.standings]
    found = describe(standings, seen.now, seen.hook, seen.open_now)
    return json.dumps(found, ensure_ascii=False).encode() + b"\n"


def _app_figures(one: Standing) -> AppFigures:
    return AppFigures(
        app=one.name,
        stored=one.coverage.stored,
        missing=len(one.coverage.missing),
        waived=len(one.coverage.waived),
        overdue=one.overdue,
        bytes=one.known.bytes,
        newest=one.known.newest,
        next_due=one.next_due,
        verified_since=one.known.verified_since,
        damaged=len(one.coverage.not_whole),
    )

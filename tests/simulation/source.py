"""A `Source` that asks the simulated vendor, with what the network does in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING

from reportsync.errors import KeyRefused, NotThereYet, TransientFault
from reportsync.model import Report
from reportsync.settings import App
from reportsync.sources import OpenSink, Received
from reportsync.sources.answer import Answer, judge

from . import zips
from .almanac import instant

if TYPE_CHECKING:
    from .process import Process

_HOST = "api.example.com"
_PATIENCE = 60.0  # seconds, as the protocol has it


class SimSource:
    """Keeps the protocol of sources; each of its steps may be the process's last."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._world = process.world
        self._chance = process.world.chance
        self._held: dict[str, float] = {}

    def close(self) -> None:
        """Nothing is open."""

    def prepare_turn(self, app: App) -> None:
        """Raise TransientFault while the vendor is to be left alone for long."""
        if self._rest(app) > _PATIENCE:
            raise TransientFault(f"{_HOST} asked for a pause", hint="wait for its end")

    def await_turn(self, app: App) -> None:
        """Keep the pause that the vendor asked for."""
        self._process.step()
        self.prepare_turn(app)
        if (left := self._rest(app)) > 0:
            self._process.sleep(left)

    def _rest(self, app: App) -> float:
        return self._held.get(app.app_id, 0.0) - self._world.scheduler.now

    def fetch(
        self, app: App, day: date, open_sink: OpenSink, accepted: Callable[[], None]
    ) -> Received:
        """Ask once, with the second key too if the first is refused."""
        report = Report(app.name, day)
        with self._world.watch.in_flight(self._process, app, report):
            self._process.sleep(self._chance.uniform(0.1, 0.8))
            try:
                body = self._ask(app, report)
            except (KeyRefused, NotThereYet, TransientFault) as error:
                self._world.trace("answer", report, type(error).__name__, error.status)
                raise
            accepted()
            return self._stream(app, report, body, open_sink)

    def _ask(self, app: App, report: Report) -> bytes:
        """Return the body of an answer that begins like a zip; raise for any other."""
        vendor, now = self._world.vendor, self._world.scheduler.now
        ailment = vendor.ailment(app.app_id, now)
        if ailment is not None:
            self._world.watch.harmed_app(app.name, ailment.until)
            self._suffer(ailment.kind, app)
        elif self._chance.random() < self._world.taste.faults:
            self._world.watch.harmed(report, now)
            kind = self._chance.choice(("down", "silent", "5xx", "429", "garbled", "html", "empty"))
            self._suffer(kind, app)
        right = vendor.accounts[app.app_id].keys
        if not any(key.get_secret_value() in right for key in app.secret_key):
            self._refuse_key(app)
        revision = vendor.available(app.app_id, report.day, now)
        if revision is None:
            body = b'{"error": "<script>no such file</script>\\n\\u202e"}'
            raise self._judged(self._chance.choice((404, 404, 400, 200)), {}, body)
        self._world.watch.offered(report, revision.sha256)
        return revision.body

    def _refuse_key(self, app: App) -> None:
        self._world.watch.harmed_app(app.name, self._world.scheduler.now)
        raise self._judged(self._chance.choice((401, 403)), {}, b'{"error": "bad signature"}')

    def _suffer(self, kind: str, app: App) -> None:
        match kind:
            case "down":
                raise TransientFault(f"the connection to {_HOST} failed: Connection refused")
            case "silent":
                self._process.sleep(self._process.deadline)
                raise TransientFault(f"{_HOST} was not done in time")
            case "5xx":
                raise self._judged(self._chance.choice((500, 502, 503)), {}, b"<html>oh no</html>")
            case "429":
                raise self._asked_to_wait(app)
            case "redirect":
                raise self._judged(302, {"location": "http://169.254.169.254/"}, b"")
            case "gone":
                raise self._judged(410, {}, b"")
            case "refuses":
                raise self._judged(401, {}, b'{"error": "no such key"}')
            case "html":
                raise self._judged(200, {}, b"<!doctype html><title>Log in to the Wi-Fi</title>")
            case "empty":
                raise self._judged(self._chance.choice((200, 204)), {}, b"")

    def _asked_to_wait(self, app: App) -> Exception:
        after = self._chance.choice(("0", "7", "90", "4000", "-5", "soon", "99999999", None))
        error = self._judged(429, {} if after is None else {"retry-after": after}, b"")
        if error.retry_after is not None:
            pause = min(error.retry_after.total_seconds(), 4 * 3600.0)
            self._held[app.app_id] = self._world.scheduler.now + pause
        return error

    def _judged(self, status: int, headers: Mapping[str, str], body: bytes) -> Exception:
        now = instant(self._world.scheduler.now)
        return judge(Answer(_HOST, status, headers, body), now)

    def _stream(self, app: App, report: Report, body: bytes, open_sink: OpenSink) -> Received:
        ailment = self._world.vendor.ailment(app.app_id, self._world.scheduler.now)
        cut = False
        if (ailment is not None and ailment.kind == "garbled") or (
            self._chance.random() < self._world.taste.faults
        ):
            self._world.watch.harmed(report, self._world.scheduler.now)
            cut = self._chance.random() < 0.4
            body = zips.spoiled(self._chance.choice(zips.WRONG), body, self._chance)
        sink = open_sink(len(body) if self._chance.random() < 0.5 else None)
        half = len(body) // 2
        for piece in (body[:half], body[half:]):
            self._process.sleep(self._chance.uniform(0.0, 0.3))
            sink.write(piece)
        self._process.step()
        self._world.trace("answer", report, len(body), cut)
        if cut:
            raise TransientFault(f"{_HOST} cut the connection or garbled the body")
        return Received(200, len(body), None, 1)

"""A source that tells the lanes of each exchange, so that they learn how much a host can be asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date

from reportsync.errors import AttemptFailed
from reportsync.model import Report
from reportsync.service.lane import Request
from reportsync.service.lanes import Lanes
from reportsync.settings import App
from reportsync.sources import OpenSink, Received, Sink, Source
from reportsync.width import SLACK, Exchange, Sign, sign_of


class _Telling:
    """A sink that says when it gets something."""

    def __init__(self, sink: Sink, tell: Callable[[], None]) -> None:
        self._sink = sink
        self._tell = tell

    def write(self, data: bytes, /) -> None:
        self._tell()
        self._sink.write(data)


class Gauged:
    """Asks `source`; keeps its protocol, but for `begin`, which each thread calls before anything else."""

    def __init__(
        self, source: Source, lanes: Lanes, clock: Callable[[], float], changed: Callable[[], None]
    ) -> None:
        """`clock` returns running seconds; `changed` is called when a width or the hands wanted may have."""
        self._source = source
        self._lanes = lanes
        self._clock = clock
        self._changed = changed
        self._of_thread = threading.local()

    def begin(self, report: Report) -> None:
        """Say what this thread is going to ask for."""
        self._of_thread.report = report
        self._of_thread.has_turn = False

    def prepare_turn(self, app: App) -> None:
        """See `Source`; who has a place waits for the turn at once, so that requests keep their order."""
        if self._lanes.has_place(self._of_thread.report):
            self.await_turn(app)
            self._of_thread.has_turn = True
        else:
            self._source.prepare_turn(app)

    def await_turn(self, app: App) -> None:
        """See `Source`; waits for a place of this thread's report first, and may raise `NoPlace`.

        Its next request was held back for as long as the host's own turn takes.
        """
        if self._of_thread.has_turn:
            self._of_thread.has_turn = False
            return
        self._lanes.place(self._of_thread.report)
        began = self._clock()
        self._source.await_turn(app)
        self._of_thread.held_back = self._clock() - began

    def fetch(
        self, app: App, day: date, open_sink: OpenSink, accepted: Callable[[], None]
    ) -> Received:
        """See `Source`."""
        answer: list[float] = []
        request = self._lanes.asked(Report(app.name, day), self._clock())

        def heard() -> None:
            self._lanes.heard(request, self._clock())

        def answering() -> None:
            answer.append(self._clock() - request.began)
            heard()
            accepted()

        received: Received | None = None
        sign = Sign.NOTHING
        try:
            received = self._source.fetch(
                app, day, lambda size: _Telling(open_sink(size), heard), answering
            )
            sign = Sign.WELL
        except AttemptFailed as error:
            sign = sign_of(error)
            raise
        finally:
            self._end(request, sign, received, answer)
        return received

    def close(self) -> None:
        """Leave the source to whoever opened it."""

    def _end(
        self, request: Request, sign: Sign, received: Received | None, answer: list[float]
    ) -> None:
        now = self._clock()
        exchange = Exchange(
            request.mark,
            now,
            sign,
            # The wait for a second answer, after a key was refused, is none of the host's.
            answer[0] if received is not None and received.requests == 1 else None,
            received.size if received is not None else 0,
            request.spare or getattr(self._of_thread, "held_back", 0.0) > SLACK,
        )
        if self._lanes.answered(request, exchange):
            self._changed()

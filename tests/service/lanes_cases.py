"""What the tests of the lanes share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import date
from typing import TypeVar

from reportsync.collect import Collected
from reportsync.model import ONE_DAY, Outcome, Report
from reportsync.service.lanes import Lanes, Turn
from reportsync.width import Exchange, Sign

DAY = date(2026, 3, 1)

Result = TypeVar("Result")


def reports(app: str, count: int) -> list[Report]:
    """Return `count` reports of `app`, the newest first."""
    return [Report(app, DAY + n * ONE_DAY) for n in reversed(range(count))]


def ended(turn: Turn, outcome: Outcome = Outcome.STORED, bars_app: bool = False) -> Collected:
    return Collected(turn.report, outcome, bars_app=bars_app)


def taken(lanes: Lanes) -> Turn:
    turn = lanes.take()
    assert turn is not None
    return turn


def waits(lanes: Lanes) -> bool:
    """Say whether `take` neither hands out a report nor ends; the taker gives back what it gets."""
    got: list[Turn | None] = []
    taker = threading.Thread(target=lambda: got.append(lanes.take()), daemon=True)
    taker.start()
    taker.join(0.05)
    if not taker.is_alive():
        return False
    lanes.close()
    taker.join(5)
    return got == [None]


def exchanged(lanes: Lanes, report: Report, sign: Sign = Sign.WELL) -> None:
    """Have a request for `report` begin, and end with `sign`."""
    request = lanes.asked(report, 0.0)
    lanes.answered(request, Exchange(request.mark, 0.0, sign))


def wide(workers: int, first: int, **hosts: str) -> Lanes:
    """Return lanes with gaps of nine days for each app, at its host, whose keys are accepted."""
    lanes = Lanes(workers, 0, hosts, first)
    for app in hosts:
        lanes.add(reports(app, 9))
        lanes.accepted(app)
    return lanes


class Helpers:
    """Threads that may wait for ever: the end of the tests does not wait for them."""

    def submit(self, work: Callable[..., Result], *args: object) -> Future[Result]:
        future: Future[Result] = Future()

        def run() -> None:
            try:
                future.set_result(work(*args))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future


@contextmanager
def helpers(lanes: Lanes) -> Iterator[Helpers]:
    """Lend threads that wait in `lanes`; in the end all are sent home, however it went."""
    try:
        yield Helpers()
    finally:
        lanes.close()

"""Many threads do what they like with the lanes: nothing is handed out twice, nobody waits for ever.

A failing seed is in the name of its test; what the threads do in it is drawn anew, the schedule is not.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter

import pytest
from lanes_cases import DAY

from reportsync.collect import Collected
from reportsync.model import ONE_DAY, Outcome, Report
from reportsync.service.lanes import Lanes, NoPlace, Turn
from reportsync.width import Exchange, Sign

_PATIENCE = 20  # seconds


class _Crowd:
    """Apps at some hosts, and threads that work on their reports as chance has it."""

    def __init__(self, seed: int) -> None:
        roll = random.Random(seed)
        self.seed = seed
        self.workers = roll.choice((1, 2, 3, 8, 16))
        self.reserved = roll.choice((0, 1))
        self.apps = [f"app-{n}" for n in range(roll.choice((1, 2, 5, 12)))]
        self.hosts = {app: f"host-{roll.randrange(roll.choice((1, 2, 5)))}" for app in self.apps}
        self.errors, self.bars, self.ends = roll.choice((0, 0.05)), roll.choice((0, 0.01)), 0.0
        if roll.random() < 0.2:
            self.ends = 0.005
        hands = self.workers + 2 * min(self.workers - 1, 8)
        first = roll.randint(1, self.workers)
        ahead = roll.choice((0, 1, 8))
        self.lanes = Lanes(self.workers, self.reserved, self.hosts, first, hands, ahead)
        self.queued = [Report(app, DAY - n * ONE_DAY) for app in self.apps for n in range(12)]
        self.lanes.add(self.queued, newest=[Report(app, DAY) for app in self.apps])
        self.cut_short = False  # an app was barred, or the lanes closed
        self.wrong: set[str] = set()
        self.handed = Counter[Report]()
        self._asking: dict[Report, bool] = {}  # whether it is a newest day
        self._lock = threading.Lock()

    def work(self, number: int) -> None:
        roll = random.Random(f"{self.seed} {number}")
        while (turn := self.lanes.take()) is not None:
            with self._lock:
                self.handed[turn.report] += 1
            ended = None
            try:
                ended = self._collected(turn, roll)
            except (NoPlace, ArithmeticError):
                pass
            finally:
                with self._lock:
                    self._asking.pop(turn.report, None)
                self.lanes.done(turn, ended)

    def _collected(self, turn: Turn, roll: random.Random) -> Collected:
        _dawdle(roll)
        if roll.random() < 0.1:
            return Collected(turn.report, Outcome.ADOPTED)
        for _ in range(roll.choice((1, 1, 1, 2, 3))):
            self.lanes.place(turn.report)
            self._begin(turn)
            request = self.lanes.asked(turn.report, time.monotonic())
            _dawdle(roll)
            self.lanes.accepted(turn.report.app)
            if roll.random() < self.errors:
                raise ArithmeticError
            with self._lock:
                del self._asking[turn.report]
            self.lanes.answered(request, Exchange(request.mark, time.monotonic(), Sign.WELL))
            self._meddle(turn.report.app, roll)
        return Collected(turn.report, Outcome.STORED)

    def _begin(self, turn: Turn) -> None:
        """Count those that are asked for; the width of a host that always answers well only grows."""
        with self._lock:
            self._asking[turn.report] = turn.newest
            gaps = [one for one, newest in self._asking.items() if not newest]
            if len(self._asking) > self.workers:
                self.wrong.add("more at once than workers")
            if len(gaps) > max(self.workers - self.reserved, 1):
                self.wrong.add("a gap on the reserved worker")
            mine = self.hosts[turn.report.app]
            here = [one for one in gaps if self.hosts[one.app] == mine]
            if len(here) > self.lanes.widths()[mine]:
                self.wrong.add("more gaps at a host than its width")

    def _meddle(self, app: str, roll: random.Random) -> None:
        if roll.random() < self.bars:
            self.cut_short = True
            self.lanes.bar(app)
        if roll.random() < self.ends:
            self.cut_short = True
            self.lanes.close()


def _dawdle(roll: random.Random) -> None:
    if roll.random() < 0.5:
        time.sleep(roll.random() * 0.001)


def _lived(seed: int) -> None:
    crowd = _Crowd(seed)
    threads = [
        threading.Thread(target=crowd.work, args=[number], daemon=True)
        for number in range(crowd.workers + 2 * min(crowd.workers - 1, 8))
    ]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + _PATIENCE
    for thread in threads:
        thread.join(max(ends - time.monotonic(), 0))
    stuck = sum(thread.is_alive() for thread in threads)
    crowd.lanes.close()
    assert (stuck, crowd.wrong) == (0, set())
    assert max(crowd.handed.values()) == 1
    if not crowd.cut_short:
        assert crowd.handed.keys() == set(crowd.queued)
        assert crowd.lanes.left() == 0


@pytest.mark.parametrize("seed", range(12))
def test_invariant_7_a_crowd_takes_each_report_once_and_asks_no_host_for_too_much(
    seed: int,
) -> None:
    _lived(seed)


@pytest.mark.slow
@pytest.mark.parametrize("tens", range(1, 31))
def test_invariant_7_large_crowds_take_each_report_once_and_ask_no_host_for_too_much(
    tens: int,
) -> None:
    for seed in range(10 * tens, 10 * tens + 10):
        _lived(seed)

"""A process that collects one report after another, for real, and tells what came of each, and its memory.

Reads one JSON object, {"url", "folder", "key", "seeds", "threads"}, and writes one.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from reportsync.collect import Tools, Wish, collect
from reportsync.ledger import records
from reportsync.service.world import World, open_world
from reportsync.settings import Config
from reportsync.sources.daily import DailySource
from reportsync.stop import Stop

FIRST = date(1990, 1, 1)  # the day of seed 0
WARM = 14_000  # a seed that is answered well
NOW = datetime(2029, 1, 1, tzinfo=UTC)
HTTP = {"rate": "0", "attempts": "1", "backoff": "0s", "connect_timeout": "5s", "read_timeout": "1s",
        "deadline": "3s", "max_size": "4MiB"}  # fmt: skip


def day_of(seed: int) -> date:
    """Return the day whose report is asked for with `seed`."""
    return FIRST + timedelta(days=seed)


def seed_of(path: str) -> int:
    """Return the seed whose report has the path (or URL) `path`."""
    text = path.partition(".zip")[0][-8:]
    return (datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date() - FIRST).days


def config_of(order: dict[str, Any]) -> Config:
    """Return the configuration for an order."""
    folder = Path(order["folder"])
    app = {
        "name": "one",
        "app_id": "MUTANTS",
        "secret_key": order["key"],
        "base_url": order["url"],
        "since": FIRST,
    }
    storage = {
        "archive": folder / "archive",
        "ledger": f"sqlite:///{folder}/ledger.db",
        "min_free": "0",
    }
    return Config.model_validate({"apps": [app], "storage": storage, "http": HTTP})


def peak() -> int:
    """Return the most memory that this process has had, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


class Asking:
    """Threads that collect the reports of the seeds."""

    def __init__(self, world: World, seeds: Iterator[int]) -> None:
        self.results: list[dict[str, Any]] = []
        self.unhandled: list[str] = []
        self._world = world
        self._seeds = seeds
        self._lock = threading.Lock()

    def run(self, threads: int) -> None:
        threading.excepthook = lambda crash: self.unhandled.append(f"thread: {crash.exc_value!r}")
        workers = [threading.Thread(target=self._work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def _work(self) -> None:
        source = self._source()
        while (seed := self._next()) is not None:
            status = self._one(seed, source)
            if status in (429, 503):  # else a pause that was asked for would hold up the next
                source.close()
                source = self._source()
        source.close()

    def _next(self) -> int | None:
        with self._lock:
            return next(self._seeds, None)

    def _source(self) -> DailySource:
        return DailySource(self._world.config.http, self._world.stop, self._world.clock)

    def _one(self, seed: int, source: DailySource) -> int | None:
        began, app = time.monotonic(), self._world.config.apps[0]
        try:
            ended = collect(app, day_of(seed), Wish(NOW), replace(self.tools(), source=source))
        except Exception:
            self.unhandled.append(f"seed {seed}: {traceback.format_exc()}")
            return None
        told = {
            "seed": seed,
            "outcome": ended.outcome,
            "sha256": ended.sha256,
            "reason": ended.reason,
        }
        self.results.append({**told, "status": ended.status, "seconds": time.monotonic() - began})
        return ended.status

    def tools(self) -> Tools:
        world = self._world
        return Tools(
            world.ledger, world.store, world.source, world.config.http, world.clock, world.stop,
            world.roll, "mutants",
        )  # fmt: skip


def main() -> None:
    """Do one order."""
    order = json.load(sys.stdin)
    config = config_of(order)
    with open_world(config, Stop(), clock=lambda: NOW, roll=lambda: 0.0) as world:
        world.ledger.write(records.cover, "one", FIRST, day_of(WARM))
        warm = Asking(world, iter([WARM]))
        warm.run(1)
        before = peak()
        asking = Asking(world, iter(order["seeds"]))
        asking.run(order["threads"])
        unhandled = warm.unhandled + asking.unhandled
        memory = {"before": before, "after": peak(), "threads": threading.active_count()}
        json.dump(
            {"results": asking.results, "unhandled": unhandled, "warm": warm.results, **memory},
            sys.stdout,
        )


if __name__ == "__main__":
    main()

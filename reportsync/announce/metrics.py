"""Metrics for Prometheus: what the process counted, and gauges from the coverage that it is shown."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reportsync import __version__

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
"""From a small archive on a fast line to the default deadline of a download."""


@dataclass(frozen=True, slots=True)
class AppFigures:
    """What the gauges say of one app: `overdue` counts missing days that are past `alert_after`.

    `damaged` counts those of the stored days whose archive a verification found damaged or lost.
    """

    app: str
    stored: int
    missing: int
    waived: int
    overdue: int
    bytes: int
    newest: date | None
    next_due: datetime | None
    verified_since: datetime | None = None
    damaged: int = 0


Figures = Callable[[], Sequence[AppFigures] | None]
"""Returns the figures of every app, or None while the ledger cannot be read."""


class Metrics:
    """The metrics of one process, in a registry of its own. Safe to use from several threads.

    The labels are apps, their hosts and the outcomes of attempts: their number is bounded by the config.
    """

    def __init__(self) -> None:
        # `_created` would double the series and tell nobody anything.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._attempts = Counter(
            "reportsync_attempts",
            "Attempts to fetch a report since the process started, by how they ended.",
            ["app", "outcome"],
            registry=self._registry,
        )
        self._verified = Counter(
            "reportsync_verified_archives",
            "Archives that the daemon has read again since the process started, by what it found.",
            ["app", "result"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "reportsync_attempt_duration_seconds",
            "How long attempts took, from the claim to the record.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._width = Gauge(
            "reportsync_width",
            "How many reports at once the host is asked for, or was by the last pass that asked it.",
            ["host"],
            registry=self._registry,
        )
        self._last_pass = Gauge(
            "reportsync_last_pass_timestamp_seconds",
            "When the last pass ended; 0 before the first.",
            registry=self._registry,
        )
        self._last_pass_ok = Gauge(
            "reportsync_last_pass_ok",
            "Whether the last pass met neither a storage fault nor an error of the program.",
            registry=self._registry,
        )
        Info("reportsync_build", "Version of the program.", registry=self._registry).info(
            {"version": __version__, "python": platform.python_version()}
        )
        self._coverage = _CoverageCollector()
        self._registry.register(self._coverage)

    def attempt(self, app: str, outcome: str, seconds: float) -> None:
        """Count an attempt at a report of `app` that took `seconds`."""
        self._attempts.labels(app=app, outcome=outcome).inc()
        self._seconds.observe(seconds)

    def width(self, host: str, width: int) -> None:
        """Note that `host` is asked for `width` reports at once."""
        self._width.labels(host=host).set(width)

    def verified(self, app: str, result: str) -> None:
        """Count an archive of `app` that was read again."""
        self._verified.labels(app=app, result=result).inc()

    def pass_ended(self, at: datetime, ok: bool) -> None:
        """Note that a pass ended at the instant `at`, and whether disk, ledger and program were well."""
        self._last_pass.set(at.timestamp())
        self._last_pass_ok.set(ok)

    def show(self, figures: Figures) -> None:
        """Take the gauges about coverage from `figures` from now on; it is called at each scrape."""
        self._coverage.figures = figures

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Return all metrics in the format that suits an Accept header, and its content type."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # the library compares a version such as `abc` with numbers
            encode, content_type = choose_encoder("")
        body: bytes = encode(self._registry)
        return body, content_type


class _CoverageCollector(Collector):
    """Turns figures into gauges at each scrape, so that there are none of an app that is gone."""

    figures: Figures | None = None

    def describe(self) -> list[Metric]:
        """Name nothing beforehand: the registry would otherwise read the ledger to find out."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the families about coverage; only `reportsync_ledger_readable` without a ledger."""
        if self.figures is None:
            return
        found = self.figures()
        yield GaugeMetricFamily(
            "reportsync_ledger_readable",
            "Whether the ledger could be read for this scrape.",
            value=float(found is not None),
        )
        if found is not None:
            yield _reports(found)
            yield from _by_app(found)
            yield from _next_due(found)


def _reports(found: Sequence[AppFigures]) -> Metric:
    family = GaugeMetricFamily(
        "reportsync_reports",
        "Expected days by state; the three states add up to all of them.",
        labels=["app", "state"],
    )
    for one in found:
        for state in ("stored", "missing", "waived"):
            family.add_metric([one.app, state], getattr(one, state))
    return family


def _by_app(found: Sequence[AppFigures]) -> Iterator[Metric]:
    overdue = GaugeMetricFamily(
        "reportsync_overdue_reports",
        "Missing days that have been due for longer than alert_after.",
        labels=["app"],
    )
    damaged = GaugeMetricFamily(
        "reportsync_damaged_reports",
        "Stored days whose archive was found damaged or lost, and not yet right again.",
        labels=["app"],
    )
    newest = GaugeMetricFamily(
        "reportsync_newest_day_timestamp_seconds",
        "The newest stored day, as its midnight in UTC.",
        labels=["app"],
    )
    size = CounterMetricFamily(
        "reportsync_archive_bytes", "Bytes in the archive, all versions.", labels=["app"]
    )
    verified = GaugeMetricFamily(
        "reportsync_oldest_verified_timestamp_seconds",
        "The instant since which every archive was verified: when it was stored, or read again.",
        labels=["app"],
    )
    for one in found:
        if one.verified_since is not None:
            verified.add_metric([one.app], one.verified_since.timestamp())
        overdue.add_metric([one.app], one.overdue)
        damaged.add_metric([one.app], one.damaged)
        size.add_metric([one.app], one.bytes)
        if one.newest is not None:
            midnight = datetime(one.newest.year, one.newest.month, one.newest.day, tzinfo=UTC)
            newest.add_metric([one.app], midnight.timestamp())
    yield from (overdue, damaged, newest, size, verified)


def _next_due(found: Sequence[AppFigures]) -> Iterator[Metric]:
    instants = [one.next_due for one in found if one.next_due is not None]
    if instants:
        yield GaugeMetricFamily(
            "reportsync_next_due_timestamp_seconds",
            "When the next report of any app becomes due.",
            value=min(instants).timestamp(),
        )

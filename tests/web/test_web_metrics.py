"""The metrics: read by a real parser, complete, bounded, and right."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from web_ledger import NOW, Served

from reportsync import __version__
from reportsync.announce.metrics import AppFigures, Metrics

CONTRACT = {
    "reportsync_reports": {"app", "state"},
    "reportsync_newest_day_timestamp_seconds": {"app"},
    "reportsync_last_pass_timestamp_seconds": set(),
    "reportsync_next_due_timestamp_seconds": set(),
    "reportsync_attempts_total": {"app", "outcome"},
    "reportsync_archive_bytes_total": {"app"},
    "reportsync_attempt_duration_seconds_count": set(),
    "reportsync_build_info": {"version", "python"},
}
FIGURES = AppFigures("shop", 7, 2, 1, 1, 4096, date(2026, 7, 28), NOW, NOW, damaged=3)


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every sample of an exposition by its name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def exposed(metrics: Metrics) -> str:
    """Return what a scrape of `metrics` brings, in the plain format."""
    return metrics.exposition()[0].decode()


@pytest.fixture
def fed() -> Metrics:
    """Return metrics that were told of everything."""
    metrics = Metrics()
    metrics.attempt("shop", "stored", 1.5)
    metrics.attempt("shop", "stored", 0.05)
    metrics.attempt("shop", "failed", 700)
    metrics.verified("shop", "damaged")
    metrics.width("api.example.com", 2)
    metrics.width("api.example.com", 4)
    metrics.pass_ended(NOW, ok=True)
    metrics.show(lambda: [FIGURES])
    return metrics


def test_every_metric_of_the_contract_is_there_with_its_labels_and_a_help_text(
    fed: Metrics,
) -> None:
    text = exposed(fed)
    found = samples(text)
    for name, labels in CONTRACT.items():
        assert {frozenset(k for k, _ in key[1]) for key in found if key[0] == name} == {
            frozenset(labels)
        }, name
    assert all(family.documentation for family in text_string_to_metric_families(text))
    assert "_created" not in text


def test_counters_and_gauges_say_what_they_were_told(fed: Metrics) -> None:
    found = samples(exposed(fed))
    app = ("app", "shop")
    assert found["reportsync_attempts_total", (app, ("outcome", "stored"))] == 2
    assert found["reportsync_attempts_total", (app, ("outcome", "failed"))] == 1
    assert found["reportsync_attempt_duration_seconds_bucket", (("le", "2.5"),)] == 2
    assert found["reportsync_attempt_duration_seconds_sum", ()] == 701.55
    assert found["reportsync_last_pass_timestamp_seconds", ()] == NOW.timestamp()
    assert found["reportsync_last_pass_ok", ()] == 1
    for state, count in (("stored", 7), ("missing", 2), ("waived", 1)):
        assert found["reportsync_reports", (app, ("state", state))] == count
    assert found["reportsync_overdue_reports", (app,)] == 1
    assert found["reportsync_damaged_reports", (app,)] == 3
    assert found["reportsync_archive_bytes_total", (app,)] == 4096
    midnight = datetime(2026, 7, 28, tzinfo=UTC).timestamp()
    assert found["reportsync_newest_day_timestamp_seconds", (app,)] == midnight
    assert found["reportsync_next_due_timestamp_seconds", ()] == NOW.timestamp()
    assert found["reportsync_oldest_verified_timestamp_seconds", (app,)] == NOW.timestamp()
    assert found["reportsync_verified_archives_total", (app, ("result", "damaged"))] == 1
    assert found["reportsync_width", (("host", "api.example.com"),)] == 4
    assert found["reportsync_build_info", (
        ("python", __import__("platform").python_version()), ("version", __version__),
    )] == 1  # fmt: skip


def test_there_are_no_gauges_of_an_app_that_is_gone(fed: Metrics) -> None:
    fed.show(list)
    text = exposed(fed)
    assert "reportsync_reports{" not in text
    assert "reportsync_next_due" not in text
    assert 'reportsync_attempts_total{app="shop"' in text


def test_without_a_readable_ledger_the_counters_remain(fed: Metrics) -> None:
    fed.show(lambda: None)
    found = samples(exposed(fed))
    assert found["reportsync_ledger_readable", ()] == 0
    assert not [key for key in found if key[0] == "reportsync_reports"]
    assert found["reportsync_attempts_total", (("app", "shop"), ("outcome", "stored"))] == 2


def test_two_sets_of_metrics_in_one_process_do_not_mix(fed: Metrics) -> None:
    assert "reportsync_attempts_total{" not in exposed(Metrics())


def test_values_of_labels_are_escaped() -> None:
    metrics = Metrics()
    odd = 'a"b\\c\nd'
    metrics.attempt(odd, "stored", 1)
    assert (
        samples(exposed(metrics))[
            "reportsync_attempts_total", (("app", odd), ("outcome", "stored"))
        ]
        == 1
    )


def test_openmetrics_is_spoken_to_those_who_ask_for_it(fed: Metrics) -> None:
    body, kind = fed.exposition("application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    parse: Callable[[str], Any] = openmetrics.text_string_to_metric_families
    names = {family.name for family in parse(body.decode())}
    assert {"reportsync_attempts", "reportsync_archive_bytes", "reportsync_build"} <= names


def test_a_scrape_over_http_agrees_with_the_ledger(page: Served) -> None:
    code, headers, body = page.ask("/metrics")
    assert code == 200
    assert headers["Content-Type"].startswith("text/plain; version=")
    found = samples(body.decode())
    states = {
        dict(key[1])["state"]: value
        for key, value in found.items()
        if key[0] == "reportsync_reports" and ("app", "shop-india") in key[1]
    }
    assert states == {"stored": 688, "missing": 5, "waived": 4}
    assert found["reportsync_overdue_reports", (("app", "shop-india"),)] == 5
    assert found["reportsync_ledger_readable", ()] == 1
    assert found["reportsync_next_due_timestamp_seconds", ()] == (
        datetime(2026, 7, 30, 22, 30, tzinfo=UTC).timestamp()
    )


@pytest.mark.tool("promtool")
def test_promtool_finds_nothing_to_complain_about(fed: Metrics, tool: Callable[[str], str]) -> None:
    checked = subprocess.run(
        [tool("promtool"), "check", "metrics"],
        input=exposed(fed), capture_output=True, text=True,
    )  # fmt: skip
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")

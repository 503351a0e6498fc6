"""Alerts and dashboard: right by Prometheus' own tool, and only about metrics that there are."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from reportsync.announce.metrics import AppFigures, Metrics
from reportsync.settings import EVENTS

Tool = Callable[[str], str]


@pytest.fixture
def folder(jobs: Path) -> Path:
    """Return the folder of what Prometheus reads."""
    return jobs / "prometheus"


@pytest.fixture
def rules(folder: Path) -> list[dict[str, Any]]:
    """Return the alert rules."""
    (group,) = yaml.safe_load((folder / "alerts.yaml").read_text())["groups"]
    found = group["rules"]
    assert isinstance(found, list)
    return found


@pytest.fixture
def board(folder: Path) -> dict[str, Any]:
    """Return the dashboard."""
    found = json.loads((folder / "dashboard.json").read_text())
    assert isinstance(found, dict)
    return found


@pytest.fixture
def samples() -> dict[str, set[str]]:
    """Return every sample's name that a daemon exposes, with the names of its labels."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    figures = AppFigures(
        app="shop-de", stored=1, missing=1, waived=0, overdue=1, bytes=1,
        newest=date(2026, 11, 21), next_due=now, damaged=1,
    )  # fmt: skip
    metrics = Metrics()
    metrics.attempt("shop-de", "stored", 0.2)
    metrics.pass_ended(now, True)
    metrics.show(lambda: [figures])
    text = metrics.exposition()[0].decode()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def expressions(rules: list[dict[str, Any]], board: dict[str, Any]) -> list[str]:
    """Return every expression of the alerts and the dashboard."""
    shown = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return [rule["expr"] for rule in rules] + shown


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in `cwd` and return what it said."""
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True)


@pytest.mark.tool("promtool")
def test_prometheus_takes_the_alerts_and_the_scrape_config(folder: Path, tool: Tool) -> None:
    for kind, name in (("rules", "alerts.yaml"), ("config", "scrape.yaml")):
        found = run(tool("promtool"), "check", kind, name, cwd=folder)
        assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.tool("promtool")
def test_each_alert_fires_when_it_should_and_not_before(folder: Path, tool: Tool) -> None:
    found = run(tool("promtool"), "test", "rules", "alerts.test.yaml", cwd=folder)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.tool("promtool")
def test_prometheus_takes_each_expression_of_the_dashboard(
    board: dict[str, Any], tmp_path: Path, tool: Tool
) -> None:
    asked = [
        {"record": f"panel:number:{panel['id']}", "expr": target["expr"]}
        for panel in board["panels"]
        for target in panel["targets"]
    ]
    group = {"groups": [{"name": "dashboard", "rules": asked}]}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(group))
    found = run(tool("promtool"), "check", "rules", "rules.yaml", cwd=tmp_path)
    assert found.returncode == 0, found.stdout + found.stderr


def test_every_alert_is_tested_both_ways(folder: Path, rules: list[dict[str, Any]]) -> None:
    cases = yaml.safe_load((folder / "alerts.test.yaml").read_text())["tests"]
    fired: set[tuple[str, bool]] = {
        (one["alertname"], bool(one["exp_alerts"]))
        for case in cases
        for one in case["alert_rule_test"]
    }
    assert fired == {(rule["alert"], fires) for rule in rules for fires in (True, False)}


def test_every_alert_has_patience_a_severity_and_a_way_on(rules: list[dict[str, Any]]) -> None:
    assert len(rules) == 6
    for rule in rules:
        assert re.fullmatch(r"[1-9]\d*m", rule["for"])
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "runbook"}


def test_alerts_and_dashboard_ask_only_for_metrics_and_labels_that_there_are(
    rules: list[dict[str, Any]], board: dict[str, Any], samples: dict[str, set[str]]
) -> None:
    asked = {
        name for one in expressions(rules, board) for name in re.findall(r"reportsync_\w+", one)
    }
    assert asked - samples.keys() == set()
    assert len(asked) >= 8
    for expression in expressions(rules, board):
        for name, matchers in re.findall(r"(reportsync_\w+)\{([^}]*)\}", expression):
            assert set(re.findall(r"(\w+)=", matchers)) <= samples[name]


def test_the_dashboard_is_small_and_whole(board: dict[str, Any]) -> None:
    panels = board["panels"]
    assert 5 <= len(panels) <= 7
    assert len({panel["id"] for panel in panels}) == len(panels)
    (variable,) = board["templating"]["list"]
    for panel in panels:
        assert panel["datasource"]["uid"] == f"${{{variable['name']}}}"
        assert panel["title"]
        assert panel["description"]
    cells = [
        (x, y)
        for one in (panel["gridPos"] for panel in panels)
        for x in range(one["x"], one["x"] + one["w"])
        for y in range(one["y"], one["y"] + one["h"])
    ]
    assert len(cells) == len(set(cells)), "panels overlap"
    assert max(x for x, _ in cells) < 24


def test_the_runbook_knows_every_alert_and_every_notice(
    jobs: Path, rules: list[dict[str, Any]]
) -> None:
    text = (jobs / "backfill" / "README.md").read_text()
    table = text.partition("## Incidents and alerts")[2].partition("\n## ")[0]
    assert set(re.findall(r"`(Reportsync\w+)`", table)) == {rule["alert"] for rule in rules}
    assert set(re.findall(r"^\| (\w+) \|", table, re.MULTILINE)) - {"notice"} == set(EVENTS)

"""What is made from the settings: the example, `config show`, the JSON Schema."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from config_files import APP, ENVIRON, LoadText, Problems

from reportsync.config import load, schema, show, show_data, template
from reportsync.settings import App, Config, Schedule

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"

FULL = (
    APP
    + """\
    until: 2026-06-30
    base_url: https://api-02.moengage.com/v1
    timezone: Asia/Kolkata
  - {name: second, app_id: X1, secret_key: ['${env:A}', '${env:B}'], data_center: 101,
     since: 20260301}
defaults: {report_time: 12:30, buffer: 90m, retry_every: 45m, retry_at_most: 12h, alert_after: 3d}
storage: {archive: /srv/zips, ledger: 'postgresql://me:${env:A}@db.test/r', min_free: 0}
http: {connect_timeout: 3s, read_timeout: 90s, deadline: 1h30m, attempts: 5, backoff: 0s,
  rate: 30/m, workers: 2, max_size: 100MiB,
  proxy: 'http://me:${env:A}@proxy.test:3128', ca_file: null}
daemon: {interval: 1m, listen: off, grace: 5s}
log: {level: debug, format: journal}
notify: {healthchecks: 'https://hc.test/${env:A}', urls: ['slack://${env:A}'], on: [late, storage]}
hooks: {arrival: "load $${FILE} && echo 'it: is'", timeout: 90s}
"""
)
SECRETS = {"A": "first-key-of-outputs", "B": "second-key-of-outputs", **ENVIRON}


def as_editors_see(text: str) -> Any:
    """Read YAML as version 1.2 has it, as editors do: numbers, null and booleans, nothing else."""

    def value(node: Any) -> Any:
        if isinstance(node, yaml.MappingNode):
            return {key.value: value(item) for key, item in node.value}
        if isinstance(node, yaml.SequenceNode):
            return [value(item) for item in node.value]
        if node.style:
            return node.value
        if re.fullmatch(r"[-+]?[0-9]+", node.value):
            return int(node.value)
        return {"null": None, "~": None, "": None, "true": True}.get(node.value, node.value)

    return value(yaml.compose(text, yaml.SafeLoader))


def valid(text: str) -> bool:
    return bool(jsonschema.Draft202012Validator(schema()).is_valid(as_editors_see(text)))


def test_the_example_in_the_repository_is_the_template() -> None:
    assert EXAMPLE.read_text() == template()


def test_the_example_loads_and_says_the_defaults() -> None:
    config = load(EXAMPLE, ENVIRON).config
    assert config == Config(apps=config.apps)
    assert config.apps[0].base_url == "https://api-01.moengage.com"


def test_the_example_loads_with_its_comments_opened(load_text: LoadText) -> None:
    opened = re.sub(r"(?m)^    # (?=\w+: )", "    ", template())
    (app,) = load_text(opened).config.apps
    assert app.until is not None
    assert app.timezone.key == "Asia/Kolkata"


def test_the_example_names_every_key() -> None:
    lines = template()
    for model in (App, *(type(block) for _, block in load(EXAMPLE, ENVIRON).config)):
        for key in getattr(model, "model_fields", {}):
            assert re.search(rf"(?m)^[ #-]*{key}: ", lines), key


def test_show_begins_with_the_file_and_masks_every_secret(load_text: LoadText) -> None:
    loaded = load_text(FULL, SECRETS)
    text = show(loaded)
    assert text.startswith(f"# from {loaded.path} (--config)\napps:\n- name: shop-de\n")
    for secret in SECRETS.values():
        assert secret not in text
        assert secret not in json.dumps(show_data(loaded))
    assert text.count("***") == 7


def test_show_loads_again_once_its_secrets_are_put_back(load_text: LoadText) -> None:
    loaded = load_text(FULL, SECRETS)
    text = show(loaded)
    for original in (
        "'${env:SHOP_DE_KEY}'", "'${env:A}'", "'${env:B}'", "me:${env:A}@", "me:${env:A}@",
        "'https://hc.test/${env:A}'", "'slack://${env:A}'",
    ):  # fmt: skip
        text = re.sub(r"'\*\*\*'|me:\*\*\*@", original, text, count=1)
    assert load_text(text, SECRETS).config == loaded.config


def test_show_data_has_the_keys_of_the_contract(load_text: LoadText) -> None:
    data = show_data(load_text(APP))
    assert list(data) == ["apps", "storage", "http", "daemon", "verify", "log", "notify", "hooks"]
    assert data["apps"] == [
        {
            "name": "shop-de", "app_id": "DAO6UGZ73D9RTK8B5W96TPYN", "secret_key": "***",
            "data_center": "01", "base_url": "https://api-01.moengage.com", "since": "2026-01-01",
            "until": None, "timezone": "UTC", "report_time": "02:00", "buffer": "2h",
            "retry_every": "30m", "retry_at_most": "1d", "alert_after": "12h",
        }
    ]  # fmt: skip
    assert data["http"]["rate"] == "2/s"
    assert data["daemon"] == {
        "interval": "5m", "listen": "127.0.0.1:8321", "hosts": [], "grace": "30s"
    }  # fmt: skip
    assert json.loads(json.dumps(data)) == data


def test_the_schema_is_one_and_takes_the_example() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert valid(template())
    assert valid(FULL)
    assert valid("apps: [{name: 1, app_id: 123, secret_key: x, data_center: 1, since: 20260101}]")
    assert valid(APP + "http:\nhooks:\n")


@pytest.mark.parametrize(
    "value", ["report_time: ${env:T}", "since: ${file:x}", "until: '${env:X}'"]
)
def test_the_schema_takes_references_anywhere(value: str) -> None:
    key = value.partition(":")[0]
    assert valid(
        "\n".join(line for line in APP.splitlines() if key not in line) + f"\n    {value}\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "{}", "apps: []", APP.replace("data_center: 01", ""), APP.replace("since: 2026-01-01", ""),
        APP + "htpp: {}\n", APP + "http: {workers: 257}\n", APP + "http: {workers: 'x'}\n",
        APP + "http: {rate: 2/d}\n", APP + "log: {level: INFO}\n", APP + "notify: {on: [x]}\n",
        APP + "defaults: {buffer: 2}\n", APP + "defaults: {base_url: 'https://x'}\n",
        APP + "daemon: {listen: 1}\n", APP + "    timezone: [UTC]\n", APP + "    zone: UTC\n",
    ],
)  # fmt: skip
def test_the_schema_refuses_what_the_loader_refuses(text: str, problems: Problems) -> None:
    assert not valid(text)
    assert problems(text)


def test_the_schema_has_a_sentence_and_a_default_for_each_key() -> None:
    made = schema()
    for name in ("Schedule", "Storage", "Http", "Daemon", "Log", "Notify", "Hooks"):
        for key, field in made["$defs"][name]["properties"].items():
            assert field.get("description"), key
            assert "default" in field, key
    app = made["$defs"]["App"]["properties"]
    assert all(field.get("description") for field in app.values())
    assert app["buffer"]["default"] == made["$defs"]["Schedule"]["properties"]["buffer"]["default"]
    assert app["buffer"]["default"] == "2h"
    assert set(Schedule.model_fields) <= set(app)

"""The apps that the sandbox knows: from a config, made up, and back into a config."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from unittest import mock
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr
from sandbox_client import NOW, status

from reportsync import config
from reportsync.errors import ConfigError
from reportsync.sandbox import Sandbox, SandboxApp, load_apps, sample_apps, sample_config
from reportsync.settings import App

OWN = """
apps:
  - name: shop-de
    app_id: OWNAPP01
    secret_key: ["${env:OWN_KEY}", "${env:OWN_KEY:-x}-old"]
    data_center: 03
    since: 2026-11-01
    until: 2026-12-31
    timezone: Asia/Kolkata
    report_time: "05:30"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_an_app_of_a_config_has_the_same_id_keys_days_and_schedule() -> None:
    app = App(
        name="shop-de",
        app_id="ABC",
        secret_key=(SecretStr("one"), SecretStr("two")),
        base_url="https://api-01.moengage.com",
        since=date(2026, 1, 1),
        until=date(2026, 6, 30),
        timezone=ZoneInfo("Asia/Kolkata"),
        report_time=time(5, 30),
    )
    assert SandboxApp.from_app(app) == SandboxApp(
        app_id="ABC",
        secret_keys=("one", "two"),
        since=date(2026, 1, 1),
        until=date(2026, 6, 30),
        timezone=ZoneInfo("Asia/Kolkata"),
        report_time=time(5, 30),
        name="shop-de",
    )


def test_a_key_does_not_show_in_the_text_of_an_app() -> None:
    assert "hush" not in repr(SandboxApp("A", ("hush",), since=date(2026, 1, 1)))


def test_a_report_is_ready_after_schedule_and_generation_in_the_zone_of_the_app() -> None:
    app = SandboxApp(
        "A", ("k",), date(2026, 1, 1), ZoneInfo("Europe/Berlin"), time(2, 30), timedelta(hours=1)
    )
    # On 2026-03-29 02:30 does not exist in Berlin: it is 03:30, and ready at 04:30 summer time.
    spring = datetime(2026, 3, 29, 4, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert app.ready_at(date(2026, 3, 28)) == spring


def test_the_last_days_of_the_calendar_are_never_ready() -> None:
    app = SandboxApp("A", ("k",), date(2026, 1, 1), until=date.max)
    assert app.ready_at(date.max) is None


def test_the_users_own_config_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN_KEY", "from-outside")
    (app,) = load_apps(write(tmp_path, OWN))
    assert (app.name, app.app_id, app.secret_keys) == (
        "shop-de", "OWNAPP01", ("from-outside", "from-outside-old"),
    )  # fmt: skip
    assert (app.timezone, app.report_time) == (ZoneInfo("Asia/Kolkata"), time(5, 30))


def test_a_wrong_config_is_refused_as_everywhere(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load_apps(write(tmp_path, "apps: []\n"))


def test_the_made_up_apps_have_reports_of_the_days_before_today() -> None:
    apps = sample_apps(NOW.date(), days=5)
    with Sandbox(apps, clock=lambda: NOW) as sandbox:
        for app in apps:
            got = [status(sandbox, app, date(2026, 11, day)) for day in (17, 18, 22, 23)]
            assert got == [404, 200, 200, 404]


def test_the_config_for_the_made_up_apps_loads_as_these_apps(tmp_path: Path) -> None:
    apps = tuple(replace(app, until=date(2027, 1, 1)) for app in sample_apps(NOW.date()))
    path = write(tmp_path, sample_config("http://127.0.0.1:8399", apps))
    loaded = config.load(path, {}).config
    assert {app.base_url for app in loaded.apps} == {"http://127.0.0.1:8399"}
    assert loaded.storage.archive.is_relative_to(tmp_path)
    plain = tuple(replace(app, generation_takes=timedelta(0)) for app in apps)
    assert load_apps(path) == plain


def test_the_config_for_the_users_own_apps_names_a_variable_in_place_of_the_key(
    tmp_path: Path,
) -> None:
    app = SandboxApp("OWNAPP01", ("hush-hush", "hush-too"), date(2026, 1, 1), name="shop-de")
    text = sample_config("http://127.0.0.1:8399", [app])
    assert "hush" not in text
    loaded = config.load(write(tmp_path, text), {"SHOP_DE_KEY": "hush-hush"}).config
    assert [key.get_secret_value() for key in loaded.apps[0].secret_key] == ["hush-hush"]


def test_the_config_for_the_users_own_apps_refers_to_keys_as_theirs_does(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "key").write_text("from-a-file\n")
    text = OWN.replace(
        '["${env:OWN_KEY}", "${env:OWN_KEY:-x}-old"]', '["${env:OWN_KEY}", "${file:key}"]'
    )
    path = write(tmp_path / "own", text)
    environ = {"OWN_KEY": "from-the-environment"}
    with mock.patch.dict(os.environ, environ):
        text = sample_config("http://127.0.0.1:8399", load_apps(path))
    assert "from-" not in text
    (app,) = config.load(write(tmp_path, text), environ).config.apps
    keys = [key.get_secret_value() for key in app.secret_key]
    assert keys == ["from-the-environment", "from-a-file"]


@pytest.mark.parametrize(
    "key", ["literally-hush-hush", "${env:HUSH:-hush-hush}", "${env:A}hush-hush"]
)
def test_a_key_that_is_no_mere_reference_is_asked_for_by_a_variable_of_its_own(
    tmp_path: Path, key: str
) -> None:
    one = OWN.replace('["${env:OWN_KEY}", "${env:OWN_KEY:-x}-old"]', f'"{key}"')
    two = one.replace("shop-de", "shop_de").replace("OWNAPP01", "OWNAPP02").replace("\napps:\n", "")
    with mock.patch.dict(os.environ, {"A": "aaaa"}):
        text = sample_config("http://127.0.0.1:8399", load_apps(write(tmp_path, one + two)))
    assert "hush-hush" not in text
    for variable, name in (("SHOP_DE_KEY", "shop-de"), ("SHOP_DE2_KEY", "shop_de")):
        assert f"# First: export {variable}=...  # the key of {name}\n" in text
    environ = {"SHOP_DE_KEY": "first-key", "SHOP_DE2_KEY": "second-key"}
    loaded = config.load(write(tmp_path, text), environ).config
    keys = [app.secret_key[0].get_secret_value() for app in loaded.apps]
    assert keys == ["first-key", "second-key"]


def test_an_invented_variable_is_none_that_the_users_own_config_names(tmp_path: Path) -> None:
    one = OWN.replace('["${env:OWN_KEY}", "${env:OWN_KEY:-x}-old"]', '"literally-hush-hush"')
    two = OWN.replace('["${env:OWN_KEY}", "${env:OWN_KEY:-x}-old"]', '"${env:SHOP_DE_KEY}"')
    two = two.replace("shop-de", "other").replace("OWNAPP01", "OWNAPP02").replace("\napps:\n", "")
    environ = {"SHOP_DE_KEY": "key-of-the-other"}
    with mock.patch.dict(os.environ, environ):
        text = sample_config("http://127.0.0.1:8399", load_apps(write(tmp_path, one + two)))
    environ["SHOP_DE2_KEY"] = "key-of-the-shop"
    loaded = config.load(write(tmp_path, text), environ).config
    keys = [app.secret_key[0].get_secret_value() for app in loaded.apps]
    assert keys == ["key-of-the-shop", "key-of-the-other"]


@pytest.mark.parametrize(
    "keys",
    ['["literally-hush-hush", "${env:OWN_KEY}"]', '["${env:OWN_KEY}", "${env:X:-hush-hush}"]'],
)
def test_of_two_keys_the_one_that_is_a_reference_is_kept_and_suffices(
    tmp_path: Path, keys: str
) -> None:
    text = OWN.replace('["${env:OWN_KEY}", "${env:OWN_KEY:-x}-old"]', keys)
    environ = {"OWN_KEY": "from-outside"}
    with mock.patch.dict(os.environ, environ):
        apps = load_apps(write(tmp_path, text))
        text = sample_config("http://127.0.0.1:8399", apps)
    assert "hush-hush" not in text
    (app,) = config.load(write(tmp_path, text), environ).config.apps
    assert [key.get_secret_value() for key in app.secret_key] == ["from-outside"]
    assert len(apps[0].secret_keys) == 2, "the sandbox takes both"


@pytest.mark.parametrize(
    "name", ["k\x9by", "k\x85y", "k\u2028y", "k y # z", "k'\"y", "k\U0001f511"]
)
def test_a_file_of_any_name_is_referred_to_so_that_the_config_loads(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / name).write_text("from-a-file")
    app = SandboxApp(
        "OWNAPP01", ("from-a-file",), date(2026, 1, 1), name="shop-de",
        references=(f"${{file:{tmp_path}/own/{name}}}",),
    )  # fmt: skip
    text = sample_config("http://127.0.0.1:8399", [app])
    assert "\x9b" not in text
    (loaded,) = config.load(write(tmp_path, text), {}).config.apps
    assert loaded.secret_key[0].get_secret_value() == "from-a-file"


def test_an_app_whose_name_begins_with_a_digit_gets_a_variable_that_can_be_set(
    tmp_path: Path,
) -> None:
    app = SandboxApp("OWNAPP01", ("hush-hush",), date(2026, 1, 1), name="24h-shop")
    text = sample_config("http://127.0.0.1:8399", [app])
    loaded = config.load(write(tmp_path, text), {"APP_24H_SHOP_KEY": "hush-hush"}).config
    assert loaded.apps[0].name == "24h-shop"

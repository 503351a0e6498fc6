"""What a config file says is what the Config holds, and all that is wrong is told at once."""

from __future__ import annotations

from datetime import date, time, timedelta
from pathlib import Path

import pytest
from config_files import APP, ENVIRON, LoadText, Problems, Write

from reportsync.config import load
from reportsync.errors import ConfigError
from reportsync.settings import Config, Http


def test_a_file_with_one_app_has_defaults_for_all_else(load_text: LoadText) -> None:
    loaded = load_text(APP)
    (app,) = loaded.config.apps
    assert (app.name, app.app_id) == ("shop-de", "DAO6UGZ73D9RTK8B5W96TPYN")
    assert [key.get_secret_value() for key in app.secret_key] == [ENVIRON["SHOP_DE_KEY"]]
    assert (app.since, app.until) == (date(2026, 1, 1), None)
    assert app.base_url == "https://api-01.moengage.com"
    assert (app.timezone.key, app.report_time, app.buffer) == ("UTC", time(2), timedelta(hours=2))
    assert loaded.config == Config(apps=(app,))
    assert loaded.warnings == ()


def test_values_are_read_as_the_text_that_they_are(load_text: LoadText) -> None:
    text = APP.replace("DAO6UGZ73D9RTK8B5W96TPYN", "00123").replace("2026-01-01", "20260101")
    loaded = load_text(
        text.replace("shop-de\n", "no\n")
        + "defaults:\n  report_time: 12:30\ndaemon: {listen: off}\nhttp:\n  rate: 30/m\n"
    )
    (app,) = loaded.config.apps
    assert (app.name, app.app_id, app.since) == ("no", "00123", date(2026, 1, 1))
    assert app.report_time == time(12, 30)
    assert loaded.config.daemon.listen is None
    assert loaded.config.http.rate == 0.5


def test_defaults_stand_under_each_app_and_the_app_wins(load_text: LoadText) -> None:
    second = APP.removeprefix("apps:\n").replace("shop-de", "shop-in").replace("TPYN", "XXXX")
    loaded = load_text(
        APP
        + second
        + "    timezone: Asia/Kolkata\n"
        + "defaults:\n  timezone: Europe/Berlin\n  buffer: 90m\n"
    )
    zones = [app.timezone.key for app in loaded.config.apps]
    assert zones == ["Europe/Berlin", "Asia/Kolkata"]
    assert [app.buffer for app in loaded.config.apps] == [timedelta(minutes=90)] * 2


def test_two_keys_are_kept_in_their_order(load_text: LoadText) -> None:
    text = APP.replace("${env:SHOP_DE_KEY}", "['${env:NEW}', '${env:OLD}']")
    (app,) = load_text(text, {"NEW": "new-key-0001", "OLD": "old-key-0001"}).config.apps
    assert [key.get_secret_value() for key in app.secret_key] == ["new-key-0001", "old-key-0001"]


@pytest.mark.parametrize(("written", "host"), [("1", "01"), ("02", "02"), ("101", "101")])
def test_a_data_center_is_a_number_of_one_to_three_digits(
    load_text: LoadText, written: str, host: str
) -> None:
    (app,) = load_text(APP.replace("data_center: 01", f"data_center: {written}")).config.apps
    assert app.base_url == f"https://api-{host}.moengage.com"


def test_a_base_url_overrides_the_data_center_and_may_carry_a_path(load_text: LoadText) -> None:
    (app,) = load_text(APP + "    base_url: https://API-02.moengage.com/v1/\n").config.apps
    assert app.base_url == "https://api-02.moengage.com/v1"


def test_an_empty_value_is_none_where_a_value_is_optional(load_text: LoadText) -> None:
    config = load_text(
        APP.replace("data_center: 01", "data_center: null")
        + "    until:\n    base_url: https://api-01.moengage.com\n"
        + "http:\n  proxy: null\n  ca_file: ${env:NOT_SET:-}\n"
        + "hooks:\nnotify:\n  healthchecks:\ndefaults:\n"
    ).config
    assert config.apps[0].until is None
    assert config.http == Http()
    assert config.notify.healthchecks is None


def test_paths_start_from_the_folder_of_the_file(load_text: LoadText, tmp_path: Path) -> None:
    storage = load_text(APP + "storage: {archive: data/zips, ledger: sqlite:///l.db}\n").config
    assert storage.storage.archive == tmp_path / "data" / "zips"
    assert storage.storage.ledger == f"sqlite:///{tmp_path}/l.db"
    assert storage.storage.ledger.startswith("sqlite:////")


def test_a_tilde_is_the_home_folder(
    load_text: LoadText, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    config = load_text(APP + "storage: {archive: ~/zips, ledger: 'sqlite:///~/l.db'}\n").config
    assert config.storage.archive == tmp_path / "me" / "zips"
    assert config.storage.ledger == f"sqlite:///{tmp_path}/me/l.db"


def test_a_home_that_does_not_exist_is_told(problems: Problems) -> None:
    assert problems(APP + "storage: {archive: ~nobody-here/zips}\n") == [
        "config.yaml:7:20: storage.archive: begins with ~, and there is no such home folder"
    ]


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_the_driver_of_postgresql_is_named(load_text: LoadText, scheme: str) -> None:
    text = APP + f"storage: {{ledger: '{scheme}://sync:${{env:PW}}@db:5432/reports?sslmode=on'}}\n"
    config = load_text(text, {**ENVIRON, "PW": "pg-pass-of-tests"}).config
    expected = "postgresql+psycopg://sync:pg-pass-of-tests@db:5432/reports?sslmode=on"
    assert config.storage.ledger == expected


def test_a_missing_driver_of_postgresql_is_told_with_the_remedy(
    problems: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    assert problems(APP + "storage:\n  ledger: postgresql://db/reports\n") == [
        "config.yaml:8:11: storage.ledger: needs a driver; run: pip install 'reportsync[postgres]'"
    ]


def test_a_ca_file_must_be_there_and_hold_certificates(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    assert problems(APP + "http:\n  ca_file: absent.pem\n") == [
        "config.yaml:8:12: http.ca_file: cannot be read: No such file or directory"
    ]
    assert problems(APP + "http:\n  ca_file: empty.pem\n") == [
        "config.yaml:8:12: http.ca_file: holds no certificate in PEM form"
    ]
    assert problems(APP + "http:\n  ca_file: ~nobody-here/ca.pem\n") == [
        "config.yaml:8:12: http.ca_file: begins with ~, and there is no such home folder"
    ]


def test_a_ca_file_is_found_beside_the_config(load_text: LoadText, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    assert load_text(APP + "http:\n  ca_file: ca.pem\n").config.http.ca_file == tmp_path / "ca.pem"


def test_all_problems_are_told_at_once_with_line_column_and_key(problems: Problems) -> None:
    text = """\
apps:
  - name: shop-de
    app_id: DAO6|UGZ
    secretkey: ${env:SHOP_DE_KEY}
    data_center: 010
    since: 2026-1-1
    timezone: Europe/Berln
  - name: Shop-DE
    app_id: ABC
    secret_key: ${env:ABSENT_KEY}
    since: 2026-01-01
    until: 2025-12-31
  - shop-in
http:
  workers: 257
  rate: many
  timezone: UTC
log: {level: INFO, format: [json]}
notify: {on: [late, rejectd], urls: mailto}
hooks: 3
htpp: {}
defaults:
  buffer: 2
"""
    assert problems(text) == [
        "config.yaml:2:5: apps.shop-de.secret_key: is missing; "
        "for example secret_key: ${env:SHOP_DE_KEY}",
        "config.yaml:3:13: apps.shop-de.app_id: must be 1 to 64 letters A-Z a-z, digits, _ or -",
        "config.yaml:4:5: apps.shop-de.secretkey: is unknown here; did you mean secret_key?",
        "config.yaml:5:18: apps.shop-de.data_center: "
        "is not a data center; known are 01, 02, 03, 04, 05, 06 and 101",
        "config.yaml:6:12: apps.shop-de.since: is not a day; write it as YYYY-MM-DD or YYYYMMDD",
        "config.yaml:7:15: apps.shop-de.timezone: is not a time zone; did you mean Europe/Berlin?",
        "config.yaml:8:5: apps.Shop-DE.data_center: "
        "is missing; give the number of the data center (01 to 06, 101) or a base_url",
        "config.yaml:8:11: apps.Shop-DE.name: "
        "is the name of the app in line 2 too (upper and lower case are one)",
        "config.yaml:10:17: apps.Shop-DE.secret_key: the environment variable ABSENT_KEY is not "
        "set; set it, or write ${env:ABSENT_KEY:-default}",
        "config.yaml:12:12: apps.Shop-DE.until: is earlier than since",
        "config.yaml:13:5: apps[2]: must be a block of keys",
        "config.yaml:15:12: http.workers: must be 256 at most",
        "config.yaml:16:9: http.rate: "
        "is not a rate; write it as 2/s, 30/m, 100/h, or 0 for no limit",
        "config.yaml:17:3: http.timezone: is unknown here; it belongs to apps or defaults",
        "config.yaml:18:14: log.level: must be debug, info, warning or error; did you mean info?",
        "config.yaml:18:28: log.format: must be a single value",
        "config.yaml:19:21: notify.on[1]: "
        "must be late, rejected, damaged, storage or recovered; did you mean rejected?",
        "config.yaml:19:37: notify.urls: must be a list",
        "config.yaml:20:8: hooks: must be a block of keys",
        "config.yaml:21:1: htpp: is unknown here; did you mean http?",
        "config.yaml:23:11: defaults.buffer: "
        "is not a duration; write it with its unit: 90s, 30m, 2h, 1d, 1h30m or 0s",
    ]


def test_the_error_names_the_first_problem_and_the_command_that_lists_all(write: Write) -> None:
    path = write(APP + "http:\n  workers: 0\n  attempts: 21\n")
    with pytest.raises(ConfigError) as caught:
        load(path, ENVIRON)
    error = caught.value
    assert error.message == (
        f"the config file cannot be used: {path}:8:12: http.workers: must be 1 at least "
        "(and 1 more)"
    )
    assert error.hint == f"mend that, then see: reportsync --config {path} config validate"
    assert (error.path, error.exit_code, len(error.problems)) == (path, 78, 2)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1:1: apps: is missing"),
        ("# nothing\n", "1:1: apps: is missing"),
        ("apps:\n", "1:6: apps: must not be empty"),
        ("apps: []\n", "1:7: apps: must not be empty"),
        ("apps: shop\n", "1:7: apps: must be a list"),
        ("apps: {shop: 1}\n", "1:7: apps: must be a list"),
        ("- apps\n", "1:1: the file must be a block of keys"),
        ("apps\n", "1:1: the file must be a block of keys"),
        (APP + "defaults: 2\n", "7:11: defaults: must be a block of keys"),
        (APP + "http: [1]\n", "7:7: http: must be a block of keys"),
        (APP + "    until: [1]\n", "7:12: apps.shop-de.until: must be a single value"),
        (APP + "    buffer:\n", "7:12: apps.shop-de.buffer: must not be empty; leave the key out"),
        (APP + "    base_url: []\n", "7:15: apps.shop-de.base_url: must be a single value"),
        (APP.replace(" shop-de", ""), "2:10: apps[0].name: must not be empty"),
        (APP + "daemon: {interval: 0s}\n", "7:20: daemon.interval: must be 1s at least"),
        (APP + "http: {rate: [1]}\n", "7:14: http.rate: must be a single value"),
        (APP + "hooks: {arrival: ''}\n", "7:18: hooks.arrival: must not be empty"),
        (APP + "storage: {archive: ''}\n", "7:20: storage.archive: must not be empty"),
        (APP + 'http: {ca_file: "${env:NO_CA:-}"}\n', "7:17: http.ca_file: must not be empty"),
        (APP + 'storage: {archive: "/a\\0b"}\n', "7:20: storage.archive: must not hold a NUL"),
        (APP + 'http: {ca_file: "/a\\0b"}\n', "7:17: http.ca_file: must not hold a NUL"),
        (
            APP + 'storage: {ledger: "sqlite:////a\\0b"}\n',
            "7:19: storage.ledger: must not hold a NUL",
        ),
        (APP + "daemon: {listen: {a: b}}\n", "7:18: daemon.listen: is not an address"),
        (APP + "    zone: UTC\n", "7:5: apps.shop-de.zone: is unknown here; did you mean timezone"),
        (
            APP + "xyzzy: 1\n",
            "7:1: xyzzy: is unknown here; known are apps, defaults, storage, http",
        ),
    ],
)
def test_a_wrong_shape_is_told_in_the_words_of_the_file(
    problems: Problems, text: str, problem: str
) -> None:
    (line,) = problems(text)
    assert line.startswith(f"config.yaml:{problem}")


def test_a_problem_in_defaults_is_told_once_at_its_own_place(problems: Problems) -> None:
    second = APP.removeprefix("apps:\n").replace("shop-de", "shop-in")
    assert problems(APP + second + "defaults:\n  report_time: 25:00\n  base_url: x\n") == [
        "config.yaml:13:16: defaults.report_time: "
        "is not a time of day; write it as 02:00, from 00:00 to 23:59",
        "config.yaml:14:3: defaults.base_url: is unknown here; it belongs to apps",
    ]


def test_pauses_out_of_order_are_told_where_they_were_written(problems: Problems) -> None:
    shorter = "retry_at_most is shorter than retry_every"
    assert problems(APP + "    retry_every: 2d\n") == [
        f"config.yaml:7:18: apps.shop-de.retry_every: {shorter}"
    ]
    assert problems(APP + "    retry_every: 3h\ndefaults:\n  retry_at_most: 2h\n") == [
        f"config.yaml:7:18: apps.shop-de.retry_every: {shorter}"
    ]
    assert problems(APP + "    retry_at_most: 2h\ndefaults:\n  retry_every: 3h\n") == [
        f"config.yaml:7:20: apps.shop-de.retry_at_most: {shorter}"
    ]
    assert problems(APP + "defaults:\n  retry_every: 3h\n  retry_at_most: 2h\n") == [
        f"config.yaml:9:18: defaults.retry_at_most: {shorter}"
    ]


def test_the_same_reports_under_two_names_are_a_warning(
    load_text: LoadText, tmp_path: Path
) -> None:
    second = APP.removeprefix("apps:\n").replace("shop-de", "again")
    assert load_text(APP + second).warnings == (
        f"{tmp_path}/config.yaml:8:13: apps.again.app_id: "
        "has the same reports as shop-de: same app_id, same address",
    )


def test_a_secret_too_short_to_be_masked_is_a_warning(load_text: LoadText, tmp_path: Path) -> None:
    assert load_text(APP, {"SHOP_DE_KEY": "abc"}).warnings == (
        f"{tmp_path}/config.yaml:4:17: apps.shop-de.secret_key: "
        "is too short to be masked in logs (under 4 characters)",
    )


def test_apps_of_the_same_name_in_one_line_are_told(problems: Problems) -> None:
    app = "{name: a, app_id: A, secret_key: '${env:SHOP_DE_KEY}', data_center: 1, since: 20260101}"
    assert problems(f"apps: [{app}, {app}]\n") == [
        f"config.yaml:1:{8 + len(app) + 2 + len('{name: ')}: apps.a.name: "
        "is the name of the app in line 1 too (upper and lower case are one)"
    ]


def test_a_thousand_apps_are_all_told_of(problems: Problems) -> None:
    text = "apps:\n" + "".join(f"  - {{name: app-{number}}}\n" for number in range(1000))
    assert len(problems(text)) == 4 * 1000

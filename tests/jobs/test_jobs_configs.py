"""The configs beside the job definitions are valid and hold no key; the crontab is one that cron takes."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from reportsync import config
from reportsync.settings import Config

PLACES = ("systemd", "compose", "kubernetes", "cron")


def text_of(jobs: Path, place: str) -> str:
    """Return the config of a way of running."""
    if place != "kubernetes":
        return (jobs / place / "config.yaml").read_text()
    manifest, _ = yaml.safe_load_all((jobs / place / "storage-and-config.yaml").read_text())
    found = manifest["data"]["config.yaml"]
    assert isinstance(found, str)
    return found


def load(jobs: Path, place: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Load a config with a key where it wants one."""
    path = folder / "config.yaml"
    path.write_text(text_of(jobs, place))
    keys = folder / "keys"
    keys.mkdir()
    for name in ("key_shop-de", "shop-de"):
        (keys / name).write_text("a-key-for-the-test\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(keys))
    found = config.load(path)
    assert found.warnings == ()
    return found.config


@pytest.mark.parametrize("place", PLACES)
def test_the_config_is_valid_and_takes_its_key_from_elsewhere(
    jobs: Path, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = load(jobs, place, tmp_path, monkeypatch)
    (app,) = found.apps
    assert [key.get_secret_value() for key in app.secret_key] == ["a-key-for-the-test"]
    assert found.storage.archive == Path("/var/lib/reportsync/archive")
    keys = re.findall(r"secret_key: (\S+)", text_of(jobs, place))
    assert all(key.startswith(("${credential:", "${file:")) for key in keys)


@pytest.mark.parametrize(("place", "host"), [("compose", "0.0.0.0"), ("systemd", "127.0.0.1")])
def test_containers_listen_on_all_addresses_and_hosts_on_loopback(
    jobs: Path, place: str, host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(jobs, place, tmp_path, monkeypatch).daemon.listen == (host, 8321)


def test_the_credential_s_name_is_the_one_that_each_way_of_running_gives(jobs: Path) -> None:
    unit = (jobs / "systemd" / "reportsync.service").read_text()
    (prefix,) = re.findall(r"^LoadCredential=(\w+):", unit, re.MULTILINE)
    compose = yaml.safe_load((jobs / "compose" / "compose.yaml").read_text())
    storage = (jobs / "kubernetes" / "storage-and-config.yaml").read_text()
    name = f"{prefix}_shop-de"  # of a folder's files systemd makes ID_FILE
    assert list(compose["secrets"]) == [name]
    assert f"--from-file={name}=" in storage
    for place in ("systemd", "compose", "kubernetes"):
        assert f"${{credential:{name}}}" in text_of(jobs, place)


@pytest.mark.tool("crontab")
def test_cron_takes_the_crontab(jobs: Path, tmp_path: Path, tool: Callable[[str], str]) -> None:
    crontab = jobs / "cron" / "crontab"
    good = subprocess.run([tool("crontab"), "-n", crontab], capture_output=True, text=True)
    assert good.returncode == 0, good.stderr
    broken = tmp_path / "crontab"
    broken.write_text(crontab.read_text().replace("20 * * * *", "61 * * * *"))
    bad = subprocess.run([tool("crontab"), "-n", broken], capture_output=True, text=True)
    assert bad.returncode != 0


@pytest.mark.parametrize(
    ("exit_code", "said", "printed"),
    [
        (0, "", ""),
        (0, "the hook failed", "the hook failed\n"),
        (3, "a day is missing", ""),
        (5, "trouble", "trouble\n"),
        (77, "trouble", "trouble\n"),
    ],
)
def test_cron_mails_what_a_person_must_know_and_no_late_report(
    jobs: Path, tmp_path: Path, exit_code: int, said: str, printed: str
) -> None:
    crontab = (jobs / "cron" / "crontab").read_text()
    (line,) = re.findall(r"^20 \* \* \* \*  (.*)$", crontab, re.MULTILINE)
    program = tmp_path / "reportsync"
    program.write_text(f"#!/bin/sh\n[ -z '{said}' ] || echo {said} >&2\nexit {exit_code}\n")
    program.chmod(0o755)
    ran = subprocess.run(
        ["/bin/sh", "-c", line],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert ran.stdout + ran.stderr == printed

"""What the daemon notes of its passes for who judges it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from daemon_process import write_config
from pydantic import SecretStr

from reportsync import daemon
from reportsync.announce.log import logger
from reportsync.announce.metrics import Metrics
from reportsync.config import load
from reportsync.daemon.daemon import Again, Daemon
from reportsync.daemon.vitals import Vitals
from reportsync.service.world import open_world
from reportsync.settings import App, Config
from reportsync.stop import Stop

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_invariant_12_it_is_known_since_when_disk_or_ledger_have_failed_every_pass() -> None:
    now = [NOW]
    app = App(
        name="one", app_id="ID", secret_key=(SecretStr("no-key"),), since=NOW.date(),
        base_url="http://127.0.0.1:1",
    )  # fmt: skip
    vitals = Vitals(Config(apps=(app,)), lambda: now[0])
    hour = timedelta(hours=1)
    for well, since in ((True, None), (False, NOW + hour), (False, NOW + hour), (True, None)):
        vitals.begin()
        vitals.end(well=well)
        assert (vitals.liveness().last_pass, vitals.liveness().failing_since) == (now[0], since)
        now[0] += hour


def test_invariant_12_for_how_long_passes_fail_outlives_a_new_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_config(tmp_path, "http://127.0.0.1:1")
    config = load(tmp_path / "config.yaml", {}).config
    with open_world(config, Stop()) as world:
        again = Daemon(world, lambda: config, logger(), Metrics(), NOW)._again(config, "reloaded")
    lives = []

    class Life:
        def __init__(self, *given: object) -> None:
            lives.append(given[-1])

        def run(self) -> int | Again:
            return 0 if len(lives) > 1 else again

    monkeypatch.setattr(daemon, "Daemon", Life)
    assert daemon.serve(config, lambda: config, logger()) == 0
    assert lives == [None, NOW]

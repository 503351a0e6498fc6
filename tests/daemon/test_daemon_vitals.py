"""What the daemon notes of its passes for who judges it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from reportsync.daemon.vitals import Vitals
from reportsync.settings import App, Config

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

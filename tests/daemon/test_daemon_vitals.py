"""What the daemon notes of its passes for who judges it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from reportsync.daemon.vitals import Vitals
from reportsync.settings import App, Config

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_invariant_12_a_pass_that_disk_or_ledger_failed_is_no_good_one() -> None:
    now = [NOW]
    app = App(
        name="one", app_id="ID", secret_key=(SecretStr("no-key"),), since=NOW.date(),
        base_url="http://127.0.0.1:1",
    )  # fmt: skip
    vitals = Vitals(Config(apps=(app,)), lambda: now[0])
    assert (vitals.liveness().last_pass, vitals.liveness().last_good) == (None, None)
    for well, good in ((True, NOW), (False, NOW), (True, NOW + timedelta(hours=2))):
        vitals.begin()
        vitals.end(well=well)
        assert (vitals.liveness().last_pass, vitals.liveness().last_good) == (now[0], good)
        now[0] += timedelta(hours=1)

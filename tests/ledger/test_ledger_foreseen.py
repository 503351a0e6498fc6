"""What a repair would do is found out on a copy of the ledger, whatever kind of database that is."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from ledger_cases import DAY, NOW, REPORT, contents, covered, failed, shop, stored

from reportsync.errors import UsageProblem
from reportsync.ledger import Ledger, open_reading, records, upkeep
from reportsync.model import ONE_DAY, Report
from reportsync.service.rebuild import Wanted, find_backup, foreseen_ledger
from reportsync.settings import Config, Storage
from reportsync.store import Store

LOOKED_AT = ("facts", "apps", "reports", "archives", "waivers")


def clock() -> datetime:
    return NOW


@pytest.fixture
def config(url: str, tmp_path: Path) -> Config:
    storage = Storage(archive=tmp_path / "archive", ledger=url)
    return Config(apps=(shop(),), storage=storage)


def test_the_copy_holds_what_a_repair_looks_at(
    ledger: Ledger, config: Config, tmp_path: Path
) -> None:
    covered(ledger, last=DAY + 9 * ONE_DAY)
    stored(ledger)
    stored(ledger, version=2)
    stored(ledger, Report("shop", DAY + ONE_DAY))
    failed(ledger, Report("shop", DAY + 2 * ONE_DAY), again=NOW)
    ledger.write(records.lose_archive, REPORT, 2)
    ledger.write(upkeep.remember_archive, "an id")
    folder = tmp_path / "copies"
    folder.mkdir()
    store = Store(config.storage.archive, 0)
    copy = foreseen_ledger(config, store, folder, clock, Wanted(), pytest.fail)
    with open_reading(f"sqlite:///{copy}") as other:
        copied, there = contents(other), contents(ledger)
    assert {name: copied[name] for name in LOOKED_AT} == {name: there[name] for name in LOOKED_AT}


def test_a_backup_that_is_not_there_is_said_to_be_so(config: Config) -> None:
    store = Store(config.storage.archive, 0)
    for which in ("newest", "2026-03-01", "/nowhere/ledger.db", "nonsense"):
        with pytest.raises(UsageProblem, match=r"no whole backup|database server"):
            find_backup(config, store, which)

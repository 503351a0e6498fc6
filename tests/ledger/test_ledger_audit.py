"""What the ledger says that cannot be is found and brought together, in each kind of database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from ledger_cases import DAY, LEASE, NOW, REPORT, archive, covered, row_of, stored

from reportsync.ledger import Ledger, audit, overview, queries, records, rounds, tables
from reportsync.model import ONE_DAY, Report

NEXT = Report("shop", DAY + ONE_DAY)
LAST = Report("shop", DAY + 2 * ONE_DAY)


def run(ledger: Ledger, statement: sa.Executable) -> None:
    ledger.write(lambda connection: connection.execute(statement))


def of(table: Any, report: Report) -> Any:
    return sa.and_(table.c.app == report.app, table.c.day == report.day)


def test_a_ledger_that_fits_together_is_left_as_it_is(ledger: Ledger) -> None:
    covered(ledger, last=LAST.day)
    stored(ledger)
    stored(ledger, version=2)
    ledger.write(records.lose_archive, REPORT, 2)
    assert ledger.read(audit.audit, ["shop"]).clean
    assert ledger.write(audit.put_right, ["shop"]).clean
    assert row_of(ledger).state == "missing", "its newest version is lost"


def test_what_does_not_fit_is_found_and_brought_together(ledger: Ledger) -> None:
    covered(ledger, last=LAST.day)
    covered(ledger, app="other")
    stored(ledger, size=30)
    stored(ledger, NEXT)
    run(ledger, sa.update(tables.reports).where(of(tables.reports, REPORT)).values(state="missing"))
    run(ledger, sa.delete(tables.archives).where(of(tables.archives, NEXT)))
    run(ledger, sa.delete(tables.reports).where(of(tables.reports, LAST)))
    expected = audit.Audit((LAST,), (NEXT,), (REPORT,))
    assert ledger.read(audit.audit, ["shop", "other"]) == expected
    assert ledger.read(audit.audit, ["other"]).clean
    assert ledger.write(audit.put_right, ["shop", "other"]) == expected
    assert ledger.read(audit.audit, ["shop", "other"]).clean
    states = [row_of(ledger, one).state for one in (REPORT, NEXT, LAST)]
    assert states == ["stored", "missing", "missing"]
    assert ledger.read(overview.known, ["shop"])["shop"].bytes == 30


def test_a_wrong_row_is_corrected_with_its_size_in_the_sum(ledger: Ledger) -> None:
    covered(ledger)
    stored(ledger, size=30)
    right = replace(archive(size=50), members=4)
    ledger.write(records.correct_archive, right, NOW + LEASE)
    (row,) = ledger.read(queries.versions_of, REPORT)
    assert (row.archive, row.held, row.verified) == (right, True, NOW + LEASE)
    assert ledger.read(overview.known, ["shop"])["shop"].bytes == 50
    assert ledger.read(queries.stale_years) == [("shop", 2026, 2)]


def test_since_when_all_is_verified_counts_what_is_held_alone(ledger: Ledger) -> None:
    covered(ledger, last=LAST.day)
    stored(ledger)
    stored(ledger, NEXT)
    (first,) = ledger.read(queries.versions_of, REPORT)
    ledger.write(records.set_verified, NEXT, 1, NOW + 9 * LEASE)
    assert ledger.read(overview.known, ["shop"])["shop"].verified_since == first.verified
    ledger.write(records.lose_archive, REPORT, 1)
    assert ledger.read(overview.known, ["shop"])["shop"].verified_since == NOW + 9 * LEASE
    ahead = ledger.read(rounds.verified_ahead, rounds.Round(NOW), NOW, 5)
    assert [row.archive.report for row in ahead] == [NEXT]

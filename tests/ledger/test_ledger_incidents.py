"""Which reports the ledger knows to be damaged, in each kind of database."""

from __future__ import annotations

from datetime import timedelta

from ledger_cases import DAY, LEASE, MINUTE, NOW, REPORT, covered, stored

from reportsync.incidents import Incident, spans
from reportsync.ledger import Ledger, incidents, records
from reportsync.model import Report


def damage(*held: Report) -> Incident:
    """Return damage of one app that holds `held`, and was opened after all was stored."""
    return Incident(f"damage:{held[0].app}", NOW + LEASE + MINUTE, spans(held), "")


def test_what_is_stored_and_was_not_found_right_since_is_damaged(ledger: Ledger) -> None:
    days = [Report("shop", DAY + timedelta(days=n)) for n in range(3)]
    other = Report("other", DAY)
    covered(ledger, last=days[-1].day)
    covered(ledger, app="other")
    for report in (*days, other):
        stored(ledger, report)
    found = damage(days[0], days[2])
    assert ledger.read(incidents.damaged, [found]) == {days[0], days[2]}
    mixed = Incident(found.key, found.opened, (*found.held, *spans([other])), "")
    assert ledger.read(incidents.damaged, [mixed]) == {days[0], days[2]}, "its own app's alone"
    late = Incident("late:shop", found.opened, found.held, "")
    assert ledger.read(incidents.damaged, [late]) == frozenset()


def test_a_report_that_was_reopened_is_missing_and_not_damaged(ledger: Ledger) -> None:
    covered(ledger)
    stored(ledger)
    stored(ledger, version=2)
    ledger.write(records.lose_archive, REPORT, 2)
    assert ledger.read(incidents.damaged, [damage(REPORT)]) == frozenset()


def test_damage_in_hundreds_of_places_is_found_in_all_of_them(ledger: Ledger) -> None:
    scattered = [Report("shop", DAY + timedelta(days=2 * n)) for n in range(401)]
    covered(ledger, last=scattered[-1].day)
    for report in (scattered[0], scattered[200], scattered[400]):
        stored(ledger, report)
    found = ledger.read(incidents.damaged, [damage(*scattered)])
    assert found == {scattered[0], scattered[200], scattered[400]}

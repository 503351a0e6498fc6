"""Only a person ends a day without a file, with a reason, and can take it back in part."""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa
from ledger_cases import DAY, NOW, contents, covered, failed, shop, stored

from reportsync.known import coverage
from reportsync.ledger import Ledger, overview, waivers
from reportsync.ledger.tables import waivers as waivers_table
from reportsync.model import ONE_DAY, Waiver

LAST = DAY + 8 * ONE_DAY


def waiver(first: date = DAY, last: date = LAST, until: date | None = None) -> Waiver:
    return Waiver("shop", first, last, "the setting was off", "operator", NOW, until)


def held(ledger: Ledger) -> list[tuple[date, date]]:
    return sorted(
        (one.first, one.last) for one in ledger.read(overview.waivers_by_app).get("shop", [])
    )


def test_row_18_a_day_is_waived_with_a_reason_and_stays_so(ledger: Ledger) -> None:
    covered(ledger, last=LAST)
    ledger.write(waivers.add, waiver(last=DAY))
    one = coverage(shop(), ledger.read(overview.known, ["shop"])["shop"], NOW)
    assert one.waived == (DAY,)
    assert ledger.read(overview.waivers_by_app)["shop"] == [waiver(last=DAY)]


def test_a_waiver_ends_by_itself_if_the_report_appears(ledger: Ledger) -> None:
    covered(ledger, last=LAST)
    ledger.write(waivers.add, waiver(last=DAY))
    stored(ledger)
    one = coverage(shop(), ledger.read(overview.known, ["shop"])["shop"], NOW)
    assert (one.stored, one.waived) == (1, ())


def test_taking_back_the_middle_leaves_both_ends_as_they_were(ledger: Ledger) -> None:
    ledger.write(waivers.add, waiver(until=LAST))
    middle = DAY + 3 * ONE_DAY
    assert ledger.write(waivers.take_back, "shop", middle, middle, NOW) == 1
    assert held(ledger) == [(DAY, middle - ONE_DAY), (middle + ONE_DAY, LAST)]
    kept = ledger.read(overview.waivers_by_app)["shop"]
    assert {(one.reason, one.author, one.created, one.until) for one in kept} == {
        ("the setting was off", "operator", NOW, LAST)
    }


def test_taking_back_more_than_was_waived_ends_all_of_it(ledger: Ledger) -> None:
    ledger.write(waivers.add, waiver())
    ledger.write(waivers.add, waiver(DAY + ONE_DAY, LAST + ONE_DAY))
    assert ledger.write(waivers.take_back, "shop", DAY, LAST + 9 * ONE_DAY, NOW) == 2
    assert held(ledger) == []


def test_taking_back_what_nobody_waived_changes_nothing(ledger: Ledger) -> None:
    ledger.write(waivers.add, waiver())
    before = contents(ledger)
    assert ledger.write(waivers.take_back, "shop", LAST + ONE_DAY, date.max, NOW) == 0
    assert ledger.write(waivers.take_back, "other", DAY, LAST, NOW) == 0
    assert contents(ledger) == before


def test_waivers_to_the_end_of_the_calendar_can_be_taken_back(ledger: Ledger) -> None:
    ledger.write(waivers.add, waiver(date.min, date.max))
    assert ledger.write(waivers.take_back, "shop", DAY, date.max, NOW) == 1
    assert held(ledger) == [(date.min, DAY - ONE_DAY)]
    assert ledger.write(waivers.take_back, "shop", date.min, date.max, NOW) == 1
    assert held(ledger) == []


def test_a_waiver_that_was_taken_back_is_kept_with_the_time_it_ended(ledger: Ledger) -> None:
    ledger.write(waivers.add, waiver())
    later = NOW + timedelta(hours=1)
    ledger.write(waivers.take_back, "shop", DAY, LAST, later)
    rows = ledger.read(lambda connection: connection.execute(sa.select(waivers_table)).all())
    assert [(row.reason, row.ended) for row in rows] == [("the setting was off", later)]


def test_a_waived_day_keeps_its_attempts(ledger: Ledger) -> None:
    covered(ledger)
    failed(ledger)
    ledger.write(waivers.add, waiver())
    (row,) = ledger.read(overview.known, ["shop"])["shop"].missing
    assert row.attempts == 1

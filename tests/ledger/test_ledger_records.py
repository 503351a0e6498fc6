"""What is recorded of a report: its state, every attempt, its versions, and what never changes back."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_cases import (
    DAY,
    LEASE,
    MINUTE,
    NOW,
    REPORT,
    archive,
    attempt,
    covered,
    failed,
    row_of,
    shop,
    stored,
    taken,
)

from reportsync.errors import LedgerError
from reportsync.known import Known, Missing, coverage
from reportsync.ledger import (
    Ledger,
    open_reading,
    overview,
    queries,
    records,
    rounds,
    tables,
    upkeep,
)
from reportsync.ledger.tables import apps, attempts
from reportsync.model import ONE_DAY, Attempt, Outcome, Report

NUMBERS = count(1)
STEPS = ["store", "fail", "wait", "refuse", "unchanged", "lose", "adopt"]
FUNCTIONS = {
    "fail": Outcome.FAILED,
    "wait": Outcome.WAITING,
    "refuse": Outcome.REJECTED,
}


def known(ledger: Ledger, app: str = "shop") -> Known:
    return ledger.read(overview.known, [app])[app]


def held_bytes(ledger: Ledger, app: str = "shop") -> int:
    return sum(row.archive.size for row in ledger.read(queries.held_archives, app))


@pytest.fixture
def ledger(ledger: Ledger) -> Ledger:
    covered(ledger)
    return ledger


def test_a_stored_report_has_its_archive_its_attempt_and_no_next_attempt(ledger: Ledger) -> None:
    failed(ledger, again=NOW)
    stored(ledger, size=70)
    row = row_of(ledger)
    assert (row.state, row.attempts, row.tries, row.next_attempt) == ("stored", 2, 0, None)
    assert (row.last_outcome, row.reason) == (Outcome.STORED, None)
    (held,) = ledger.read(queries.versions_of, REPORT)
    assert (held.archive, held.held) == (archive(size=70), True)
    assert held.stored == held.verified == attempt().ended
    assert known(ledger).bytes == 70
    assert known(ledger).newest == DAY
    assert ledger.read(queries.stale_years) == [("shop", 2026, 1)]


def test_arrivals_are_numbered_upwards_and_each_archive_has_one(ledger: Ledger) -> None:
    covered(ledger, last=DAY + 3 * ONE_DAY)
    numbers = [stored(ledger, Report("shop", DAY + n * ONE_DAY)) for n in range(4)]
    assert numbers == sorted(set(numbers))
    ledger.write(records.lose_archive, REPORT, 1)
    found = ledger.write(
        records.record_archive, taken(ledger, wanted_at=NOW + LEASE), attempt(), archive()
    )
    assert found.arrival is None, "the same version came back: it has arrived before"


def test_row_16_every_attempt_is_kept_with_its_time_class_status_bytes_and_error(
    ledger: Ledger,
) -> None:
    first = Attempt(
        REPORT, NOW, NOW + LEASE, Outcome.FAILED, 3, 503, None, "HTTP 503: overloaded", "p1"
    )
    second = Attempt(REPORT, NOW + LEASE, NOW + 2 * LEASE, Outcome.STORED, 1, 200, 100, None, "p2")
    ledger.write(records.record_failure, taken(ledger), first, None, True)
    claim = taken(ledger, now=NOW + LEASE, wanted_at=NOW + 2 * LEASE)
    ledger.write(records.record_archive, claim, second, archive())
    assert ledger.read(queries.attempts_of, REPORT) == [first, second]


def test_row_17_not_there_yet_is_a_state_and_shows_as_such(ledger: Ledger) -> None:
    failed(ledger, outcome=Outcome.WAITING, again=NOW + LEASE, reason="HTTP 404: no report")
    assert known(ledger).missing == (
        Missing(DAY, 1, 1, NOW + LEASE, Outcome.WAITING, "HTTP 404: no report", NOW + MINUTE),
    )


def test_a_refused_key_is_recorded_and_lengthens_no_pause(ledger: Ledger) -> None:
    failed(ledger, outcome=Outcome.REJECTED, reason="HTTP 401")
    row = row_of(ledger)
    assert (row.attempts, row.tries, row.last_outcome) == (1, 0, Outcome.REJECTED)


def test_row_26_other_content_becomes_a_version_beside_the_old(ledger: Ledger) -> None:
    stored(ledger, version=1, size=10)
    stored(ledger, version=2, size=20)
    versions = [row.archive for row in ledger.read(queries.versions_of, REPORT)]
    assert versions == [archive(version=1, size=10), archive(version=2, size=20)]
    assert known(ledger).bytes == 30


def test_asked_for_again_in_vain_a_stored_report_stays_stored(ledger: Ledger) -> None:
    stored(ledger)
    failed(ledger, again=NOW + LEASE)
    row = row_of(ledger)
    assert (row.state, row.attempts, row.tries) == ("stored", 2, 1)
    assert known(ledger).missing == ()


def test_unchanged_content_is_an_attempt_and_nothing_else(ledger: Ledger) -> None:
    stored(ledger)
    claim = taken(ledger, again=True, wanted_at=NOW + LEASE)
    ledger.write(records.record_unchanged, claim, attempt(outcome=Outcome.UNCHANGED))
    assert row_of(ledger).attempts == 2
    assert len(ledger.read(queries.versions_of, REPORT)) == 1


def test_a_report_is_missing_again_only_when_its_newest_held_version_is_lost(
    ledger: Ledger,
) -> None:
    for version in (1, 2, 3):
        stored(ledger, version=version, size=10 * version)
    assert not ledger.write(records.lose_archive, REPORT, 2), "the server has newer content alone"
    assert row_of(ledger).state == "stored"
    assert ledger.write(records.lose_archive, REPORT, 3)
    assert row_of(ledger).state == "missing"
    assert ledger.write(records.lose_archive, REPORT, 1)
    row = row_of(ledger)
    assert (row.state, row.tries, row.next_attempt, row.attempts) == ("missing", 0, None, 3)
    assert row.reason == "its archive was lost or damaged"
    assert known(ledger).bytes == 0
    assert [held.held for held in ledger.read(queries.versions_of, REPORT)] == [False] * 3


def test_losing_twice_counts_the_bytes_once(ledger: Ledger) -> None:
    stored(ledger, size=10)
    ledger.write(records.lose_archive, REPORT, 1)
    ledger.write(records.lose_archive, REPORT, 1)
    assert known(ledger).bytes == 0


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_room_in_the_ledger(ledger: Ledger, outcome: Outcome) -> None:
    claim = taken(ledger)
    ledger.write(records.record_failure, claim, attempt(outcome=outcome), None, True)
    assert row_of(ledger).last_outcome == outcome
    assert [one.outcome for one in ledger.read(queries.attempts_of, REPORT)] == [outcome]


def test_an_adopted_file_stores_a_report_that_had_no_row(ledger: Ledger) -> None:
    early = Report("shop", DAY - 100 * ONE_DAY)
    assert ledger.write(records.adopt_row, archive(early, size=30), NOW) is not None
    assert row_of(ledger, early).state == "stored"
    assert known(ledger).beyond == {early.day}
    assert coverage(shop(since=early.day), known(ledger), NOW).stored == 1


def test_bytes_of_files_adopted_before_the_app_had_a_due_day_are_counted(ledger: Ledger) -> None:
    report = Report("new", DAY)
    ledger.write(records.adopt_row, archive(report, size=30), NOW)
    covered(ledger, app="new")
    assert known(ledger, "new").bytes == 30 == held_bytes(ledger, "new")


def test_days_get_their_rows_once_and_the_range_grows_both_ways(ledger: Ledger) -> None:
    assert ledger.write(records.cover, "b", DAY, DAY + ONE_DAY) == 2
    assert ledger.write(records.cover, "b", DAY, DAY + ONE_DAY) == 0
    assert ledger.write(records.cover, "b", DAY - ONE_DAY, DAY + 3 * ONE_DAY) == 3
    assert ledger.write(records.cover, "b", DAY + 9 * ONE_DAY, DAY + 9 * ONE_DAY) == 6
    found = known(ledger, "b")
    assert (found.first, found.through) == (DAY - ONE_DAY, DAY + 9 * ONE_DAY)
    assert [row.day for row in found.missing] == [DAY + n * ONE_DAY for n in range(-1, 10)]


def test_a_range_wholly_before_the_old_one_leaves_no_hole_between(ledger: Ledger) -> None:
    ledger.write(records.cover, "b", DAY, DAY)
    ledger.write(records.cover, "b", DAY - 9 * ONE_DAY, DAY - 8 * ONE_DAY)
    assert len(known(ledger, "b").missing) == 10


def test_covering_keeps_what_is_known_of_a_day(ledger: Ledger) -> None:
    stored(ledger)
    ledger.write(records.cover, "shop", DAY - ONE_DAY, DAY + ONE_DAY)
    assert row_of(ledger).state == "stored"


def test_row_08_due_days_get_rows_before_any_attempt(ledger: Ledger) -> None:
    app = shop(since=date(2026, 3, 5), name="b")
    ledger.write(records.cover_due, (app,), NOW)
    missing = known(ledger, "b").missing
    assert [row.day.day for row in missing] == [5, 6, 7, 8, 9]
    assert {row.attempts for row in missing} == {0}
    ledger.write(records.cover_due, (shop(since=date(2027, 1, 1), name="c"),), NOW)
    assert known(ledger, "c") == Known()


def test_fault_18_what_is_odd_about_an_archive_is_kept_with_it(ledger: Ledger) -> None:
    covered(ledger, last=DAY + 9 * ONE_DAY)
    for n in range(1, 8):
        stored(ledger, Report("shop", DAY + n * ONE_DAY), size=1000)
    found = ledger.write(records.record_archive, taken(ledger), attempt(), archive(size=10))
    assert found.flags == ("small: 10 bytes, usually about 1000",)
    assert ledger.read(queries.versions_of, REPORT)[0].flags == found.flags


def test_sums_written_count_only_if_nothing_came_in_between(ledger: Ledger) -> None:
    stored(ledger)
    stored(ledger, version=2)
    ledger.write(upkeep.sums_written, [("shop", 2026, 1)])
    assert ledger.read(queries.stale_years) == [("shop", 2026, 2)]
    ledger.write(upkeep.sums_written, [("shop", 2026, 2)])
    assert ledger.read(queries.stale_years) == []


def test_the_longest_unverified_come_first(ledger: Ledger) -> None:
    covered(ledger, last=DAY + 2 * ONE_DAY)
    for n in range(3):
        stored(ledger, Report("shop", DAY + n * ONE_DAY))
    ledger.write(records.set_verified, REPORT, 1, NOW + LEASE)
    about = rounds.Round(NOW + LEASE)
    oldest = ledger.read(rounds.verified_longest_ago, about, None, 2)
    assert [row.archive.report.day.day for row in oldest] == [2, 3]
    further = ledger.read(rounds.verified_longest_ago, about, oldest[0], 5)
    assert [row.archive.report.day.day for row in further] == [3, 1], "ties by their numbers"


def test_fault_33_a_pass_noted_by_a_clock_that_was_ahead_does_not_pass_for_progress(
    ledger: Ledger,
) -> None:
    ledger.write(upkeep.begin_pass, "real", "run", NOW)
    ledger.write(upkeep.begin_pass, "dream", "run", NOW + timedelta(days=3650))
    assert ledger.read(queries.last_progress, "run", NOW + LEASE) == (NOW, True)
    assert ledger.read(queries.last_progress, "sync", NOW + LEASE) is None


def test_passes_are_forgotten_after_a_while_unless_the_clock_has_just_jumped(
    ledger: Ledger,
) -> None:
    def noted() -> set[str]:
        return ledger.read(lambda view: set(view.execute(sa.select(tables.passes.c.id)).scalars()))

    for number in range(12):
        ledger.write(upkeep.begin_pass, f"old {number}", "run", NOW + number * LEASE)
    later = NOW + 12 * LEASE + upkeep.KEPT
    ledger.write(upkeep.begin_pass, "after the jump", "run", later)
    assert len(noted()) == 13
    ledger.write(upkeep.begin_pass, "next", "run", later + LEASE)
    assert noted() == {"old 10", "old 11", "after the jump", "next"}, "ten at a time"
    ledger.write(upkeep.begin_pass, "last", "run", later + LEASE)
    assert noted() == {"after the jump", "next", "last"}


WRONG: list[tuple[sa.Table, dict[str, Any]]] = [
    (tables.reports, {"app": "b", "day": DAY, "state": "waived", "attempts": 0, "tries": 0}),
    (tables.reports, {"app": "b", "day": DAY, "state": "missing", "attempts": 1, "tries": 2}),
    (tables.reports, {"app": "b", "day": DAY, "state": "missing", "attempts": -1, "tries": -1}),
    (tables.apps, {"name": "b", "first": DAY, "through": DAY - ONE_DAY, "bytes": 0}),
    (
        tables.waivers,
        {"app": "b", "first": DAY, "last": DAY, "reason": "", "author": "x", "created": NOW},
    ),
    *(
        (
            tables.archives,
            {
                "app": "b", "day": DAY, "version": 1, "held": True, "size": 1,
                "sha256": "0" * 64, "members": 1, "flags": "", "stored": NOW, "verified": NOW,
            }
            | wrong,
        )
        for wrong in ({"version": 0}, {"size": -1}, {"members": -1}, {"sha256": "0" * 63})
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    "number", range(len(WRONG)), ids=lambda number: f"{WRONG[number][0].name}{number}"
)
def test_a_row_that_makes_no_sense_is_refused_by_the_database(ledger: Ledger, number: int) -> None:
    table, values = WRONG[number]
    with pytest.raises(LedgerError) as caught:
        ledger.write(lambda connection: connection.execute(sa.insert(table).values(**values)))
    assert "reportsync repair" in str(caught.value.hint)
    empty = sa.select(sa.func.count()).select_from(table)
    name = table.c.get("app", table.c.get("name"))
    assert ledger.read(lambda connection: connection.scalar(empty.where(name == "b"))) == 0


def step(ledger: Ledger, report: Report, what: str, number: int) -> None:
    """Let something happen to `report` as the program does it."""
    versions = ledger.read(queries.versions_of, report)
    held = [row.archive.version for row in versions if row.held]
    following = max([row.archive.version for row in versions], default=0) + 1
    if what == "store":
        stored_before = len(versions)
        stored(ledger, report, stored_before + 1, size=number)
    elif what in FUNCTIONS:
        failed(ledger, report, FUNCTIONS[what], again=NOW + LEASE)
    elif what == "unchanged" and held:
        claim = taken(ledger, report, again=True, wanted_at=NOW + LEASE)
        done = attempt(report, Outcome.UNCHANGED)
        ledger.write(records.record_unchanged, claim, done)
    elif what == "lose" and held:
        ledger.write(records.lose_archive, report, held[-1])
    elif what == "adopt":
        ledger.write(records.adopt_row, archive(report, following, number), NOW)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(STEPS), max_size=12))
@pytest.mark.slow
def test_invariant_9_attempts_never_decrease_and_states_change_only_for_their_reasons(
    lite: Ledger, steps: list[str]
) -> None:
    report = Report(f"app{next(NUMBERS)}", DAY)
    covered(lite, app=report.app)
    row = row_of(lite, report)
    for number, what in enumerate(steps, 1):
        before, row = row, None
        step(lite, report, what, number)
        row = row_of(lite, report)
        held = any(one.held for one in lite.read(queries.versions_of, report))
        assert before.attempts <= row.attempts <= before.attempts + 1
        assert len(lite.read(queries.attempts_of, report)) == row.attempts
        assert row.state == "missing" or held
        if before.state == "stored" and row.state == "missing":
            assert what == "lose"
        assert 0 <= row.tries <= row.attempts
        assert known(lite, report.app).bytes == held_bytes(lite, report.app)


def test_what_the_ledger_holds_reads_well_in_plain_sqlite(lite: Ledger) -> None:
    covered(lite)
    failed(lite, again=NOW)
    text = lite.read(
        lambda connection: connection.exec_driver_sql(
            "SELECT app, day, next_attempt FROM reports"
        ).one()
    )
    assert tuple(text) == ("shop", "2026-03-01", "2026-03-10T12:00:00.000000Z")


def test_before_the_first_pass_there_is_an_empty_ledger_to_read(url: str) -> None:
    with open_reading(url) as ledger:
        assert ledger.read(overview.known, ["shop"]) == {"shop": Known()}
        assert ledger.read(lambda connection: connection.execute(sa.select(apps)).all()) == []
        assert ledger.read(lambda connection: connection.execute(sa.select(attempts)).all()) == []

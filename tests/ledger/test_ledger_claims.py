"""At most one process works on a report; what is dead, late or from another time does not hold it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from ledger_cases import (
    LEASE,
    MINUTE,
    NOW,
    REPORT,
    archive,
    attempt,
    contents,
    covered,
    failed,
    row_of,
    running,
    stored,
    take,
    taken,
)

from reportsync.ledger import Ledger, claims, queries, records, upkeep
from reportsync.ledger.claims import Claim, ClaimLost, Settled, Taken, is_dead, this_process
from reportsync.ledger.tables import claims as claims_table
from reportsync.model import Outcome, Report

HOLD = """
with open_writing(url) as ledger:
    say(type(take(ledger)).__name__)
    time.sleep(60)
"""
RACE = """
with open_writing(url) as ledger:
    say("ready")
    sys.stdin.readline()
    say(type(take(ledger)).__name__)
    sys.stdin.readline()
"""
ELSEWHERE = "other-host other-boot pid:[1] 1 1"


@pytest.fixture
def ledger(ledger: Ledger) -> Ledger:
    covered(ledger)
    return ledger


@pytest.fixture
def holder(ledger: Ledger, url: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a live process that holds the claim."""
    with running(HOLD, url) as process:
        yield process


def given_to(ledger: Ledger, owner: str) -> None:
    """Let the claim be that of `owner`."""
    ledger.write(lambda connection: connection.execute(sa.update(claims_table).values(owner=owner)))


def lapsed(ledger: Ledger, by: timedelta = LEASE) -> None:
    """Let the lease have run out, by the clock that counts for this kind of database."""
    past = (datetime.now(UTC) if ledger.dialect == "postgresql" else NOW) - by
    ledger.write(
        lambda connection: connection.execute(sa.update(claims_table).values(lease_end=past))
    )


def test_fault_28_of_several_threads_one_has_the_claim(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: take(ledger), range(16)))
    assert [type(answer) for answer in answers].count(Claim) == 1
    assert [type(answer) for answer in answers].count(Taken) == 15


@pytest.mark.slow
def test_fault_28_of_several_processes_one_has_the_claim(ledger: Ledger, url: str) -> None:
    with ExitStack() as stack:
        processes = [stack.enter_context(running(RACE, url)) for _ in range(4)]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [process.stdout.readline().strip() for process in processes if process.stdout]
    assert sorted(answers) == ["Claim", "Taken", "Taken", "Taken"]


@pytest.mark.slow
def test_row_45_a_claim_of_a_live_process_is_respected(
    ledger: Ledger, holder: subprocess.Popen[str]
) -> None:
    answer = take(ledger)
    assert isinstance(answer, Taken)
    start = datetime.now(UTC) if ledger.dialect == "postgresql" else NOW
    assert abs(answer.until - (start + LEASE)) < MINUTE


@pytest.mark.slow
def test_row_l_the_claim_of_a_dead_process_is_taken_over_at_once(
    ledger: Ledger, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    holder.wait()
    assert isinstance(take(ledger), Claim)


def test_row_l_the_claim_of_a_zombie_is_taken_over_at_once(
    ledger: Ledger, holder: subprocess.Popen[str]
) -> None:
    holder.kill()
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
    assert isinstance(take(ledger), Claim)


def test_fault_25_a_pass_drops_the_claims_that_dead_processes_left_and_no_others(
    ledger: Ledger, holder: subprocess.Popen[str]
) -> None:
    ledger.write(upkeep.begin_pass, "one", "sync", NOW)
    assert ledger.read(queries.claim_end, REPORT) is not None
    holder.kill()
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
    ledger.write(upkeep.begin_pass, "two", "sync", NOW)
    assert ledger.read(queries.claim_end, REPORT) is None


def test_a_process_that_took_over_a_dead_one_s_number_is_another(ledger: Ledger) -> None:
    taken(ledger)
    *machine, started = this_process().split(" ")
    given_to(ledger, " ".join([*machine, str(int(started) - 1)]))
    assert isinstance(take(ledger), Claim)


@pytest.mark.parametrize(
    "owner",
    [ELSEWHERE, "", "one two three", "host boot pid:[1] no-number 1", "a start that is not told"],
)
def test_of_an_owner_that_cannot_be_judged_only_the_lease_decides(
    ledger: Ledger, owner: str
) -> None:
    untold = " ".join([*this_process().split(" ")[:4], "-"])
    taken(ledger)
    given_to(ledger, owner.replace("a start that is not told", untold))
    assert isinstance(take(ledger), Taken)
    lapsed(ledger)
    assert isinstance(take(ledger), Claim)


def test_this_process_is_alive_and_one_without_a_number_in_use_is_dead() -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    host, boot, namespace, _, started = this_process().split(" ")
    assert not is_dead(this_process())
    assert is_dead(" ".join([host, boot, namespace, str(ended.pid), started]))


def test_a_lease_that_has_run_out_frees_the_report(ledger: Ledger) -> None:
    first = taken(ledger)
    assert isinstance(take(ledger), Taken)
    lapsed(ledger, timedelta(0))
    assert taken(ledger).token != first.token


def test_invariant_7_a_late_owner_records_nothing_over_its_successor(ledger: Ledger) -> None:
    late = taken(ledger)
    lapsed(ledger)
    successor = taken(ledger)
    before = contents(ledger)
    for function, arguments in (
        (records.record_archive, (late, attempt(), archive())),
        (records.record_unchanged, (late, attempt(outcome=Outcome.UNCHANGED))),
        (records.record_failure, (late, attempt(outcome=Outcome.FAILED), None, True)),
    ):
        with pytest.raises(ClaimLost, match="shop 2026-03-01"):
            ledger.write(function, *arguments)
    with pytest.raises(ClaimLost):
        ledger.write(claims.renew, late, now=NOW, lease=LEASE)
    assert not ledger.write(claims.release, late)
    assert contents(ledger) == before
    ledger.write(records.record_archive, successor, attempt(), archive())
    assert row_of(ledger).state == "stored"


def test_a_late_owner_without_a_successor_may_still_record(ledger: Ledger) -> None:
    late = taken(ledger)
    lapsed(ledger)
    ledger.write(records.record_archive, late, attempt(), archive())
    assert row_of(ledger).state == "stored"


def test_renewing_lets_the_lease_run_anew(ledger: Ledger) -> None:
    claim = taken(ledger)
    lapsed(ledger, timedelta(0))
    ledger.write(claims.renew, claim, now=NOW, lease=LEASE)
    assert isinstance(take(ledger), Taken)


def test_recording_and_releasing_free_the_claim(ledger: Ledger) -> None:
    assert ledger.write(claims.release, taken(ledger))
    assert ledger.read(queries.claim_end, REPORT) is None
    claim = taken(ledger)
    assert ledger.read(queries.claim_end, REPORT) is not None
    ledger.write(records.record_failure, claim, attempt(outcome=Outcome.FAILED), None, True)
    assert ledger.read(queries.claim_end, REPORT) is None


def test_a_stored_report_is_settled_unless_it_is_asked_for_again(ledger: Ledger) -> None:
    stored(ledger)
    later = NOW + timedelta(hours=1)
    assert take(ledger, now=later) == Settled(True, Outcome.STORED, None)
    assert isinstance(take(ledger, now=later, again=True), Claim)


def test_a_report_asked_for_since_it_was_wanted_is_settled_with_that_answer(
    ledger: Ledger,
) -> None:
    failed(ledger, outcome=Outcome.WAITING, reason="HTTP 404")  # it ended a minute after NOW
    now = NOW + 2 * MINUTE
    assert take(ledger, now=now, wanted_at=NOW) == Settled(False, Outcome.WAITING, "HTTP 404")
    assert isinstance(take(ledger, now=now, wanted_at=now), Claim)


def test_a_stored_report_asked_for_again_by_two_is_asked_for_once(ledger: Ledger) -> None:
    stored(ledger)
    now = NOW + 2 * MINUTE
    assert take(ledger, now=now, wanted_at=NOW, again=True) == Settled(True, Outcome.STORED, None)


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=3650)])
def test_fault_33_an_attempt_written_by_a_clock_that_was_ahead_settles_nothing(
    ledger: Ledger, ahead: timedelta
) -> None:
    claim = taken(ledger, now=NOW + ahead)
    failure = attempt(outcome=Outcome.FAILED, at=NOW + ahead)
    ledger.write(records.record_failure, claim, failure, None, True)
    assert isinstance(take(ledger, now=NOW), Claim)


def test_fault_33_a_lease_written_by_a_clock_that_was_ahead_does_not_hold(ledger: Ledger) -> None:
    taken(ledger)
    given_to(ledger, ELSEWHERE)
    lapsed(ledger, -timedelta(days=3650))
    assert isinstance(take(ledger), Claim)


def test_a_lease_longer_than_a_day_holds_against_others_of_the_same_kind(ledger: Ledger) -> None:
    taken(ledger, lease=timedelta(days=3))
    given_to(ledger, ELSEWHERE)
    assert isinstance(take(ledger, lease=timedelta(days=3)), Taken)


def test_reports_are_claimed_each_by_itself(ledger: Ledger) -> None:
    covered(ledger, last=REPORT.day + timedelta(days=1))
    taken(ledger)
    assert isinstance(take(ledger, Report("shop", REPORT.day + timedelta(days=1))), Claim)


@pytest.mark.tool()
@pytest.mark.parametrize("wrong", [timedelta(days=-9000), timedelta(days=9000)])
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_on_postgresql_the_server_s_clock_decides_about_leases(
    ledger: Ledger, wrong: timedelta
) -> None:
    claim = taken(ledger, now=NOW + wrong)
    given_to(ledger, ELSEWHERE)
    held = ledger.read(queries.claim_end, REPORT)
    assert held is not None
    assert abs(held[1] - (datetime.now(UTC) + LEASE)) < MINUTE
    answer = take(ledger, now=NOW - wrong)
    assert isinstance(answer, Taken)
    ledger.write(claims.renew, claim, now=NOW - wrong, lease=2 * LEASE)
    held = ledger.read(queries.claim_end, REPORT)
    assert held is not None
    assert abs(held[1] - (datetime.now(UTC) + 2 * LEASE)) < MINUTE

"""`backfill`: a range, only what is missing, now; ranges, order, dry run, force."""

from __future__ import annotations

import pytest
from cli_tool import Place, ago, check_sums, name_of, stand_in
from sampling import sampled

from reportsync.sandbox import Fault, Sandbox

APP = stand_in("one", 20)


def asked_days(sandbox: Sandbox) -> list[str]:
    return [request.name for request in sandbox.requests]


@pytest.mark.slow
def test_a_range_is_fetched_and_nothing_beside_it(place: Place) -> None:
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        done = place.run(
            "backfill", "--since", str(ago(9)), "--until", f"{ago(5):%Y%m%d}", "--json"
        )
    assert (done.code, done.summary["exit"], done.summary["missing"]) == (0, 0, 0)
    assert sorted(day for _, day in done.outcomes()) == [str(ago(n)) for n in (9, 8, 7, 6, 5)]
    assert len(place.zips()) == 5


def test_days_may_be_counted_back_from_today(place: Place) -> None:
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        done = place.run("backfill", "--since", "-4d", "--until", "-3d", "--json")
        again = place.run("backfill", "--since=-4d", "--until=yesterday", "--json")
    assert sorted(day for _, day in done.outcomes()) == [str(ago(4)), str(ago(3))]
    assert sorted(day for _, day in again.outcomes()) == [str(ago(2))], "only what is missing"


def test_the_exit_code_is_about_the_range_alone(place: Place) -> None:
    with Sandbox([APP], faults=[Fault("404", day=ago(10))]) as sandbox:
        place.serve(sandbox, [APP])
        inside = place.run("backfill", "--since", str(ago(12)), "--until", str(ago(8)), "--json")
        beside = place.run("backfill", "--since", str(ago(7)), "--json")
    assert (inside.code, inside.summary["missing"]) == (3, 1)
    assert (beside.code, beside.summary["missing"]) == (0, 0)


@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.slow
def test_the_order_is_the_callers_choice(place: Place, order: str) -> None:
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        done = place.run("backfill", "--since", "-30d", "--order", order, "--workers", "1")
    assert done.code == 0
    assert asked_days(sandbox) == sorted(asked_days(sandbox), reverse=order == "newest")
    assert len(asked_days(sandbox)) == 20


def test_workers_is_the_number_of_downloads_at_once(place: Place) -> None:
    with Sandbox([APP], latency=0.05) as sandbox:
        place.serve(sandbox, [APP])
        assert place.run("backfill", "--since", "-30d", "--workers", "7").code == 0
        assert 4 <= sandbox.journal.most_at_once() <= 7


def test_a_backfill_does_not_wait_for_the_next_attempt(place: Place) -> None:
    with Sandbox([APP], faults=[Fault("404", day=ago(4), times=1)]) as sandbox:
        place.serve(sandbox, [APP])
        assert place.run("sync").code == 3
        done = place.run("backfill", "--since", "-30d", "--json")
    assert done.outcomes() == {("one", str(ago(4))): "stored"}
    assert done.code == 0


def test_a_dry_run_lists_what_would_be_fetched_and_writes_nothing(place: Place) -> None:
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        before = place.everything()
        told = place.run("backfill", "--since", "-6d", "-n")
        done = place.run("backfill", "--since", "-6d", "--dry-run", "--json")
        assert place.everything() == before
        assert asked_days(sandbox) == []
        fetched = place.run("backfill", "--since", "-6d", "--json")
    assert told.code == done.code == 0
    planned = {(row["app"], row["day"]) for row in done.json["reports"]}
    assert planned == set(fetched.outcomes())
    assert {row["action"] for row in done.json["reports"]} == {"fetch"}
    assert told.out.splitlines()[-1] == "5 to fetch"


def test_force_finds_the_same_content_unchanged(place: Place) -> None:
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        place.run("sync")
        before = place.zips()
        done = place.run("backfill", "--since", "-5d", "--force", "--json")
    assert set(done.outcomes().values()) == {"unchanged"}
    assert (done.summary["unchanged"], done.summary["stored"], done.code) == (4, 0, 0)
    assert place.zips() == before


@pytest.mark.parametrize("damage", sampled(["another", "lost", "damaged"]))
def test_fault_30_force_puts_back_an_archive_that_was_lost_or_damaged_unnoticed(
    place: Place, damage: str
) -> None:
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        place.run("sync")
        before = place.zips()
        spoilt = place.archive / min(before)
        if damage == "lost":
            spoilt.unlink()
        elif damage == "another":
            spoilt.chmod(0o640)
            spoilt.write_bytes((place.archive / max(before)).read_bytes())
        else:
            spoilt.chmod(0o640)
            spoilt.write_bytes(spoilt.read_bytes()[:-1] + b"?")
        done = place.run("backfill", "--since", "-30d", "--force", "--json")
    assert (done.summary["stored"], done.summary["unchanged"], done.code) == (1, 19, 0)
    assert place.zips() == before
    assert place.run("verify").code == 0
    assert check_sums(place.archive) == 20
    kept = [path.name for path in (place.archive / ".quarantine").rglob("*.bin")]
    assert len(kept) == (damage != "lost")


def test_force_does_not_call_an_archive_unchanged_that_cannot_be_read(place: Place) -> None:
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        place.run("sync")
        spoilt = place.archive / sorted(place.zips())[10]
        spoilt.unlink()
        spoilt.mkdir()
        done = place.run("backfill", "--since", "-30d", "--force", "--workers=1", "--json")
        assert done.code == 5
        assert str(spoilt) in done.err
        spoilt.rmdir()
        spoilt.touch(mode=0)
        again = place.run(
            "backfill", "--since=-30d", "--force", "--workers=1", "--json", plain=True
        )
    assert (again.code, "Permission denied" in again.err) == (5, True)
    assert done.summary["unchanged"] == again.summary["unchanged"] == 19, "all others"


@pytest.mark.slow
def test_fault_19_a_report_that_changed_becomes_a_version_beside_the_old_one(place: Place) -> None:
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        place.run("sync")
        before = place.zips()
        outcomes = []
        for revision in (2, 2, 3, 1):
            sandbox.faults.replace(Fault("changed", day=ago(5), revision=revision))
            done = place.run(
                "backfill", f"--since={ago(5)}", f"--until={ago(5)}", "--force", "--json"
            )
            assert done.code == 0
            outcomes.append(done.outcomes()["one", str(ago(5))])
    assert outcomes == ["version", "unchanged", "version", "version"]
    stem = f"one/{ago(5):%Y}/{name_of(ago(5)).removesuffix('.zip')}"
    after = place.zips()
    assert set(after) - set(before) == {f"{stem}.v{number}.zip" for number in (2, 3, 4)}
    assert {path: after[path] for path in before} == before, "nothing is ever overwritten"
    assert after[f"{stem}.v4.zip"] == before[f"{stem}.zip"]
    assert check_sums(place.archive) == 23
    assert place.run("status", "--json").json["apps"][0]["stored"] == 20


def test_a_forced_day_that_is_refused_now_stays_stored(place: Place) -> None:
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        place.run("sync")
        before = place.zips()
        sandbox.faults.add(Fault("404"))
        done = place.run("backfill", "--since", "-4d", "--force", "--json")
        assert place.run("status", "--check").code == 0
    assert set(done.outcomes().values()) == {"waiting"}
    assert (done.code, done.summary["missing"]) == (0, 0)
    assert place.zips() == before


def test_a_range_before_the_first_day_is_nothing_to_do(place: Place) -> None:
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [APP])
        done = place.run("backfill", "--since", "2020-01-01", "--until", "2020-12-31")
    assert (done.code, asked_days(sandbox)) == (0, [])
    assert done.out.startswith("nothing to ask for: 0 asked for")

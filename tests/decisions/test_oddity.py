"""What is odd about an archive is said, and never more than is known."""

from __future__ import annotations

from datetime import date

from reportsync.model import ONE_DAY, Archive, Report
from reportsync.oddity import oddities

DAY = date(2026, 3, 20)


def archive(ago: int = 0, size: int = 1000, sha256: str = "", members: int = 3) -> Archive:
    report = Report("shop", DAY - ago * ONE_DAY)
    return Archive(report, 1, size, sha256 or f"{ago}:{size}".ljust(64, "0"), members)


def usual(count: int, size: int = 1000) -> list[Archive]:
    return [archive(ago, size) for ago in range(1, count + 1)]


def test_an_archive_like_its_neighbours_is_not_odd() -> None:
    assert oddities(archive(), usual(14)) == ()
    assert oddities(archive(size=250), usual(14)) == ()
    assert oddities(archive(size=10**9), usual(14)) == ()


def test_fault_18_an_empty_archive_is_flagged() -> None:
    assert oddities(archive(members=0), []) == ("empty: the archive has no members",)


def test_fault_18_the_bytes_of_another_day_are_flagged_and_name_it() -> None:
    twin = archive(3, sha256="a" * 64)
    found = oddities(archive(sha256="a" * 64), [*usual(2), twin])
    assert found == ("same bytes as 2026-03-17",)


def test_another_version_of_the_same_day_is_no_twin() -> None:
    again = Archive(Report("shop", DAY), 2, 1000, "a" * 64, 3)
    assert oddities(again, [archive(sha256="a" * 64)]) == ()


def test_fault_18_far_smaller_than_usual_is_flagged_once_there_is_a_usual() -> None:
    assert oddities(archive(size=249), usual(4)) == ()
    assert oddities(archive(size=249), usual(5)) == ("small: 249 bytes, usually about 1000",)
    assert oddities(archive(size=250), usual(5)) == ()


def test_one_giant_among_the_neighbours_does_not_make_the_others_small() -> None:
    assert oddities(archive(), [*usual(5), archive(6, size=10**9)]) == ()


def test_several_oddities_are_all_said() -> None:
    found = oddities(
        archive(size=22, members=0, sha256="b" * 64), [*usual(6), archive(7, 22, "b" * 64)]
    )
    assert [one.split()[0] for one in found] == ["empty:", "same", "small:"]

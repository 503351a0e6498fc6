"""The archives that the sandbox makes."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import date, timedelta

from reportsync.sandbox.reports import COLUMNS, STREAMS, ReportCache, make_report

DAY = date(2026, 11, 20)


def tables(data: bytes) -> dict[str, list[dict[str, str]]]:
    """Return the rows of each member."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {
            name: list(csv.DictReader(io.StringIO(archive.read(name).decode())))
            for name in archive.namelist()
        }


def test_a_report_is_the_same_each_time_and_another_for_each_app_day_and_revision() -> None:
    assert make_report("A", DAY) == make_report("A", DAY)
    others = [("A", DAY, 2), ("B", DAY, 1), ("A", DAY + timedelta(days=1), 1)]
    assert len({make_report(*other) for other in [("A", DAY, 1), *others]}) == 4


def test_members_are_one_csv_for_each_channel_and_delivery_named_by_the_day_of_generation() -> None:
    made = tables(make_report("A", DAY))
    names = {f"{channel}_{delivery}_20261121.csv" for channel, delivery, _ in STREAMS}
    assert set(made) <= names
    assert "Push_One_Time_20261121.csv" in made
    for rows in made.values():
        assert rows
        assert all(tuple(row) == COLUMNS for row in rows)


def test_the_figures_of_a_row_make_sense_and_lifetime_totals_grow() -> None:
    seen: dict[str, int] = {}
    for offset in range(10):
        for rows in tables(make_report("A", DAY + timedelta(days=offset))).values():
            for row in rows:
                sent, delivered = int(row["sent"]), int(row["delivered"])
                clicks, total = int(row["clicks"]), int(row["lifetime_sent"])
                assert sent >= delivered >= clicks >= int(row["conversions"]) >= 0
                assert total > seen.get(row["campaign_id"], 0)
                seen[row["campaign_id"]] = total
    assert len(seen) > 20


def test_some_days_have_fewer_channels_and_none_has_none() -> None:
    counts = {len(tables(make_report("A", DAY - timedelta(days=n)))) for n in range(30)}
    assert len(counts) > 2
    assert min(counts) >= 2


def test_a_restatement_has_the_same_campaigns_with_more_conversions() -> None:
    first, second = tables(make_report("A", DAY)), tables(make_report("A", DAY, revision=2))
    assert first.keys() == second.keys()
    for name, rows in first.items():
        for before, after in zip(rows, second[name], strict=True):
            assert int(after["conversions"]) == int(before["conversions"]) + 1
            assert after["sent"] == before["sent"]


def test_a_size_is_reached_without_changing_the_tables() -> None:
    small, large = make_report("A", DAY), make_report("A", DAY, size=200_000)
    assert 200_000 <= len(large) < 220_000
    with zipfile.ZipFile(io.BytesIO(large)) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[-1] == "Raw_Events_20261121.csv"
    assert make_report("A", DAY, size=10) == small


def test_days_outside_the_calendar_of_zip_can_be_made() -> None:
    for day in (date(1, 1, 1), date(9999, 12, 30)):
        assert tables(make_report("A", day))


def test_the_cache_gives_what_is_made_and_holds_no_more_than_its_limit() -> None:
    cache = ReportCache(limit=30_000)
    days = [DAY - timedelta(days=n) for n in range(20)]
    for day in (*days, *reversed(days)):
        assert cache.get("A", day, 1, 0) == make_report("A", day)
    assert sum(map(len, cache._kept.values())) == cache._bytes <= 30_000
    assert cache.get("A", DAY, 1, 0) is cache.get("A", DAY, 1, 0)
    assert cache.get("A", DAY, 1, 50_000) is not cache.get("A", DAY, 1, 50_000)

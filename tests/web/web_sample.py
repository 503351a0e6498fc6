"""A sample history for the browser tests and for the pictures in docs: some apps, most of them well."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from web_ledger import Gone, History

from reportsync.calendar import days

_AGAIN = datetime(2026, 7, 30, 17, 5, tzinfo=UTC)


def _gone(first: date, last: date, gone: Gone) -> dict[date, Gone]:
    return dict.fromkeys(days(first, last), gone)


def sample() -> list[History]:
    """Return the histories of seven apps as they stand at `web_ledger.NOW`."""
    refused = Gone("HTTP 401: the key was refused", "rejected", 1)
    absent = Gone("HTTP 404: no report for this day: Report not found", "waiting", 6, _AGAIN)
    cut = Gone("the body ended after 8,192 of 14,336 bytes", "failed", 2, _AGAIN)
    newest = date(2026, 7, 29)
    return [
        History("shop-de", date(2024, 11, 12), flags={date(2026, 3, 3): "same bytes as 2026-03-02"}),
        History("shop-fr", date(2025, 2, 1), versions={date(2026, 6, 18): 2}),
        History(
            "shop-india", date(2024, 9, 1),
            gone={
                **_gone(date(2025, 5, 17), date(2025, 5, 17), absent),
                **_gone(date(2025, 11, 8), date(2025, 11, 11), absent),
                **_gone(date(2026, 6, 21), date(2026, 6, 23), cut),
                newest: absent,
            },
            waived={
                date(2025, 11, 8) + timedelta(days=n): "the setting was off" for n in range(4)
            },
            versions={date(2026, 4, 14): 2, date(2026, 4, 15): 2},
            flags={date(2025, 12, 25): "small: 212 bytes, usually about 31044"},
            settings={"timezone": "Asia/Kolkata"},
        ),
        History("loyalty", date(2026, 1, 1), gone=_gone(date(2026, 7, 25), newest, refused)),
        History("travel-app", date(2025, 6, 1), gone={newest: Gone(
            "HTTP 404: no report for this day: Report not found", "waiting", 1, _AGAIN)},
            settings={"alert_after": "1d"}),
        History("news", date(2026, 5, 4)),
        History("pilot", date(2026, 8, 1)),
    ]  # fmt: skip

"""How values are written: what each form means, and that what is written is read back the same."""

from __future__ import annotations

from datetime import time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from reportsync import address, notation


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400), ("1h30m", 5400), ("0s", 0),
     ("1d2h3m4s", 93784)],
)  # fmt: skip
def test_a_duration_is_numbers_with_units(text: str, seconds: int) -> None:
    assert notation.parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "2", "2 h", "h", "30m1h", "1h1h", "1.5h", "٢h", "-1h", "2H"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        notation.parse_duration(text)


@given(some.timedeltas(timedelta(0), notation.LONGEST))
def test_a_duration_is_read_back_to_the_second(duration: timedelta) -> None:
    whole = timedelta(seconds=int(duration.total_seconds()))
    assert notation.parse_duration(notation.duration_text(duration)) == whole


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("4096", 4096), ("12B", 12), ("512KiB", 2**19), ("1 GiB", 2**30), ("4TiB", 2**42)],
)
def test_a_size_is_bytes_or_a_binary_unit(text: str, size: int) -> None:
    assert notation.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "1GB", "1g", "1.5GiB", "-1", "GiB", "1GiB ", "٢"])
def test_anything_else_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        notation.parse_size(text)


@given(some.integers(0, 10**14))
def test_a_size_is_read_back(size: int) -> None:
    assert notation.parse_size(notation.size_text(size)) == size


@given(some.times())
def test_a_time_of_day_is_read_back_to_the_second(moment: time) -> None:
    whole = moment.replace(microsecond=0)
    assert notation.parse_time(notation.time_text(whole)) == whole


@pytest.mark.parametrize("text", ["2:00", "02:00", "02:00:00"])
def test_a_time_of_day_may_leave_out_zero_and_seconds(text: str) -> None:
    assert notation.parse_time(text) == time(2)


@pytest.mark.parametrize(
    ("text", "rate"), [("2/s", 2.0), ("30/m", 0.5), ("100/h", 100 / 3600), ("0", 0), ("0.5/s", 0.5)]
)
def test_a_rate_is_requests_per_unit_of_time(text: str, rate: float) -> None:
    assert notation.parse_rate(text) == rate
    assert notation.parse_rate(notation.rate_text(rate)) == rate


@pytest.mark.parametrize("text", ["", "2", "2/d", "/s", "-2/s", "inf/s", "nan", "1e3/s", "2 / s"])
def test_anything_else_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rate"):
        notation.parse_rate(text)


@pytest.mark.parametrize("text", ["0.000001/h", "0.000001/s", "0.123457/m", "999999/s", "7.7/h"])
def test_no_rate_is_written_as_another_and_least_of_all_as_none(text: str) -> None:
    rate = notation.parse_rate(text)
    assert notation.parse_rate(notation.rate_text(rate)) == pytest.approx(rate, rel=1e-9)


def test_an_odd_rate_is_written_as_near_as_it_gets() -> None:
    assert notation.parse_rate(notation.rate_text(1.23456789)) == pytest.approx(1.234568)
    large = 123456.1234567
    assert notation.parse_rate(notation.rate_text(large)) == pytest.approx(large, rel=1e-9)


@pytest.mark.parametrize(
    ("text", "listen"),
    [("127.0.0.1:8321", ("127.0.0.1", 8321)), ("[::1]:80", ("::1", 80)), ("off", None),
     ("localhost:0", ("localhost", 0))],
)  # fmt: skip
def test_an_address_to_listen_on_is_read_and_written(
    text: str, listen: tuple[str, int] | None
) -> None:
    assert address.parse_listen(text) == listen
    assert address.listen_text(listen) == text


@pytest.mark.parametrize(
    "text", ["", "8321", ":8321", "host:", "host:65536", "::1:80", "Off", "no"]
)
def test_anything_else_is_no_address_to_listen_on(text: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        address.parse_listen(text)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://API-01.moengage.com", "https://api-01.moengage.com"),
        ("https://proxy.test:8443/moe/v1/", "https://proxy.test:8443/moe/v1"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://127.9.9.9/", "http://127.9.9.9"),
        ("http://[::1]:80/V1", "http://[::1]:80/V1"),
        (None, ""),
    ],
)
def test_a_base_url_is_https_or_loopback(text: str | None, url: str) -> None:
    assert address.parse_base_url(text) == url


@pytest.mark.parametrize(
    "url",
    ["http://proxy.test:3128", "https://me:p%40ss@proxy.test:3128/", "http://me@proxy.test"],
)
def test_a_proxy_is_an_http_url(url: str) -> None:
    assert address.parse_proxy(url) == url


@pytest.mark.parametrize(
    "url", ["socks5://h:1", "proxy.test:3128", "http://u:p@ss@h", "http://h/x"]
)
def test_anything_else_is_no_proxy(url: str) -> None:
    with pytest.raises(ValueError, match="is not an http"):
        address.parse_proxy(url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("sqlite://", "must be sqlite:///PATH"),
        ("sqlite:///", "must be sqlite:///PATH"),
        ("sqlite:///:memory:", "must be sqlite:///PATH"),
        ("sqlite:///x.db?mode=ro", "must be sqlite:///PATH"),
        ("mysql://h/x", "must be sqlite:///PATH"),
        ("postgres://h/x", "write postgres:// as postgresql://"),
        ("postgresql+asyncpg://h/x", "is not a URL such as postgresql://"),
        ("postgresql://u:p/w@h/x", "is not a URL such as postgresql://"),
        ("postgresql://h:70000/x", "has a port outside 1 to 65535"),
        ("postgresql://me:pw@[:::]/x", "^has an address in \\[\\] that is none$"),
        ("postgresql://h/x?sslpassword=y", "must have its password before the @"),
    ],
)
def test_another_ledger_is_refused(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        address.parse_ledger(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:pw@h/x", "postgresql://me:***@h/x"),
        ("postgresql://:pw@h/x", "postgresql://:***@h/x"),
        ("postgresql://me@h/x", "postgresql://me@h/x"),
        ("sqlite:////a:b@c", "sqlite:////a:b@c"),
    ],
)
def test_a_password_is_masked_in_a_url(url: str, shown: str) -> None:
    assert address.mask_password(url) == shown


@pytest.mark.parametrize(
    "parse",
    [notation.parse_count, notation.parse_day, notation.parse_duration, notation.parse_rate,
     notation.parse_size, notation.parse_time, notation.parse_zone, address.parse_ledger,
     address.parse_listen, address.parse_proxy],
)  # fmt: skip
def test_what_is_not_text_passes_a_reader(parse: object) -> None:
    assert callable(parse)
    assert parse(17) == 17

"""Which Host headers are answered."""

from __future__ import annotations

import pytest

from reportsync.web.hosts import host_of, is_ours


@pytest.mark.parametrize(
    "header",
    [
        "localhost",
        "LOCALHOST:8321",
        "127.0.0.1:8321",
        "127.9.9.9",
        "[::1]:8321",
        "[::1]",
        "localhost.",
    ],
)
def test_loopback_names_are_answered_wherever_the_page_listens(header: str) -> None:
    assert is_ours(header, "127.0.0.1", ())
    assert is_ours(header, "0.0.0.0", ())


@pytest.mark.parametrize(
    "header",
    [
        "evil.example", "evil.example:8321", "localhost.evil.example", "127.0.0.1.evil.example",
        "10.1.2.3:8321", "reportsync:8321", "", ":8321", "localhost:8321@evil.example",
        "evil.example#localhost", "localhost/", "localhost:", "a b", "[::1", "ｌocalhost", ".",
    ],
)  # fmt: skip
def test_on_loopback_every_other_name_is_refused(header: str) -> None:
    assert not is_ours(header, "127.0.0.1", ())


@pytest.mark.parametrize("header", ["10.1.2.3:8321", "[fd00::7]:8321", "reportsync:8321", "nas"])
def test_where_others_may_ask_addresses_and_names_without_a_dot_are_answered(header: str) -> None:
    assert is_ours(header, "0.0.0.0", ())
    assert is_ours(header, "::", ())


@pytest.mark.parametrize("header", ["evil.example", "rebound.10.1.2.3.nip.example", "a.b"])
def test_where_others_may_ask_a_foreign_name_is_refused(header: str) -> None:
    assert not is_ours(header, "0.0.0.0", ())


def test_the_listen_address_and_configured_names_are_answered() -> None:
    assert is_ours("192.0.2.7:8321", "192.0.2.7", ())
    assert is_ours("Status.Example.com:443", "127.0.0.1", ("status.example.COM",))
    assert not is_ours("other.example.com", "127.0.0.1", ("status.example.com",))


def test_the_host_is_read_without_port_brackets_and_final_dot() -> None:
    assert host_of("Nas.Example.:80") == "nas.example"
    assert host_of("[::1]:80") == "::1"
    assert host_of("bad host") is None

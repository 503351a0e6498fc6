"""Pings to a Healthchecks check, over a real connection."""

from __future__ import annotations

import pytest
from notice_receiver import Receiver, dead_port

from reportsync.announce.courier import NotDelivered
from reportsync.announce.healthchecks import Healthchecks, Ping, Sign, ping_url

RUN = "7d3c6f0e-2b4a-4b7e-9a53-0c1d2e3f4a5b"


@pytest.mark.parametrize(
    ("url", "sign", "expected"),
    [
        ("https://hc.test/ping/abc", "start", f"https://hc.test/ping/abc/start?rid={RUN}"),
        ("https://hc.test/ping/abc/", "fail", f"https://hc.test/ping/abc/fail?rid={RUN}"),
        ("https://hc.test/ping/abc", "success", f"https://hc.test/ping/abc?rid={RUN}"),
        ("https://hc.test/ping/abc?create=1", "start", f"https://hc.test/ping/abc/start?create=1&rid={RUN}"),
        ("https://hc.test:8000/p/a/?x=1#f", "success", f"https://hc.test:8000/p/a?x=1&rid={RUN}"),
    ],
)  # fmt: skip
def test_row_37_the_sign_goes_after_the_path_and_the_run_into_the_query(
    url: str, sign: Sign, expected: str
) -> None:
    assert ping_url(url, sign, RUN) == expected


def test_row_37_a_ping_is_a_post_with_its_text_as_body() -> None:
    with Receiver() as receiver:
        Healthchecks(receiver.check).send(Ping("fail", RUN, "3 missing\nshop: ä"))
    (heard,) = receiver.heard
    assert heard.path == f"/ping/0f1e2d3c-4b5a-6978/fail?rid={RUN}"
    assert heard.body == "3 missing\nshop: ä"
    assert heard.headers["User-Agent"].startswith("reportsync/")


def test_a_long_body_is_cut_to_ten_thousand_bytes() -> None:
    with Receiver() as receiver:
        Healthchecks(receiver.check).send(Ping("fail", RUN, "x" * 50_000))
    assert len(receiver.heard[0].body) == 10_000


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_answer_other_than_success_is_tried_twice_and_then_told_without_the_address(
    status: int,
) -> None:
    with Receiver(status) as receiver, pytest.raises(NotDelivered) as caught:
        Healthchecks(receiver.check).send(Ping("success", RUN))
    assert len(receiver.heard) == 2
    assert caught.value.message == f"answered {status}"


def test_a_dead_check_is_told_without_its_address() -> None:
    url = f"http://127.0.0.1:{dead_port()}/ping/hidden-name-of-a-check"
    with pytest.raises(NotDelivered) as caught:
        Healthchecks(url).send(Ping("start", RUN))
    assert caught.value.message == "no answer (ConnectionError)"
    assert caught.value.__cause__ is None


def test_fault_42_a_check_that_never_answers_costs_two_timeouts() -> None:
    with Receiver(hangs=True) as receiver:
        with pytest.raises(NotDelivered, match="ReadTimeout"):
            Healthchecks(receiver.check, timeout=0.1).send(Ping("start", RUN))
        assert len(receiver.heard) == 2

"""The threads that carry messages: none of them blocks, floods or breaks who hands one over."""

from __future__ import annotations

import threading
import time

import pytest
from notice_receiver import eventually

from reportsync.announce.courier import Courier, NotDelivered


def test_messages_are_delivered_in_their_order_from_another_thread() -> None:
    got: list[tuple[int, str]] = []
    courier = Courier[int]("place", lambda n: got.append((n, threading.current_thread().name)))
    for number in range(20):
        courier.carry(number)
    assert courier.wait(5)
    courier.close()
    assert got == [(number, "place") for number in range(20)]


def test_what_became_of_each_message_is_told_once() -> None:
    def deliver(number: int) -> None:
        if number:
            raise NotDelivered("it is closed")

    courier = Courier[int]("place", deliver)
    courier.carry(0)
    courier.carry(1)
    assert courier.wait(5)
    found = [(one.message, one.error) for one in courier.carried()]
    courier.close()
    assert found == [(0, None), (1, "place: it is closed")]
    assert courier.carried() == []


def test_a_bug_of_a_library_ends_neither_the_thread_nor_shows_its_text() -> None:
    def deliver(number: int) -> None:
        if number == 0:
            raise RuntimeError("https://hidden.test/address")

    courier = Courier[int]("place", deliver)
    courier.carry(0)
    courier.carry(1)
    assert courier.wait(5)
    errors = [one.error for one in courier.carried()]
    courier.close()
    assert errors == ["place: RuntimeError", None]


def test_fault_42_a_place_that_hangs_blocks_nobody_and_what_waits_for_it_is_bounded() -> None:
    release = threading.Event()
    courier = Courier[int]("place", lambda n: release.wait(10) and None, most_waiting=3)
    courier.carry(0)
    eventually(lambda: courier._busy)
    began = time.monotonic()
    for number in range(1, 10):
        courier.carry(number)
    assert not courier.wait(0.05)
    assert time.monotonic() - began < 1
    dropped = [one.message for one in courier.carried()]
    assert dropped == [4, 5, 6, 7, 8, 9]
    assert courier.close() == 4
    release.set()
    assert courier.wait(5)


def test_a_message_for_which_there_is_no_thread_is_not_delivered_and_the_next_one_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    got: list[int] = []
    courier = Courier[int]("place", got.append)
    with monkeypatch.context() as scarce:
        scarce.setattr(threading.Thread, "start", start)
        courier.carry(1)
    courier.carry(2)
    assert courier.wait(5)
    courier.close()
    assert got == [2]
    errors = [(one.message, one.error) for one in courier.carried()]
    assert errors == [(1, "place: no thread could be started"), (2, None)]


def test_after_the_end_nothing_is_carried() -> None:
    courier = Courier[int]("place", lambda n: None)
    courier.close()
    courier.carry(1)
    assert [one.error for one in courier.carried()] == ["place: too many messages wait"]

"""Notices through Apprise to a real receiver."""

from __future__ import annotations

import logging

import pytest
from notice_receiver import Receiver, dead_port

from reportsync.announce import channels
from reportsync.announce.channels import Channel
from reportsync.announce.courier import NotDelivered
from reportsync.incidents import Notice, Phase

# Apprise 2.2 imports it with its mail plugin on Python up to 3.12.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")

HOLE = Notice(Phase.OPENED, "late", "shop: 2026-11-10 is missing", "Why: it's <b>not</b>\\n there")


@pytest.mark.parametrize(
    ("phase", "kind"),
    [(Phase.OPENED, "failure"), (Phase.REMINDER, "warning"), (Phase.CLOSED, "success")],
)
def test_a_notice_arrives_with_title_text_and_kind(phase: Phase, kind: str) -> None:
    with Receiver() as receiver:
        Channel(0, receiver.target).send(Notice(phase, "late", HOLE.title, HOLE.body))
    (heard,) = receiver.heard
    assert heard.path == "/hidden-path-of-notices"
    assert heard.notice["title"] == "reportsync: shop: 2026-11-10 is missing"
    assert heard.notice["message"] == HOLE.body
    assert heard.notice["type"] == kind


@pytest.mark.parametrize("status", [403, 500])
def test_a_target_that_refuses_is_told_without_its_address(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        Receiver(status) as receiver,
        caplog.at_level(logging.DEBUG),
        pytest.raises(NotDelivered) as caught,
    ):
        Channel(0, receiver.target).send(HOLE)
    assert caught.value.message == "the target did not take the notice"
    by_apprise = [record for record in caplog.records if record.name.startswith("apprise")]
    assert by_apprise == []


def test_a_dead_target_is_told_without_its_address(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotDelivered, match="did not take"):
        Channel(0, f"json://127.0.0.1:{dead_port()}/hidden-path-of-notices").send(HOLE)
    assert capfd.readouterr() == ("", "")


def test_a_url_that_apprise_does_not_know_is_named_by_its_place() -> None:
    channel = Channel(2, "nonesuch://hidden-word")
    assert channel.name == "notify.urls[2]"
    with pytest.raises(NotDelivered, match="is not a URL that Apprise knows"):
        channel.send(HOLE)


def test_without_the_library_the_command_that_brings_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(channels, "find_spec", lambda name: None)
    with pytest.raises(NotDelivered, match=r"pip install 'reportsync\[notify\]'"):
        Channel(0, "json://127.0.0.1/x").send(HOLE)

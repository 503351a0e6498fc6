"""Text of a hostile server makes no lines, no priorities, no fields and no markup of its own."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from notice_receiver import Receiver

from reportsync.announce import log, systemd
from reportsync.announce.channels import Channel
from reportsync.incidents import Notice, Phase
from reportsync.settings import Log

HOSTILE = 'first\n<0>kernel: panic\r\n{"level": "critical"}\u2028\x1b[2J\x9b1m\u202eend <script>&'
FORGED = re.compile(r"(?m)^(<0>|kernel|\{\"level\": \"critical)")


@pytest.fixture
def _logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("_logging")
@pytest.mark.parametrize("form", ["console", "journal", "json"])
def test_no_text_makes_a_line_or_a_priority_of_its_own_in_the_log(form: str) -> None:
    stream = io.StringIO()
    logger = log.configure(Log(format=form), stream)  # type: ignore[arg-type]
    logger.warning(HOSTILE, reason=HOSTILE, key=[HOSTILE])
    logging.getLogger("urllib3.connectionpool").warning("%s", HOSTILE)
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logger.exception("a bug")
    lines = stream.getvalue().split("\n")
    assert lines.pop() == ""
    assert len(lines) == (
        4 if form == "console" else 3
    )  # for people, a traceback is below its event
    assert not FORGED.search(stream.getvalue())
    for line in lines:
        assert line.isprintable()
        if form == "journal":
            assert re.match(r"<[34]>[^<]", line)
        if form == "json":
            assert json.loads(line)["level"] in ("warning", "error")


def test_no_text_makes_a_field_of_its_own_for_the_service_manager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    monkeypatch.setenv("NOTIFY_SOCKET", f"{tmp_path}/notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("notify")
        assert systemd.notify("STATUS=late: a\nMAINPID=1\r\nSTOPPING=1", "WATCHDOG=1")
        assert manager.recv(4096) == b"STATUS=late: a MAINPID=1 STOPPING=1\nWATCHDOG=1"
    assert os.environ["NOTIFY_SOCKET"]


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
def test_no_text_makes_markup_in_a_notice() -> None:
    body = "Why: <script>alert(1)</script> <img src=x onerror=y> & <b>done</b>"
    with Receiver() as receiver:
        Channel(0, f"{receiver.target}?format=html").send(
            Notice(Phase.OPENED, "late", "shop", body)
        )
    (heard,) = receiver.heard
    assert "<script" not in heard.body
    assert "<img" not in heard.body
    assert "&lt;script&gt;" in heard.notice["message"]

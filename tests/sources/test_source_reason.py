"""The vendor's reasons are lifted out of every shape, and only plain words mean a refused key."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportsync.sources.reason import (
    looks_like_html,
    looks_like_json,
    read_reason,
    refuses_key,
)

SHAPES = [
    ({"status": "fail", "error": {"message": "No file", "type": "NotFound", "request_id": "q"}},
     "No file, NotFound"),
    ({"title": "Bad", "description": "Too early", "code": 17}, "Bad, Too early, code 17"),
    ({"response_id": "r", "error": {"code": "E1", "message": "Nope"}}, "Nope, code E1"),
    ({"error": {"attribute": "day", "message": "Wrong", "type": "T", "request_id": "r"}},
     "Wrong, attribute day, T"),
    ({"error": "plain words"}, "plain words"),
    ({"errors": [{"detail": "first"}, {"detail": "second"}]}, "first, second"),
    ([{"message": "in a list"}], "in a list"),
    ({"message": "said once", "error": {"message": "said once"}}, "said once"),
    ({"status": "fail"}, '{"status": "fail"}'),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), SHAPES)
def test_each_shape_gives_its_reason(value: object, text: str) -> None:
    assert read_reason(json.dumps(value).encode()) == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", None),
        (b"   \n", None),
        (b"\x00\x01\x02", None),
        (b"sorry,\r\nnot today", "sorry, not today"),
        (b"<html><body>no title", None),
        (b"<!DOCTYPE HTML><title lang=en> A &lt;b&gt; </title>", "A <b>"),
        (b'\xef\xbb\xbf{"message": "with a BOM"}', "with a BOM"),
        (b'{"message": "cut', '{"message": "cut'),
        (b"[" * 60_000, "[" * 299 + "…"),
        (b'{"code": ' + b"9" * 9000, '{"code": ' + "9" * 290 + "…"),
        (b"\xff\xfe latin", "�� latin"),
    ],
)
def test_anything_else_gives_what_can_be_shown(body: bytes, text: str | None) -> None:
    assert read_reason(body) == text


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_no_body_upsets_the_reader(body: bytes) -> None:
    reason = read_reason(body)
    assert reason is None or (0 < len(reason) <= 300 and reason.isprintable())
    assert not (looks_like_html(body) and looks_like_json(body))


@pytest.mark.parametrize(
    "reason",
    [
        "Invalid signature",
        "Signature mismatch",
        "The signature does not match",
        "Signature is not valid",
        "signature could not be verified",
        "Wrong API key",
        "invalid secret key",
        "Unauthorized",
        "You are not authorised to see this",
        "Authentication failed",
        "Access denied",
        "Missing credentials",
        "Error, code 401",
    ],
)
def test_plain_words_about_the_key_mean_that_it_is_refused(reason: str) -> None:
    assert refuses_key(reason)


@pytest.mark.parametrize(
    "reason",
    [
        None,
        "Report is not ready",
        "File not found",
        "No such key: reports/20260302.zip",
        "Invalid file name",
        "The day is missing, code 404",
        "Unknown date for this app",
        "Key metrics are being computed",
        "Rate limit of your API key exceeded",
    ],
)
def test_other_words_do_not_mean_a_refused_key(reason: str | None) -> None:
    assert not refuses_key(reason)


@contextmanager
def collecting_at_once(look: object) -> Iterator[None]:
    """Have the garbage collector run, and call `look`, as often as it can."""
    before = gc.get_threshold()
    gc.callbacks.append(look)  # type: ignore[arg-type]
    gc.set_threshold(1)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(look)  # type: ignore[arg-type]


def test_json_nested_without_end_leaves_room_for_what_runs_in_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A finalizer that met the end of the stack in there left its connections open."""
    failed: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", failed.append)

    def look(phase: str, info: object) -> None:
        def deeper(left: int) -> int:
            return deeper(left - 1) if left else 0

        deeper(100)

    with collecting_at_once(look):
        assert read_reason(b'{"error":' * 7_000) is not None
        assert read_reason(b"[" * 60_000) is not None
    assert failed == []

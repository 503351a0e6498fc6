"""Decide what the vendor's API answers: the right answer, and those of the faults. Pure.

Status codes and bodies of failures are not published. Those here are the shapes of error that other
pages of the vendor show, and the codes of its newer report API.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus

from reportsync.sandbox.apps import SandboxApp
from reportsync.sandbox.broken import BREAK
from reportsync.sandbox.faults import Fault
from reportsync.sandbox.kinds import KINDS

Headers = tuple[tuple[str, str], ...]

_HOSTILE = (
    "<script>alert(1)</script>\r\nX-Fake: 1 \x1b[2J\x1b]0;owned\x07 \u202egnp.exe\u2066 %s {0} "
)
_PLACES = {
    "other": "https://elsewhere.example/", "http": "http://elsewhere.example/",
    "file": "file:///etc/hostname", "link-local": "http://169.254.169.254/latest/meta-data/",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; the headers are without Date, Content-Length and Connection."""

    status: int
    body: bytes = b""
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The request is right and the report is there, since the instant `ready`."""

    app: SandboxApp
    day: date
    ready: datetime


def json_answer(status: int, content: object, headers: Headers = ()) -> Answer:
    """Return `content` as a JSON answer."""
    return Answer(
        status, json.dumps(content).encode(), (("Content-Type", "application/json"), *headers)
    )


def zip_answer(body: bytes) -> Answer:
    """Return `body` as the answer to a request that succeeds."""
    return Answer(200, body, (("Content-Type", "application/zip"),))


def parse_day(file_name: str) -> date | None:
    """Return the day of a report's `file_name`, YYYYMMDD.zip; None if it is not one."""
    match = re.fullmatch(r"(\d{4})(\d{2})(\d{2})\.zip", file_name, re.ASCII)
    try:
        return date(*map(int, match.groups())) if match else None
    except ValueError:
        return None


def judge(
    apps: Iterable[SandboxApp], file_name: str, signature: str, now: datetime
) -> Found | Answer:
    """Return which report is asked for, or the answer that says why there is none.

    `apps` are those with the requested app_id, usually one; `now` is aware.
    """
    apps = tuple(apps)
    day = parse_day(file_name)
    if not apps:
        content = {"title": "Bad request", "description": "The APP ID is not known", "code": 400}
        return json_answer(400, content)
    if day is None:
        return json_answer(400, {"error": {
            "attribute": "file_name", "message": "The file name must be YYYYMMDD.zip",
            "type": "InvalidRequest", "request_id": _request_id(file_name),
        }})  # fmt: skip
    app = next((app for app in apps if app.signed(file_name, signature)), None)
    if app is None:
        return refused(401, "The Signature is not valid for this APP ID", file_name)
    ready = app.ready_at(day)
    if ready is None or ready > now:
        return not_there(file_name)
    return Found(app, day, ready)


def refused(status: int, message: str, file_name: str, kind: str | None = None) -> Answer:
    """Return an error in the shape of the vendor's data APIs; `kind` follows from the status."""
    kind = kind or HTTPStatus(status).phrase.title().replace(" ", "")
    error = {"message": message, "type": kind, "request_id": _request_id(file_name)}
    return json_answer(status, {"status": "fail", "error": error})


def not_there(file_name: str) -> Answer:
    """Return what is said of a report that is not generated yet, and of one that never will be."""
    error = {"code": "ReportNotFound", "message": "Report does not exist for the given date"}
    return json_answer(404, {"response_id": _request_id(file_name), "error": error})


def _request_id(file_name: str) -> str:
    return hashlib.sha256(file_name.encode()).hexdigest()[:16]


def faulty(fault: Fault, path: str, file_name: str, now: datetime) -> Answer:
    """Return the answer of a `fault` of the family ANSWER.

    `path` is that of the request, without its signature.
    """
    match fault.kind:
        case "json-200":
            return refused(200, "The report could not be generated", file_name, "ReportError")
        case "html-200":
            page = b"<!DOCTYPE html><html><head><title>Log in to Free WiFi</title></head></html>"
            return Answer(200, page, (("Content-Type", "text/html"),))
        case "empty-200":
            return zip_answer(b"")
        case "hostile-text":
            return refused(400, _HOSTILE, file_name)
        case "huge-text":
            return refused(400, _HOSTILE * (10 * 2**20 // len(_HOSTILE)), file_name)
        case "redirect":
            return Answer(302, b"", (("Location", _target(fault, path)),))
        case "204" | "304":
            return Answer(int(fault.kind))
        case "404":
            answer = not_there(file_name)
        case code:
            answer = refused(int(code), f"Sandbox: {KINDS[code].about}", file_name)
    return Answer(answer.status, answer.body, (*answer.headers, *_pauses(fault, now)))


def _target(fault: Fault, path: str) -> str:
    to = fault.to or "other"
    return path if to == "loop" else _PLACES.get(to, to)


def _pauses(fault: Fault, now: datetime) -> Headers:
    headers: Headers = ()
    if fault.retry_after is not None:
        headers += (("Retry-After", _retry_after(fault.retry_after, now)),)
    if fault.ratelimit is not None:
        reset = int(now.timestamp()) + fault.ratelimit
        values = (("limit", 100), ("remaining", 0), ("reset", reset))
        headers += tuple((f"x-ratelimit-{name}", str(value)) for name, value in values)
    return headers


def _retry_after(word: str, now: datetime) -> str:
    soon = format_datetime((now + timedelta(seconds=5)).astimezone(UTC), usegmt=True)
    words = {"date": soon, "huge": "999999999999", "negative": "-5", "text": "soon"}
    return words.get(word, word)


def damaged(fault: Fault, good: bytes) -> Answer:
    """Return the answer of a `fault` of the family BODY, made of the `good` archive."""
    if fault.kind == "changed":
        return zip_answer(good)
    if fault.kind == "206":
        part = good[: len(good) // 2]
        span = ("Content-Range", f"bytes 0-{len(part) - 1}/{len(good)}")
        return Answer(206, part, (("Content-Type", "application/zip"), span))
    answer = zip_answer(BREAK[fault.kind](good))
    if not fault.kind.startswith("gzip"):
        return answer
    return Answer(200, answer.body, (*answer.headers, ("Content-Encoding", "gzip")))

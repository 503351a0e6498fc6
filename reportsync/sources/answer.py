"""What an answer that brought no archive means: which error, and what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from reportsync.errors import AppRefused, AttemptFailed, KeyRefused, NotThereYet, TransientFault
from reportsync.redact import clean
from reportsync.sources.headers import asked_pause
from reportsync.sources.reason import looks_like_html, looks_like_json, read_reason, refuses_key

_PASSING = frozenset({408, 425, 429})
_REDIRECTS = frozenset({300, 301, 302, 303, 305, 307, 308})


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer without an archive; `body` is at most its first 64 KiB."""

    host: str  # as messages name it
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


def judge(answer: Answer, now: datetime) -> AttemptFailed:
    """Return the error that `answer` amounts to; `now` is our clock, UTC.

    The vendor publishes neither its status codes nor whether an error can come with 200, so the
    reason in the body decides where the status does not.
    """
    status, reason = answer.status, read_reason(answer.body)
    if status in (401, 403):
        return _key_refused(answer, reason)
    if status in (400, 404) or (status == 200 and looks_like_json(answer.body)):
        return _key_refused(answer, reason) if refuses_key(reason) else _not_there(answer, reason)
    if status in _REDIRECTS:
        return _redirect(answer)
    if status == 407:
        return _refused(answer, reason, "check http.proxy and its user and password")
    if status in _PASSING or not 400 <= status < 500:
        return _passing(answer, reason, now)
    if status == 410:
        hint = (
            "ask the vendor whether this API was switched off, or set base_url to where it is now"
        )
        return _refused(answer, reason, hint)
    # The rest of 4xx (405, 406, 414, 451, ...) objects to how we ask, not to this day: the same
    # request would be refused for every day, so a person should look rather than all days retry.
    return _refused(answer, reason, "check base_url and the app's settings in the dashboard")


def _key_refused(answer: Answer, reason: str | None) -> KeyRefused:
    text = f"{_said(answer)}, the key was refused{_because(reason)}"
    hint = "compare app_id and secret_key with the campaign report API key in the dashboard"
    return KeyRefused(text, hint=hint, status=answer.status)


def _not_there(answer: Answer, reason: str | None) -> NotThereYet:
    return NotThereYet(f"{_said(answer)}{_because(reason)}", status=answer.status)


def _refused(answer: Answer, reason: str | None, hint: str) -> AppRefused:
    return AppRefused(f"{_said(answer)}{_because(reason)}", hint=hint, status=answer.status)


def _passing(answer: Answer, reason: str | None, now: datetime) -> TransientFault:
    text, hint = f"{_said(answer)}{_because(reason)}", None
    if looks_like_html(answer.body) and answer.status < 300:
        text = f"{_said(answer)} with a web page{_because(reason)}; a captive portal or a proxy?"
        hint = "check base_url and http.proxy"
    elif answer.status == 200:
        text = f"{_said(answer)} with {_kind(answer)} instead of a zip{_because(reason)}"
    pause = asked_pause(answer.headers, now) if answer.status >= 400 else None
    return TransientFault(text, hint=hint, status=answer.status, retry_after=pause)


def _kind(answer: Answer) -> str:
    if not answer.body:
        return "an empty body"
    encoding = answer.headers.get("content-encoding")
    return clean(f"a body in encoding {encoding}", 80) if encoding else "something"


def _redirect(answer: Answer) -> AppRefused:
    place = _place(answer.headers.get("location", ""))
    return AppRefused(
        f"{_said(answer)} and points to {place}; redirects are not followed",
        hint="if that is where the API is now, set base_url (or data_center) of the app",
        status=answer.status,
    )


def _place(location: str) -> str:
    """Return scheme and host of a redirect, never its path or query."""
    try:
        parts = urlsplit(location)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "an address that makes no sense"
    if not location:
        return "nowhere"
    if not parts.scheme and not host:
        return "another path of the same host"
    return clean(f"{parts.scheme or 'the same scheme'}://{host}", 120)


def _said(answer: Answer) -> str:
    return f"{answer.host} answered {answer.status}"


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""

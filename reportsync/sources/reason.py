"""The vendor's reason out of whatever body it comes in, fit for display. Pure."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator

from reportsync.redact import clean

# The shapes on the vendor's pages: {"status", "error": {"message", "type", "request_id"}},
# {"title", "description", "code"}, {"response_id", "error": {"code", "message"}} and
# {"error": {"attribute", "message", "type", "request_id"}}; the other names are common elsewhere.
_TELLING = ("title", "message", "description", "detail", "reason", "attribute", "type", "code")
_NESTED = ("error", "errors", "fault", "data")
_DEPTH = 4
_BRACKETS = 200  # no error has more; nested that deep they would use up the stack of whatever runs meanwhile
_TITLE = re.compile(r"<title[^>]{0,200}>(.{0,500}?)</title", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"\s*(<!doctype html|<html|<head|<body|<!--)", re.IGNORECASE)
_KEY_REFUSED = re.compile(
    r"""
    \b(unauthori[sz]ed | unauthenticated | not\ authori[sz]ed | forbidden
      | (access|permission)\ (is\ )?denied
      | (authentication|authorization)\ (error|fail\w*|required|is\ required)
      | (wrong|invalid|incorrect|bad|expired|missing|unknown|mismatch\w*|unrecogni[sz]ed)
        \W+ (the\ |api[ _-]?|app[ _-]?|secret[ _-]?)* (signature|key|secret|credentials?)
      | (signature|secret|api[ _-]?key|secret[ _-]?key|credentials?) \W+ (\w+\W+){0,4}?
        (wrong|invalid|incorrect|expired|missing|mismatch\w*|required|not\ valid
         |(not|n't)\ match\w*|could\ not\ be\ verified)
      | code:?\ 40[13]
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)


def looks_like_json(body: bytes) -> bool:
    """Say whether `body` begins like a JSON object or list, whole or not."""
    return body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")


def looks_like_html(body: bytes) -> bool:
    """Say whether `body` begins like a web page."""
    return _TAG.match(body[:2000].decode("latin-1").lstrip("\ufeff\xef\xbb\xbf")) is not None


def read_reason(body: bytes) -> str | None:
    """Return the reason that `body` gives, cut and cleaned for one line; None if it gives none.

    JSON in any of the vendor's shapes, the title of a web page, or else the beginning of the text.
    """
    if looks_like_html(body):
        title = _TITLE.search(body.decode("utf-8", "replace"))
        text = html.unescape(title[1]) if title else ""
    elif looks_like_json(body):
        text = _from_json(body)
    else:
        text = body.decode("utf-8", "replace") if b"\0" not in body else ""
    return clean(text) or None


def refuses_key(reason: str | None) -> bool:
    """Say whether `reason` plainly speaks of the key, the signature or a missing permission."""
    return reason is not None and _KEY_REFUSED.search(reason) is not None


def _from_json(body: bytes) -> str:
    """Return the telling values of a JSON body, or its text if it is not whole or beyond all measure."""
    if body.count(b"[") + body.count(b"{") > _BRACKETS:
        return body.decode("utf-8", "replace")
    try:
        value = json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
    said = list(dict.fromkeys(_telling(value, _DEPTH)))
    return ", ".join(said[:6]) if said else body.decode("utf-8", "replace")


def _telling(value: object, depth: int) -> Iterator[str]:
    """Yield the texts that explain something, outermost first."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and depth:
        for item in value[:3]:
            yield from _telling(item, depth - 1)
    elif isinstance(value, dict) and depth:
        for name in _TELLING:
            if isinstance(text := value.get(name), str | int) and text != "":
                yield f"{name} {text}" if name in ("code", "attribute") else str(text)
        for name in _NESTED:
            yield from _telling(value.get(name), depth - 1)

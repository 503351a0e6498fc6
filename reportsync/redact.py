"""The one function that foreign text passes before any sink: no secrets, no tricks, no floods. Pure but
for the list of secrets that the process knows."""

from __future__ import annotations

import re
import unicodedata

_known: set[str] = set()
_SIGNATURE = re.compile(r"(?i)(signature\W{0,6})[0-9a-z%+/=_-]{8,}")
_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s@]+@")
MASK = "***"
SHORTEST = 4  # characters; to mask shorter secrets would riddle every text


def remember_secret(secret: str) -> None:
    """Have `secret` masked in every text from now on; texts under `SHORTEST` are left alone."""
    if len(secret) >= SHORTEST:
        _known.add(secret)


def mask(text: str) -> str:
    """Return `text` without known secrets, signatures and passwords in URLs."""
    for secret in sorted(_known, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _SIGNATURE.sub(rf"\g<1>{MASK}", text)
    return _USERINFO.sub(rf"\g<1>{MASK}@", text)


def clean(text: str, limit: int = 300) -> str:
    """Return foreign `text` fit for one line of a log, a terminal or a page.

    Secrets are masked, control, format (bidi) and other invisible characters become spaces, runs of
    blanks one, and what is longer than `limit` characters is cut with an ellipsis. HTML is not
    escaped here: the page does that.
    """
    text = mask(text[: limit * 20])
    text = "".join(
        " " if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} else char
        for char in text
    )
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"

"""The one function that foreign text passes before any sink: no secrets, no tricks, no floods. Pure but
for the list of secrets that the process knows."""

from __future__ import annotations

import re
import unicodedata

MASK = "***"
SHORTEST = 4  # characters; to mask shorter secrets would riddle every text

# What follows the word must hold a digit, as every real signature does: "signature mismatch" is a reason.
# The look-ahead is bounded, and a user's name needs no scheme before it: else hostile text of a few KiB
# (the word again and again, or `a.a.a.`) took seconds.
_SIGNATURE = re.compile(
    r"(?i)(signature(?:%3d|\W){0,6})(?=[a-z%+/=_-]{0,200}[0-9])[0-9a-z%+/=_-]{8,}"
)
# As long and of the letters of a signature, whatever stands before it.
_DIGEST = re.compile(r"(?i)(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_USERINFO = re.compile(r"(://)[^/\s@]+@")
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_MARGIN = 4096  # longer than any secret, so that none is cut before it is masked


class _Known:
    """The secrets of this process, and the expression that finds them, the longest first."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, secret: str) -> None:
        self._secrets.add(secret)
        self._pattern = None

    def mask(self, text: str) -> str:
        if not self._secrets:
            return text
        if self._pattern is None:
            longest_first = sorted(self._secrets, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)
        return self._pattern.sub(MASK, text)


_known = _Known()


def remember_secret(secret: str) -> None:
    """Have `secret` masked in every text from now on; texts under `SHORTEST` are left alone."""
    if len(secret) >= SHORTEST:
        _known.add(secret)


def mask(text: str) -> str:
    """Return `text` without known secrets, signatures and passwords in URLs."""
    text = _SIGNATURE.sub(rf"\g<1>{MASK}", _known.mask(text))
    return _USERINFO.sub(rf"\g<1>{MASK}@", text)


def mask_all(text: str) -> str:
    """Do the same, and mask all that could be a signature, whatever stands before it."""
    return _DIGEST.sub(MASK, mask(text))


def clean(text: str, limit: int = 300) -> str:
    """Return foreign `text` fit for one line of a log, a terminal or a page.

    Secrets and all that could be a signature are masked, control, format (bidi) and other invisible
    characters become spaces, runs of blanks one, and what is longer than `limit` characters is cut with
    an ellipsis. HTML is not escaped here: the page does that.
    """
    text = mask(text[: limit * 20 + _MARGIN])[: limit * 20]
    visible = (" " if unicodedata.category(char) in _INVISIBLE else char for char in text)
    # Once more: a secret may have been hidden from the first look by characters that are gone now.
    text = _DIGEST.sub(MASK, mask(" ".join("".join(visible).split())))
    return text if len(text) <= limit else text[: limit - 1] + "…"

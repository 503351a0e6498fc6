"""The search for the canary finds it in whatever form it is hidden."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from canary import CANARY, refuse, shows

FORMS = [
    CANARY, CANARY.upper(), CANARY.swapcase(), quote(CANARY), "".join(f"%{ord(char):02X}" for char in CANARY),
    CANARY.encode().hex(),
    *(base64.b64encode(b"u:" * n + CANARY.encode() + b"@h").decode() for n in range(4)),
    base64.urlsafe_b64encode(b"x" + CANARY.encode()).decode(),
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_the_canary_is_found(form: str) -> None:
    with pytest.raises(AssertionError, match="a secret is in the log"):
        refuse(f"some text {form} and more", "the log")


def test_nothing_is_found_where_nothing_is() -> None:
    assert not shows(f"{CANARY[:-1]} and {CANARY[1:]}")

"""One fixed secret that no sink may ever show, nor a signature made with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date
from pathlib import Path

CANARY = "canary-Zq7Xw2Kv9Lm4Pt6R"
"""The key that the tests' apps are given where secrets are searched for."""


def signatures(app_id: str, days: Iterable[date]) -> list[str]:
    """Return the signatures of the reports of `app_id` about `days`, made with the canary."""
    texts = [f"{app_id}|{day:%Y%m%d}.zip|{CANARY}" for day in days]
    return [hashlib.sha256(text.encode()).hexdigest() for text in texts]


def refuse(data: bytes | str, where: str, secrets: Iterable[str] = ()) -> None:
    """Fail if the canary or one of `secrets`, in whatever case, is in `data`."""
    text = (data.decode("latin-1") if isinstance(data, bytes) else data).lower()
    for secret in (CANARY, *secrets):
        assert secret.lower() not in text, f"a secret is in {where}"


def refuse_files(folder: Path, secrets: Iterable[str] = (), besides: Iterable[Path] = ()) -> None:
    """Fail if a secret is in a file below `folder`, or in a file's name; `besides` are left out."""
    left_out = set(besides)
    for path in folder.rglob("*"):
        refuse(str(path), "the name of a file", secrets)
        if path.is_file() and path not in left_out:
            refuse(path.read_bytes(), str(path), secrets)

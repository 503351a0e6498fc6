"""One fixed secret that no sink may ever show, nor a signature made with it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from datetime import date
from functools import cache
from pathlib import Path

CANARY = "canary-Zq7Xw2Kv9Lm4Pt6R"
"""The key that the tests' apps are given where secrets are searched for."""


def signatures(app_id: str, days: Iterable[date]) -> list[str]:
    """Return the signatures of the reports of `app_id` about `days`, made with the canary."""
    texts = [f"{app_id}|{day:%Y%m%d}.zip|{CANARY}" for day in days]
    return [hashlib.sha256(text.encode()).hexdigest() for text in texts]


BUG = """
import reportsync.sources.daily as daily

def signature(app_id, name, key):
    signed = true_signature(app_id, name, key)
    raise RuntimeError(f"{key} {key.upper()} ?Signature={signed} {signed} {signed.upper()}")

true_signature, daily.signature = daily.signature, signature
"""


def plant_bug(folder: Path) -> dict[str, str]:
    """Return the environment in which each download ends in a bug whose text is full of secrets."""
    place = folder / "buggy"
    place.mkdir()
    (place / "sitecustomize.py").write_text(BUG)
    return {"PYTHONPATH": f"{place}:{Path(__file__).resolve().parents[1]}"}


@cache
def disguises(secret: str) -> frozenset[str]:
    """Return `secret` as it would look in a URL, in hex, and in base64 wherever it begins; in lower case."""
    data = secret.encode()
    quoted = "".join(f"%{byte:02x}" for byte in data)
    return frozenset(text.lower() for text in (secret, quoted, data.hex(), *_base64(data)))


def _base64(data: bytes) -> Iterator[str]:
    for before in range(
        3
    ):  # what stands before it shifts the letters; those at its ends are its neighbours'
        whole = base64.b64encode(bytes(before) + data).decode().rstrip("=")
        yield whole[4 * (before > 0) : -2]


def shows(data: bytes | str, secrets: Iterable[str] = ()) -> bool:
    """Say whether the canary or one of `secrets`, in whatever case or disguise, is in `data`."""
    text = (data.decode("latin-1") if isinstance(data, bytes) else data).lower()
    return any(form in text for secret in (CANARY, *secrets) for form in disguises(secret))


def refuse(data: bytes | str, where: str, secrets: Iterable[str] = ()) -> None:
    """Fail if `data` shows a secret."""
    assert not shows(data, secrets), f"a secret is in {where}"


def refuse_files(folder: Path, secrets: Iterable[str] = (), besides: Iterable[Path] = ()) -> None:
    """Fail if a secret is in a file below `folder`, or in a file's name; `besides` are left out."""
    left_out = set(besides)
    for path in folder.rglob("*"):
        refuse(str(path), "the name of a file", secrets)
        if path.is_file() and path not in left_out:
            refuse(path.read_bytes(), str(path), secrets)

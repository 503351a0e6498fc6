"""Whatever unpacks deflate says the same of a stream, whole or damaged."""

from __future__ import annotations

import random
import zlib
from typing import Any

import pytest

from reportsync.archive import inflate

FLIPS = 3000
INCOMPLETE = (
    "05c1411100300803302b08e031e006ede1a6f3ef61e96eec0528b79891255ab7ec34b13ae6d4a4c0a857af9da90f"
)
"""What a packer made, with a bit flipped among the lengths of the codes."""


def packed() -> bytes:
    words = random.Random(7)
    plain = "".join(f"{words.randrange(10**6)},sale {words.randrange(9)}\n" for _ in range(400))
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(plain.encode()) + packer.flush()


def verdict(stream: bytes) -> tuple[bytes, bool, bytes] | None:
    """Return what comes out, whether it ends and what is behind; None for damage."""
    inflater, unpacked = inflate.Inflater(), b""
    try:
        for at in range(0, len(stream), 512):
            if inflater.eof:
                return None
            unpacked += inflater.decompress(stream[at : at + 512], 1000)
            while not inflater.eof and not inflater.needs_input:
                unpacked += inflater.decompress(b"", 1000)
    except inflate.INFLATE_ERRORS:
        return None
    return (unpacked, inflater.eof, inflater.unused_data) if inflater.eof else None


def test_codes_that_are_not_complete_are_taken_by_isal_alone_and_what_comes_out_is_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    isal: Any = pytest.importorskip("isal.isal_zlib")
    plain = b";;1;5889b, 177b 286b53 0698;b0 ,9b72b8913c3c6,92b"
    stream = bytes.fromhex(INCOMPLETE)
    monkeypatch.setattr(inflate, "_library", zlib)
    assert verdict(stream) is None
    monkeypatch.setattr(inflate, "_library", isal)
    monkeypatch.setattr(inflate, "INFLATE_ERRORS", (zlib.error, isal.error))
    assert verdict(stream) == (plain, True, b"")


def test_isal_and_zlib_take_and_refuse_the_same_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    isal: Any = pytest.importorskip("isal.isal_zlib")
    whole, chance, verdicts = packed(), random.Random(11), []
    streams = [whole, whole + b"x", whole[:-1], b"", b"\x03\x00"]
    for _ in range(FLIPS):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        streams.append(bytes(damaged))
    for library in (zlib, isal):
        monkeypatch.setattr(inflate, "_library", library)
        monkeypatch.setattr(inflate, "INFLATE_ERRORS", (zlib.error, library.error))
        verdicts.append([verdict(stream) for stream in streams])
    assert verdicts[0] == verdicts[1]
    assert verdicts[0][0] is not None
    assert verdicts[0].count(None) > 100

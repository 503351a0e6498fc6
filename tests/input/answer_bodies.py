"""HTTP answers whose body is framed, packed or made wrongly."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
import zlib
from collections.abc import Callable
from functools import cache

from answer_draft import CLOSES, KEEPS, RESETS, Draft, chunked, make_zip, reframe

# Framing.


def _other_length(draft: Draft) -> None:
    chance, length = draft.chance, len(draft.body)
    odd = chance.choice((
        b"%d" % (length + chance.randint(1, 99)), b"%d" % max(length - chance.randint(1, 99), 0),
        b"0", b"-1", b"-0",
        b"+%d" % length, b"0x%x" % length, b"%d.0" % length, b"%d " % length, b"00%d" % length,
        b"%d, %d" % (length, length),
        b"%d,%d" % (length, length + 1), b"9" * 30, b"1" * 5000, b"%d" % 2**63, b"%d" % 2**64,
        b"", b"abc", b"1_0",
        b"\xd9\xa3",
    ))  # fmt: skip
    kept = [
        one for one in draft.headers if not one.lower().startswith((b"content-length", b"transfer"))
    ]
    if chance.random() < 0.3:  # beside the right one
        kept.append(b"Content-Length: %d" % length)
    draft.headers = [*kept, b"Content-Length: " + odd]
    chance.shuffle(draft.headers)


def _chunks_with(draft: Draft, change: Callable[[bytes, random.Random], bytes]) -> None:
    kept = [
        one
        for one in draft.headers
        if not one.lower().startswith((b"content-l", b"content-e", b"transfer"))
    ]
    draft.headers = [*kept, b"Transfer-Encoding: chunked"]
    draft.body = change(chunked(draft.payload, draft.chance), draft.chance)


def _odd_chunks(draft: Draft) -> None:
    def change(body: bytes, chance: random.Random) -> bytes:
        first, rest = body.split(b"\r\n", 1)
        size = int(first, 16)
        odd = (
            b"%x" % (size + 1), b"%x" % max(size - 1, 0), b"-%b" % first, b"+%b" % first,
            b"0x%b" % first, b"", b" %b" % first,
            b"%b;x=y" % first, b"%b;%b" % (first, b"z" * 70_000), b"f" * 16, b"f" * 5000, b"g",
            b"0%b" % first, b"1_0",
            b"%b\0" % first, b"\xef\xbc\x91",
        )  # fmt: skip
        return chance.choice(odd) + b"\r\n" + rest

    _chunks_with(draft, change)


def _odd_last_chunk(draft: Draft) -> None:
    def change(body: bytes, chance: random.Random) -> bytes:
        ends = (b"", b"0", b"0\r\n", b"0\r\nX: y\r\n\r\n", b"00\r\n\r\n", b"0\r\n\r\nmore",
                b"1\r\nx\r\n0\r\n\r\n", b"-0\r\n\r\n",
                b"0;x\r\n\r\n", b"0\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
                b"0\r\n" + b"z" * 70_000)  # fmt: skip
        return body.removesuffix(b"0\r\n\r\n") + chance.choice(ends)

    _chunks_with(draft, change)
    draft.end = draft.chance.choice((CLOSES, RESETS, KEEPS))


def _length_and_chunks(draft: Draft) -> None:
    draft.headers += [b"Transfer-Encoding: chunked", b"Content-Length: %d" % len(draft.payload)]
    draft.chance.shuffle(draft.headers)
    draft.body = draft.chance.choice((draft.payload, chunked(draft.payload, draft.chance)))


def _surplus(draft: Draft) -> None:
    more = (
        b"\r\n",
        b"x",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nPK",
        bytes(3000),
        draft.payload,
        _answer(-1),
    )
    draft.body += draft.chance.choice(more)


def _short(draft: Draft) -> None:
    draft.body = draft.body[: draft.chance.randrange(len(draft.body))]
    draft.end = draft.chance.choice((CLOSES, RESETS))


def _answer(seed: int) -> bytes:
    """Return the whole answer with another zip, which must never be taken for this one's."""
    body = make_zip(seed)
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


# The body.


def _other_body(draft: Draft) -> None:
    payload, chance = draft.payload, draft.chance
    reframe(draft, chance.choice((
        b"", b"P", b"PK", b"PK\5\6" + bytes(18), payload[:-1],
        payload[: chance.randrange(len(payload))], payload + b"\0",
        b"\0" + payload, payload + payload, payload + make_zip(-1), bytes(len(payload)),
        payload[::-1],
        b'{"status": "fail", "error": {"message": "not generated"}}', b'{"error":' * 20_000,
        b"[" * 60_000,
        b"<html><title>Hotel</title>", b"\x1b]0;x\7<script>\xe2\x80\xae",
        b"PK" + bytes(6 * 2**20), b"z" * 6 * 2**20,
        zip_bomb(), payload[:4] + b"\xff" * 900, gzip.compress(payload), b"signature expired",
    )))  # fmt: skip
    if chance.random() < 0.2:
        draft.status = b"HTTP/1.1 404 Not Found"


def _changed_zip(draft: Draft) -> None:
    changed = bytearray(draft.payload)
    at, length = draft.chance.randrange(len(changed)), draft.chance.choice((1, 2, 4, 30))
    match draft.chance.randrange(4):
        case 0:
            changed[at] ^= 1 << draft.chance.randrange(8)
        case 1:
            del changed[at : at + length]
        case 2:
            changed[at:at] = draft.chance.randbytes(length)
        case _:
            changed[at : at + length] = bytes(len(changed[at : at + length]))
    draft.payload = bytes(changed)
    reframe(draft, draft.payload)


def _odd_encoding(draft: Draft) -> None:
    payload, chance = draft.payload, draft.chance
    packed = gzip.compress(payload, mtime=0)
    odd = (packed[:-9], packed + b"more", packed + packed, packed[:20], payload, gzip_bomb(),
            bytes(99),
           zlib.compress(payload), packed[:12] + chance.randbytes(9) + packed[12:],
           gzip.compress(packed))  # fmt: skip
    reframe(draft, chance.choice(odd))
    draft.headers.append(
        b"Content-Encoding: "
        + chance.choice((b"gzip", b"deflate", b"x-gzip", b"gzip, gzip", b"GZIP"))
    )


@cache
def zip_bomb() -> bytes:
    """Return a small zip that unpacks to 64 MiB."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.csv", bytes(64 * 2**20))
    return stream.getvalue()


@cache
def gzip_bomb() -> bytes:
    """Return a small body that becomes 64 MiB beginning like a zip."""
    return gzip.compress(b"PK" + bytes(64 * 2**20), 9, mtime=0)


FRAMING = (_other_length, _odd_chunks, _odd_last_chunk, _length_and_chunks, _surplus, _short)
BODY = (_other_body, _changed_zip, _odd_encoding)

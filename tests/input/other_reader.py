"""A second reader of HTTP answers, to compare with: forgiving in form, strict about what is complete.

Not of the libraries that the product reads with: regular expressions over all that was sent.
"""

from __future__ import annotations

import re
import zlib

_STATUS = re.compile(rb"\s*HTTP/\d\.\d\s+([+0-9_]+)([^\n]*)\n")
_HEADER = re.compile(rb"([^:\n]*):([^\n]*(?:\n[ \t][^\n]*)*)\n")
_EMPTY = re.compile(rb"\r*\n")
_CHUNK = re.compile(rb"[ \t]*([+-]?(?:0[xX])?[0-9A-Fa-f_]+)[ \t\r]*(;[^\n]*)?(?:\n|\Z)")

Headers = list[tuple[bytes, bytes]]


def complete_body(raw: bytes, *, closed: bool) -> bytes | None:
    """Return the decoded body of the 200 that `raw` is, None if it is another answer or not complete.

    `closed` says that the connection was closed in order behind it.
    """
    found = _final(raw)
    if found is None:
        return None
    headers, rest = found
    body = _framed(headers, rest, closed)
    for coding in reversed(_words(headers, b"content-encoding")) if body is not None else []:
        body = _decoded(coding, body or b"")
    return body


def _final(raw: bytes) -> tuple[Headers, bytes] | None:
    """Return the headers of the answer behind the interim ones, and what follows them."""
    at = 0
    while match := _STATUS.match(raw, at):
        headers, at = [], match.end()
        while header := _HEADER.match(raw, at):
            headers.append((header[1].strip().lower(), header[2].strip()))
            at = header.end()
        end = _EMPTY.match(raw, at)
        if end is None:
            return None
        at = end.end()
        status = int(match[1])
        if status == 200:
            return headers, raw[at:]
        if not 100 <= status < 200 or status == 101:
            return None
    return None


def _words(headers: Headers, name: bytes) -> list[bytes]:
    """Return the parts of all headers called `name`."""
    texts = [value.lower() for found, value in headers if found == name]
    return [word for word in re.split(rb"[,\s]+", b",".join(texts)) if word]


def _framed(headers: Headers, rest: bytes, closed: bool) -> bytes | None:
    lengths = set(_words(headers, b"content-length"))
    codings = _words(headers, b"transfer-encoding")
    if b"chunked" in codings:
        body = _unchunked(rest)
        if body is not None or len(codings) == 1:
            return body
    if not lengths:
        return rest if closed else None
    if len(lengths) > 1 or not re.fullmatch(rb"\d{1,18}", text := lengths.pop()):
        return None
    return rest if len(rest) == int(text) else None


def _unchunked(rest: bytes) -> bytes | None:
    """Return what the chunks hold; what follows the last one is no longer of this answer."""
    body, at = b"", 0
    while match := _CHUNK.match(rest, at):
        size, at = int(match[1], 16), match.end()
        if not 0 < size <= len(rest):
            return body if size == 0 else None
        body += rest[at : at + size]
        end = _EMPTY.match(rest, at + size)
        if end is None:
            return None
        at = end.end()
    return None


def _decoded(coding: bytes, body: bytes) -> bytes:
    """Unpack as much as there is: whether it is whole is for the zip inside to prove."""
    if coding not in (b"gzip", b"x-gzip", b"deflate"):
        return body
    reader = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        return reader.decompress(body)
    except zlib.error:
        return body

"""HTTP answers with something wrong in the status line or in a header."""

from __future__ import annotations

from answer_draft import Draft

# The status line.


def _other_status(draft: Draft) -> None:
    odd = (100, 101, 102, 204, 205, 206, 304, 401, 403, 404, 407, 410, 429, 500, 503, 999)
    number = (
        draft.chance.choice(odd) if draft.chance.random() < 0.5 else draft.chance.randint(100, 999)
    )
    draft.status = b"HTTP/1.1 %d %b" % (
        number,
        draft.chance.choice((b"OK", b"", b"\xff\xfe", b"x" * 900)),
    )


def _odd_status_line(draft: Draft) -> None:
    draft.status = draft.chance.choice((
        b"", b"HTTP/1.1", b"HTTP/1.1 ", b"HTTP/1.1 200", b"HTTP/1.0 200 OK", b"HTTP/0.9 200 OK",
        b"http/1.1 200 OK",
        b"HTTP/2 200 OK", b"HTTP/9.9 200 OK", b"HTTP/1.1 0200 OK", b"HTTP/1.1 -200 OK",
        b"HTTP/1.1 +200 OK",
        b"HTTP/1.1 2_0_0 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 \xd9\xa2\xd9\xa0\xd9\xa0 OK",
        b"HTTP/1.1\t200\tOK", b" HTTP/1.1 200 OK", b"ICY 200 OK", b"SSH-2.0-x", b"PK\3\4",
        b"\x16\x03\x01\x02",
        b"HTTP/1.1 200 " + b"x" * 70_000, b"y" * 70_000, b"\0" * 99, b"\r\n\r\nHTTP/1.1 200 OK",
    ))  # fmt: skip


def _odd_line_ends(draft: Draft) -> None:
    head = [draft.status, *draft.headers, b"", b""]
    draft.raw = (
        draft.chance.choice((b"\n", b"\r", b"\n\r", b"\r\r\n", b"\0\n")).join(head) + draft.body
    )


# Headers.


def _odd_header(draft: Draft) -> None:
    chance = draft.chance
    odd = chance.choice((
        b"no colon at all", b": no name", b"X\0Y: z", b"X: \0", b"X: " + b"z" * 70_000,
        b" folded: x", b"\tX", b"",
        b"\xff\xfe: \xff", b"Content-Length : 7", b"Content-Length:",
        b"Content-Encoding: gzip, gzip",
        b"Content-Encoding: br", b"Content-Encoding: deflate",
        b"Content-Encoding: " + b"gzip, " * 2000 + b"gzip",
        b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding:\tchunked", b"transfer-encoding: Chunked",
        b"Content-Range: bytes 0-9/10",
        b"Date: never", b"Date: Thu, 99 Foo 0000 99:99:99 +9999", b"Date: " + b"9" * 5000,
        b"Trailer: X",
        b"Set-Cookie: a=b; Domain=.\xff", b"Connection: close, keep-alive",
        b"Connection: upgrade", b"Upgrade: h2c",
        b"Retry-After: 1e400", b"Retry-After: -7", b"Retry-After: " + b"9" * 5000,
        b"Location: //\xff[", b"ETag: W/",
    ))  # fmt: skip
    draft.headers.insert(chance.randint(0, len(draft.headers)), odd)


def _many_headers(draft: Draft) -> None:
    count = draft.chance.choice((60, 99, 100, 101, 500, 9000))
    draft.headers[:0] = [
        b"X-%d: %b" % (n, b"y" * draft.chance.randint(0, 90)) for n in range(count)
    ]


def _interim(draft: Draft) -> None:
    one = draft.chance.choice(
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\nLink: </x>\r\n\r\n")
    )
    draft.before = one * draft.chance.choice((1, 2, 50, 1000, 20_000))


def _lost_header(draft: Draft) -> None:
    del draft.headers[draft.chance.randrange(len(draft.headers))]


def _doubled_header(draft: Draft) -> None:
    draft.headers.append(draft.chance.choice(draft.headers))


def _pause_asked_for(draft: Draft) -> None:
    draft.status = draft.chance.choice((b"HTTP/1.1 429 Slow", b"HTTP/1.1 503 Busy"))
    pause = (
        b"0",
        b"1",
        b"86400",
        b"9" * 4400,
        b"-1",
        b"soon",
        b"Mon, 02 Mar 2099 00:00:00 GMT",
        b"",
    )
    draft.headers.append(b"Retry-After: " + draft.chance.choice(pause))


STATUS = (_other_status, _odd_status_line, _odd_line_ends)
HEADERS = (_odd_header, _many_headers, _interim, _lost_header, _doubled_header, _pause_asked_for)

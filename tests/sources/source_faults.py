"""The fault catalogue's rows 4 to 15 and 43 as scripts, and what has to come of each."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass

from source_server import ZIP, Script, Talk, answer, says

from reportsync.errors import (
    AppRefused,
    AttemptFailed,
    KeyRefused,
    NotThereYet,
    TransientFault,
)

HTML = b"<!DOCTYPE html>\n<html><head><title>Hotel &amp; Spa\n Login</title></head><body>x</body>"


@dataclass(frozen=True)
class Fault:
    row: int
    script: Script
    error: type[AttemptFailed]
    says: str  # a regular expression for the message


def reason(text: object) -> bytes:
    shape = {"status": "fail", "error": {"message": text, "type": "E", "request_id": "r1"}}
    return json.dumps(shape).encode()


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return answer("200 OK", body + end, "Transfer-Encoding: chunked")


def reset_in_body(talk: Talk) -> None:
    talk.say(answer("200 OK", ZIP[:1000], f"Content-Length: {len(ZIP)}"))
    talk.reset()


def echo(talk: Talk) -> None:
    """Give the signed address and the bare signature back in every place there is."""
    body = reason(f"{talk.head.split()[1]} and {talk.signature} and {talk.signature.upper()}")
    talk.say(answer("404 Not Found", body, f"X-Echo: {talk.signature}"))


def echo_redirect(talk: Talk) -> None:
    target = f"https://{talk.signature}.example{talk.head.split()[1]}"
    talk.say(answer(f"302 {talk.signature}", b"", f"Location: {target}"))


def echo_bad_header(talk: Talk) -> None:
    talk.say(b"HTTP/1.1 200 OK\r\n" + talk.signature.encode() + b"\r\n\r\n")


def echo_garbage(talk: Talk) -> None:
    talk.say(talk.signature.encode() + b"\r\n\r\n")


CUT_HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nContent-Length: 3"
FLOOD = b"HTTP/1.1 100 Continue\r\n\r\n"
T, N, KEY, APP = TransientFault, NotThereYet, KeyRefused, AppRefused

FAULTS: dict[str, Fault] = {
    "closed before the status": Fault(4, says(b""), T, "closed the connection without"),
    "status line cut": Fault(4, says(b"HTTP/1.1 20"), T, "not HTTP|headers"),
    "cut behind the status": Fault(4, says(CUT_HEADERS[:17]), T, "inside the headers"),
    "cut inside a header": Fault(4, says(CUT_HEADERS[:30]), T, "header"),
    "cut between headers": Fault(4, says(CUT_HEADERS[:48]), T, "inside the headers"),
    "cut inside the length": Fault(4, says(CUT_HEADERS), T, "inside the headers"),
    "header that is none": Fault(
        4, says(b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 9\r\n\r\n" + ZIP), T, "header"
    ),
    "garbage": Fault(4, says(b"\x00\xff\x16\x03 what\r\n\r\n"), T, "not HTTP"),
    "http 0.9": Fault(4, says(ZIP + b"\r\n"), T, "not HTTP"),
    "http 9": Fault(4, says(b"HTTP/9.1 200 OK\r\n\r\n"), T, "not HTTP"),
    "status without sense": Fault(4, says(b"HTTP/1.1 ABC OK\r\n\r\n"), T, "not HTTP"),
    "reset in body": Fault(6, reset_in_body, T, "reset|cut"),
    "short body": Fault(
        6, says(answer("200 OK", ZIP[:-9], f"Content-Length: {len(ZIP)}")), T, "cut .* starts anew"
    ),
    "bad chunk size": Fault(6, says(chunked(ZIP, end=b"xyz\r\n")), T, "garbled"),
    "negative chunk size": Fault(6, says(chunked(ZIP, end=b"-5\r\n" + ZIP)), T, "no sense"),
    "chunks cut": Fault(6, says(chunked(ZIP, end=b"ffff\r\nPK")), T, "cut"),
    "no last chunk": Fault(6, says(chunked(ZIP, end=b"")), T, "cut"),
    "conflicting lengths": Fault(
        6,
        says(answer("200 OK", ZIP, f"Content-Length: {len(ZIP)}", "Content-Length: 10")),
        T,
        "more than one length",
    ),
    "length without sense": Fault(
        6, says(answer("200 OK", ZIP, "Content-Length: nine")), T, "sense"
    ),
    "over-long body": Fault(
        6, says(answer("200 OK", ZIP + b"more", f"Content-Length: {len(ZIP)}")), T, "more bytes"
    ),
    "1000 interim answers": Fault(7, says(FLOOD * 20_000), T, "256KiB of headers"),
    "interim answers alone": Fault(7, says(FLOOD * 9), T, "without an answer"),
    "interim answer cut": Fault(7, says(FLOOD[:-2]), T, "without an answer"),
    "101 unasked": Fault(
        7, says(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n" + ZIP), T, "another protocol"
    ),
    "long header line": Fault(
        7, says(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n"), T, "no end"
    ),
    "long status line": Fault(7, says(b"HTTP/1.1 200 " + b"x" * 70_000), T, "no end"),
    "101 headers": Fault(
        7, says(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n"), T, "too many headers"
    ),
    "json with 200": Fault(8, says(answer("200 OK", reason("Not generated"))), N, "Not generated"),
    "json with 200, key": Fault(8, says(answer("200 OK", reason("Invalid signature"))), KEY, "key"),
    "html with 200": Fault(8, says(answer("200 OK", HTML)), T, "Hotel & Spa Login; a captive"),
    "empty 200": Fault(8, says(answer("200 OK")), T, "an empty body"),
    "empty 200 without length": Fault(8, says(b"HTTP/1.1 200 OK\r\n\r\n"), T, "an empty body"),
    "other 200": Fault(8, says(answer("200 OK", b"come back later")), T, "come back later"),
    "204": Fault(8, says(answer("204 No Content")), T, "answered 204"),
    "206": Fault(8, says(answer("206 Partial Content", ZIP)), T, "answered 206"),
    "304": Fault(8, says(answer("304 Not Modified")), T, "answered 304"),
    "401": Fault(9, says(answer("401 Unauthorized")), KEY, "the key was refused"),
    "403": Fault(9, says(answer("403 Forbidden", HTML)), KEY, "key was refused: Hotel"),
    "404": Fault(10, says(answer("404 Not Found", reason("No such file"))), N, "No such file"),
    "404 of the web server": Fault(10, says(answer("404 Not Found", HTML)), N, "Hotel"),
    "404 cut": Fault(
        10, says(answer("404 Not Found", b"{", "Content-Length: 99")), N, "answered 404"
    ),
    "400": Fault(10, says(answer("400 Bad Request", reason("not ready"))), N, "not ready"),
    "400, key": Fault(10, says(answer("400 Bad", reason("Signature does not match"))), KEY, "key"),
    "429": Fault(11, says(answer("429 Slow down", b"", "Retry-After: 7")), T, "answered 429"),
    "503": Fault(11, says(answer("503 Busy", reason("later"), "Retry-After: 8")), T, "503: later"),
    "500": Fault(12, says(answer("500 Oops", HTML)), T, "answered 500: Hotel"),
    "599 cut": Fault(12, says(answer("599 ?", b"x", "Content-Length: 99")), T, "answered 599"),
    "410": Fault(13, says(answer("410 Gone", reason("switched off"))), APP, "410: switched off"),
    "407": Fault(13, says(answer("407 Proxy")), APP, "answered 407"),
    "405": Fault(13, says(answer("405 Not Allowed")), APP, "answered 405"),
    "truncated gzip of a page": Fault(
        15,
        says(answer("200 OK", gzip.compress(HTML)[:-20], "Content-Encoding: gzip")),
        T,
        "web page|empty body",
    ),
    "gzip that is none": Fault(
        15, says(answer("200 OK", b"PK" + ZIP, "Content-Encoding: gzip")), T, "does not fit"
    ),
    "unknown encoding": Fault(
        15, says(answer("200 OK", b"\x1b" + ZIP, "Content-Encoding: zz")), T, "in encoding zz"
    ),
    "echo of the address": Fault(43, echo, N, r"\*\*\* and \*\*\* and \*\*\*"),
    "echo in a redirect": Fault(43, echo_redirect, APP, r"points to https://\*\*\*\.example"),
    "echo in a broken header": Fault(43, echo_bad_header, T, "header"),
    "echo for a status": Fault(43, echo_garbage, T, "not HTTP"),
}
REDIRECTS = {
    "http://other.example/x.zip?Signature=1": "http://other.example",
    "https://other.example/x.zip": "https://other.example",
    "//other.example/x.zip": "the same scheme://other.example",
    "file:///etc/passwd": "file://",
    "http://169.254.169.254/latest/meta-data": "http://169.254.169.254",
    "/somewhere/else.zip": "another path of the same host",
    "http://[::1": "an address that makes no sense",
    "": "nowhere",
}
for _location in REDIRECTS:
    FAULTS[f"redirect to {_location}"] = Fault(
        14, says(answer("302 Found", b"", f"Location: {_location}")), APP, "redirects are not"
    )


def of_row(*rows: int) -> list[str]:
    """Return the names of the faults in the given rows of the catalogue."""
    return [name for name, fault in FAULTS.items() if fault.row in rows]

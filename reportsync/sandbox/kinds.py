"""The table of the faults that the sandbox can serve, and of their options."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Family(StrEnum):
    """Where a fault works; each family has one module that serves it."""

    TIME = "time"  # whether the report is there yet
    ANSWER = "answer"  # another answer than the right one
    BODY = "body"  # the right answer with a damaged archive
    WIRE = "wire"  # whatever the answer, it does not come over well


@dataclass(frozen=True, slots=True)
class Kind:
    """What a fault is: family, sentence, and the options that it has besides the common ones."""

    family: Family
    about: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """What an option of a fault means."""

    example: str
    about: str


_PAUSE = ("retry_after", "ratelimit")


def _status(about: str) -> Kind:
    return Kind(Family.ANSWER, about, _PAUSE)


KINDS: dict[str, Kind] = {
    "late": Kind(Family.TIME, "the report comes later than usual; 404 until then", ("by",)),
    "json-200": Kind(Family.ANSWER, "an error as JSON with status 200"),
    "html-200": Kind(Family.ANSWER, "a log-in page with status 200, as of a captive portal"),
    "empty-200": Kind(Family.ANSWER, "status 200 and nothing"),
    "hostile-text": Kind(Family.ANSWER, "400 with markup, escapes and bidi marks as reason"),
    "huge-text": Kind(Family.ANSWER, "the same, 10 MB of it"),
    "redirect": Kind(Family.ANSWER, "302 to somewhere else", ("to",)),
    "204": Kind(Family.ANSWER, "no content"),
    "304": Kind(Family.ANSWER, "not modified, though nobody asked whether"),
    "400": _status("bad request"),
    "401": _status("the key is refused"),
    "403": _status("forbidden"),
    "404": _status("no such report"),
    "408": _status("request timeout"),
    "410": _status("the API is gone"),
    "429": _status("too many requests"),
    "500": _status("internal error"),
    "502": _status("bad gateway"),
    "503": _status("unavailable"),
    "504": _status("gateway timeout"),
    "changed": Kind(Family.BODY, "a whole archive with other numbers", ("revision",)),
    "206": Kind(Family.BODY, "a part of the archive, though nobody asked for a part"),
    "bad-crc": Kind(Family.BODY, "a member whose CRC is wrong"),
    "truncated-zip": Kind(Family.BODY, "two thirds of the archive, with a length that fits"),
    "joined": Kind(Family.BODY, "two archives, one after the other"),
    "extra-bytes": Kind(Family.BODY, "the archive and then other bytes, with a length that fits"),
    "not-zip": Kind(Family.BODY, "plain CSV under the name of a zip"),
    "encrypted": Kind(Family.BODY, "an archive that wants a password"),
    "empty-zip": Kind(Family.BODY, "a valid archive without members"),
    "bomb": Kind(Family.BODY, "64 KiB that inflate to 64 MiB"),
    "lying-bomb": Kind(Family.BODY, "the same, but its directory declares 1000 bytes"),
    "gzip": Kind(Family.BODY, "the archive under Content-Encoding: gzip"),
    "gzip-cut": Kind(Family.BODY, "the same, with half of the gzip data"),
    "gzip-bomb": Kind(Family.BODY, "64 MiB of zeros under Content-Encoding: gzip"),
    "close": Kind(Family.WIRE, "the connection is closed without an answer"),
    "silent": Kind(Family.WIRE, "no answer, and the connection stays open"),
    "http09": Kind(Family.WIRE, "bytes without a status line"),
    "cut-headers": Kind(Family.WIRE, "closed within the headers"),
    "slow-headers": Kind(Family.WIRE, "one byte of the headers at a time", ("every",)),
    "continue-flood": Kind(Family.WIRE, "1000 times 100 Continue before the answer"),
    "long-header": Kind(Family.WIRE, "a header line of 128 KiB"),
    "header-flood": Kind(Family.WIRE, "1000 more headers"),
    "two-lengths": Kind(Family.WIRE, "two Content-Length headers that differ"),
    "cut": Kind(Family.WIRE, "closed after half of the body"),
    "cut-no-length": Kind(Family.WIRE, "no Content-Length, and half of the body"),
    "over-long": Kind(Family.WIRE, "more bytes than Content-Length says"),
    "bad-chunks": Kind(Family.WIRE, "chunked, with a chunk size that is not a number"),
    "reset": Kind(Family.WIRE, "the connection is reset after half of the body"),
    "drip": Kind(Family.WIRE, "one byte of the body at a time", ("every",)),
    "hang": Kind(Family.WIRE, "the headers, then nothing"),
}

OPTIONS: dict[str, Option] = {
    "app": Option("shop-de", "only this app, by name or app_id"),
    "day": Option("2026-11-01", "only this day, or 2026-11-01..2026-11-05"),
    "times": Option("2", "so many times, then no more"),
    "after": Option("1", "so many matching requests pass first"),
    "share": Option("0.1", "a fraction of the requests, the same ones each time"),
    "per": Option("report", "times and after count per app or report; all unless told"),
    "seed": Option("7", "picks another share"),
    "retry_after": Option("5", "Retry-After: seconds, or date, huge, negative, text"),
    "ratelimit": Option("30", "x-ratelimit-reset, so many seconds from now"),
    "to": Option("http", "other (unless told), http, file, loop, link-local, or a URL"),
    "every": Option("0.3", "seconds between two bytes; 0.1 unless told"),
    "by": Option("90m", "how much later; 6h unless told"),
    "revision": Option("3", "which content; 1 is the first, 2 unless told"),
}

MATCH_OPTIONS = ("app", "day", "times", "after", "share", "per", "seed")


def _help() -> str:
    kinds = [
        f"  {name:<15} {kind.about}" + (f"  [{', '.join(kind.options)}]" if kind.options else "")
        for name, kind in KINDS.items()
    ]
    options = [f"  {f'{name}={o.example}':<15} {o.about}" for name, o in OPTIONS.items()]
    return "\n".join(
        [
            "KIND[:OPTION=VALUE,...][;KIND...]; the first that matches is served, as in",
            "429:retry_after=5,times=2;cut:day=2026-11-01;drip:app=shop-de,every=0.3",
            "", "Kinds, [with options of their own]:", *kinds, "", "Options:", *options,
        ]
    )  # fmt: skip


FAULT_HELP = _help()
"""The text for `reportsync sandbox --help`."""

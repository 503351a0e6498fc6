"""An HTTP answer in its parts, right as it is, and how it is said: for changing."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from dataclasses import dataclass

CLOSES, KEEPS, RESETS, HANGS = "closes", "keeps", "resets", "hangs"

Head = list[bytes]


@dataclass(frozen=True, slots=True)
class Step:
    """Bytes that are said after a pause in seconds."""

    data: bytes
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class Mutant:
    """An answer as it is given, and the zip that it is made from.

    `endless` answers repeat their last step until the client goes.
    """

    payload: bytes
    steps: tuple[Step, ...]
    end: str
    endless: bool = False

    @property
    def raw(self) -> bytes:
        """All that is said, once."""
        return b"".join(step.data for step in self.steps)


@dataclass(slots=True)
class Draft:
    """An answer in its parts, for changing."""

    chance: random.Random
    payload: bytes
    status: bytes
    headers: Head
    body: bytes
    end: str
    before: bytes = b""  # interim answers
    endless: bool = False
    raw: bytes | None = None  # in place of the parts
    cuts: list[tuple[float, float]] | None = None  # where (0 to 1) there is a pause, and how long


def contents(seed: int) -> dict[str, bytes]:
    """Return the files in the zip of `seed`, which are in no other's."""
    chance = random.Random(f"files {seed}")
    table = b"campaign,sent\n" + b"".join(
        b"c%d,%d\n" % (n, chance.getrandbits(30)) for n in range(9)
    )
    return {
        "push/sent.csv": table,
        "email.csv": b"seed %d\n" % seed,
        "sms.csv": chance.randbytes(60),
    }


def make_zip(seed: int) -> bytes:
    """Return the zip that is the report of `seed`."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents(seed).items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def sound(seed: int) -> Mutant:
    """Return the answer of `seed` with nothing wrong."""
    return done(draft_of(seed, random.Random(seed)))


def draft_of(seed: int, chance: random.Random) -> Draft:
    """Return a right answer, in one of the ways in which a body may be framed."""
    payload = make_zip(seed)
    headers = [b"Content-Type: application/zip", b"Date: Mon, 02 Mar 2026 02:00:00 GMT"]
    draft = Draft(
        chance, payload, b"HTTP/1.1 200 OK", headers, payload, chance.choice((KEEPS, CLOSES))
    )
    match chance.randrange(5):
        case 0:
            draft.end = CLOSES  # which ends the body
        case 1:
            draft.headers.append(b"Transfer-Encoding: chunked")
            draft.body = chunked(payload, chance)
        case 2:
            draft.body = gzip.compress(payload, mtime=0)
            draft.headers += [b"Content-Encoding: gzip", b"Content-Length: %d" % len(draft.body)]
        case _:
            draft.headers.append(b"Content-Length: %d" % len(payload))
    return draft


def chunked(body: bytes, chance: random.Random) -> bytes:
    """Return `body` in chunks of any size."""
    said, at = b"", 0
    while at < len(body):
        piece = body[at : at + chance.randint(1, 400)]
        said += b"%x\r\n%b\r\n" % (len(piece), piece)
        at += len(piece)
    return said + b"0\r\n\r\n"


def done(draft: Draft) -> Mutant:
    """Return the answer that `draft` comes to."""
    head = b"\r\n".join([draft.status, *draft.headers]) + b"\r\n\r\n"
    raw = draft.before + head + draft.body if draft.raw is None else draft.raw
    marks = sorted((round(share * len(raw)), pause) for share, pause in draft.cuts or [])
    steps, at, wait = [], 0, 0.0
    for mark, pause in marks:
        steps.append(Step(raw[at:mark], wait))
        at, wait = mark, pause
    steps.append(Step(raw[at:], wait))
    return Mutant(draft.payload, tuple(steps), draft.end, draft.endless)


def reframe(draft: Draft, body: bytes, end: str | None = None) -> None:
    """Give `draft` another body, with its length declared."""
    kept = [
        one
        for one in draft.headers
        if not one.lower().startswith((b"content-l", b"content-e", b"transfer"))
    ]
    draft.headers = [*kept, b"Content-Length: %d" % len(body)]
    draft.body = body
    draft.end = end or draft.end

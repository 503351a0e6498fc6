"""HTTP answers with one thing or two wrong, each from a seed: what is said, when, and how it ends."""

from __future__ import annotations

import random
from collections.abc import Callable

from answer_bodies import BODY, FRAMING
from answer_draft import CLOSES, HANGS, RESETS, Draft, Mutant, done, draft_of
from answer_heads import HEADERS, STATUS

FAMILIES = ("status", "headers", "framing", "body", "timing", "bytes")


def mutant(seed: int) -> Mutant:
    """Return the answer of `seed`; its family is that of the seed's remainder."""
    chance = random.Random(seed)
    draft = draft_of(seed, chance)
    changes = _CHANGES[FAMILIES[seed % len(FAMILIES)]]
    for change in chance.sample(changes, 2 if len(changes) > 1 and chance.random() < 0.25 else 1):
        change(draft)
    return done(draft)


# Timing: waits, drips, connections that end anywhere.


def _pauses(draft: Draft) -> None:
    count = draft.chance.choice((1, 1, 3, 20))
    draft.cuts = [(draft.chance.random(), draft.chance.random() * 0.04) for _ in range(count)]


def _stall(draft: Draft) -> None:
    draft.cuts = [(draft.chance.random(), draft.chance.choice((0.1, 5.0)))]


def _ends_anywhere(draft: Draft) -> None:
    whole = done(draft).raw
    draft.raw = whole[: draft.chance.randint(0, len(whole))]
    draft.end = draft.chance.choice((CLOSES, RESETS, RESETS))


def _hangs(draft: Draft) -> None:
    if draft.chance.random() < 0.3:
        _ends_anywhere(draft)
        draft.end = HANGS


def _endless(draft: Draft) -> None:
    """Say something small again and again: header lines, trailers, chunks, bytes of the body."""
    head = b"\r\n".join([draft.status, *draft.headers])
    chunked = draft.status + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    said, again = draft.chance.choice((
        (head + b"\r\n", b"X: y\r\n"), (draft.status + b"\r\n\r\nPK", b"\0"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (chunked + b"2\r\nPK\r\n", b"1\r\nx\r\n"), (chunked + b"0\r\n", b"X: y\r\n"),
        (chunked, b"0"), (head + b"\r\nX: ", b"y"),
    ))  # fmt: skip
    draft.raw, draft.cuts, draft.endless = (
        said + again,
        [(len(said) / len(said + again), 0.02)],
        True,
    )


# Any byte of it all.


def _any_byte(draft: Draft) -> None:
    changed = bytearray(done(draft).raw)
    for _ in range(draft.chance.choice((1, 1, 2, 5))):
        at = draft.chance.randrange(len(changed))
        match draft.chance.randrange(4):
            case 0:
                changed[at] ^= 1 << draft.chance.randrange(8)
            case 1:
                del changed[at : at + draft.chance.choice((1, 2, 9))]
            case 2:
                changed[at:at] = draft.chance.choice(
                    (b"\r\n", b"\0", b" ", b"\n", draft.chance.randbytes(3))
                )
            case _:
                changed[at] = draft.chance.choice(b"0123456789:\r\n \t;,")
    draft.raw = bytes(changed)


_CHANGES: dict[str, tuple[Callable[[Draft], None], ...]] = {
    "status": STATUS,
    "headers": HEADERS,
    "framing": FRAMING,
    "body": BODY,
    "timing": (_pauses, _stall, _ends_anywhere, _hangs, _endless),
    "bytes": (_any_byte,),
}

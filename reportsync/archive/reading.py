"""Read a stretch of a file in bounded pieces. Pure but for reading."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from reportsync.archive.refusal import not_whole

PIECE = 64 * 2**10  # bytes


def read_pieces(file: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    """Yield the `length` bytes of `file` from offset `start`, in pieces of at most `PIECE`.

    The file's position must not be moved in between. Raises TransientFault if the file ends before.
    """
    file.seek(start)
    while length:
        piece = file.read(min(PIECE, length))
        if not piece:
            raise not_whole("it ends before its own size")
        length -= len(piece)
        yield piece


def read_exactly(file: BinaryIO, start: int, length: int) -> bytes:
    """Return the `length` bytes of `file` from offset `start`, or raise TransientFault."""
    return b"".join(read_pieces(file, start, length))

"""Is a file a whole zip, fit to keep? Pure but for reading the file that it is given.

Python's zipfile is a forgiving reader: it finds archives inside other bytes, and takes a deflate
stream without its end for complete. Here the question is the opposite one, so the layout is read
strictly: every byte of the file belongs to a member, the directory or the end record, and every
member unpacks to exactly what the directory promises. Nothing is ever extracted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from reportsync.archive.data import check_data
from reportsync.archive.end import find_end
from reportsync.archive.layout import read_layout
from reportsync.archive.refusal import LIMITS, Limits
from reportsync.archive.rules import check_rules
from reportsync.archive.turns import in_turn

__all__ = ["Contents", "Limits", "examine"]


_LARGE_DIRECTORY = 128 * 2**10  # bytes; some two thousand members


@dataclass(frozen=True, slots=True)
class Contents:
    """What a whole zip holds; an empty one has 0 members."""

    members: int  # entries of the directory, folders included
    uncompressed: int  # bytes of all members, unpacked


def examine(
    file: BinaryIO,
    size: int,
    *,
    check_stop: Callable[[], None] = lambda: None,
    limits: Limits = LIMITS,
) -> Contents:
    """Prove that `file` is a whole zip by reading all of it, and return what it holds.

    `file` is seekable and has `size` bytes; its position is moved. `check_stop` is called between
    pieces of at most 1 MiB and may raise to end the examination, at a stop or at a deadline.
    Nothing is unpacked before the layout, the names and the declared sizes were found right.

    Raises TransientFault if the file is not a whole zip, so that another download may mend it;
    ArchiveRefused if it says itself that it is something which must not be kept (encrypted, of an
    unknown method, a bomb, with unsafe names or links). An OSError is the disk's and passes.
    """
    end = find_end(file, size, limits)
    with in_turn(end.length > _LARGE_DIRECTORY):
        members = read_layout(file, end, check_stop)
        check_rules([member.entry for member in members], size, limits)
        for member in members:
            check_data(file, member, check_stop)
    return Contents(len(members), sum(member.entry.size for member in members))

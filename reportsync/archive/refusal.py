"""The two ways in which a file is not kept, and the limits of what is read. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from reportsync.errors import ArchiveRefused, TransientFault
from reportsync.redact import clean


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a zip may ask of the reader; beyond any report, below what harms a machine."""

    members: int = 16_384
    directory: int = 2 * 2**20  # bytes; it is held in memory, at several times its size
    uncompressed: int = 32 * 2**30  # bytes of all members together
    ratio: int = 250  # unpacked to stored; tables of numbers stay below 50, bombs reach 1000
    harmless: int = 16 * 2**20  # unpacked bytes up to which the ratio does not matter


LIMITS = Limits()


def not_whole(what: str, *, evidence: bool = True) -> TransientFault:
    """Return the error for a file that another download may mend.

    `evidence` is False where the file is plainly cut or no zip, so that keeping it tells nothing.
    """
    return TransientFault(
        f"not a whole zip: {what}",
        hint="it is asked for again by itself; 'reportsync why APP DAY' shows every attempt",
        evidence=evidence,
    )


def refused(what: str) -> ArchiveRefused:
    """Return the error for a zip that is what its maker meant it to be, and must not be kept."""
    return ArchiveRefused(
        f"zip refused: {what}",
        hint="look at the copy in the archive's .quarantine folder and ask the vendor; "
        "'reportsync waive APP DAY --reason TEXT' closes a day that cannot be mended",
        evidence=True,
    )


def shown(name: str) -> str:
    """Return a member's name fit for a message."""
    return f"'{clean(name, 80)}'"

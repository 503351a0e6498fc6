"""What can go wrong: one base class, one class per way of handling it, each with a remedy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import ClassVar


class ExitCode(IntEnum):
    """What a command's exit code says; after a signal it is 128 and the signal's number."""

    OK = 0  # everything asked for is stored or waived
    BUG = 1
    USAGE = 2
    MISSING = 3  # some due report is missing for a reason that may pass
    DAMAGED = 4  # damaged or lost archives
    STORAGE = 5  # disk or ledger unusable
    KEY_REFUSED = 77
    CONFIG = 78
    TERMINATED = 143


class Trouble(StrEnum):
    """Decides whether an attempt is repeated, who is told and with which code the command exits."""

    TRANSIENT = "transient"  # the same request may well succeed in a moment
    NOT_READY = "not ready"  # the answer is that the report is not there (yet)
    PERSON = "person"  # no repetition helps until somebody changes something
    STORAGE = "storage"  # our own disk or ledger


class ReportsyncError(Exception):
    """An error that a person can act on.

    `message` says what failed and why; `hint` is the command or the setting that mends it. Neither
    ever holds a secret or a signature.
    """

    exit_code: ClassVar[int] = ExitCode.BUG

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Exhausted(ReportsyncError):
    """The machine gives this process no more memory, threads or open files. Nothing is lost by it."""


class UsageProblem(ReportsyncError):
    """The command line asks for something that does not exist or makes no sense."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a config file; `line` and `column` count from 1."""

    key: str
    text: str
    line: int | None = None
    column: int | None = None


class ConfigError(ReportsyncError):
    """The configuration cannot be used; `problems` lists all that is wrong with it at once."""

    exit_code = ExitCode.CONFIG

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        path: Path | None = None,
        problems: tuple[Problem, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.problems = problems


class StorageError(ReportsyncError):
    """The archive folder cannot be used: full, read-only, not mounted, failing. Ends a pass.

    `last_resort` is a command for when nothing can be saved; notices, which are acted on in haste, leave
    it out.
    """

    exit_code = ExitCode.STORAGE

    def __init__(
        self, message: str, *, hint: str | None = None, last_resort: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.last_resort = last_resort


class LedgerError(StorageError):
    """The ledger cannot be used: locked, damaged, replaced, newer than this program."""


class Stopped(ReportsyncError):
    """Work was broken off because the process was asked to stop; nothing is lost by it."""

    exit_code = ExitCode.TERMINATED


class AttemptFailed(ReportsyncError):
    """An attempt that brought no archive; its class says what follows.

    `status` is the HTTP status if one was received. `retry_after` is what the server asked for,
    already a sane number (not negative), not yet clamped. `evidence` says that the body is worth
    keeping in quarantine.
    """

    trouble: ClassVar[Trouble] = Trouble.TRANSIENT

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int | None = None,
        retry_after: timedelta | None = None,
        evidence: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.retry_after = retry_after
        self.evidence = evidence


class TransientFault(AttemptFailed):
    """The network, the server or the body was broken; the same request may succeed in a moment."""


class OwnFault(TransientFault):
    """This machine gave too little for a request: nothing was asked, and nothing is known of the day."""


class NotThereYet(AttemptFailed):
    """The server answered, and says that it has no report for this day (yet)."""

    trouble = Trouble.NOT_READY


class KeyRefused(AttemptFailed):
    """The server refuses the key: every request of this app would end so until a person acts."""

    trouble = Trouble.PERSON
    exit_code = ExitCode.KEY_REFUSED


class AppRefused(AttemptFailed):
    """The way to this app's reports is barred (redirect, TLS, 410), most likely to all of them."""

    trouble = Trouble.PERSON


class ArchiveRefused(AttemptFailed):
    """This one archive is whole but not acceptable: encrypted, a bomb, an unknown method."""

    trouble = Trouble.PERSON


class TooLarge(AttemptFailed):
    """This one archive is larger than `http.max_size`; nothing of it was kept."""

    trouble = Trouble.STORAGE
    exit_code = ExitCode.STORAGE

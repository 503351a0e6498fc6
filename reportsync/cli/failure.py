"""The one place where errors become messages and exit codes."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from reportsync import __version__
from reportsync.cli.output import require_written, say
from reportsync.errors import ConfigError, ExitCode, ReportsyncError, StorageError
from reportsync.exhaustion import exhausted
from reportsync.redact import clean, mask, mask_all

if TYPE_CHECKING:
    from reportsync.cli.context import Context


class Terminated(BaseException):
    """SIGTERM came while a short command was at work."""


def _terminated(number: int, frame: FrameType | None) -> None:
    raise Terminated


def guarded(run: Callable[[], Any]) -> int:
    """Call `run`, show what goes wrong, and return the exit code."""
    # Short commands end like this; long ones block the signals and wait for them (see signals).
    signal.signal(signal.SIGTERM, _terminated)
    # Whoever ignores this hands that down, and a child's exit code would be lost.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        code = run()
        require_written()
        return code if isinstance(code, int) else ExitCode.OK
    except click.exceptions.Exit as error:
        return int(error.exit_code)
    except click.UsageError as error:
        _usage(error)
        return ExitCode.USAGE
    except click.ClickException as error:
        say(f"reportsync: {clean(error.format_message(), 2000)}")
        return ExitCode.USAGE
    except click.Abort as error:
        return _aborted(error)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Terminated:
        return 128 + signal.SIGTERM
    except ReportsyncError as error:
        show(error)
        return error.exit_code
    except Exception as error:
        told = exhausted(error)
        if told is None:
            _bug(error)
        else:
            show(told)
        return ExitCode.BUG


def show(error: ReportsyncError) -> None:
    """Write what failed and what mends it to stderr."""
    if isinstance(error, ConfigError) and error.problems:
        from reportsync.config import format_problems

        for line in format_problems(error):
            say(mask(line))
    else:
        say(f"reportsync: {mask(error.message)}")
    if error.hint:
        say(f"  what to do: {mask(error.hint)}")
    if isinstance(error, StorageError) and error.last_resort:
        say(f"  only if all of it is lost, to begin anew: {mask(error.last_resort)}")


@contextmanager
def telling_restored(context: Context) -> Iterator[Callable[[Path], None]]:
    """Provide what says that a lost ledger was replaced by a backup; when quiet, only if the body fails."""
    unsaid: list[str] = []

    def tell(backup: Path) -> None:
        text = f"reportsync: the ledger was lost; its backup {backup} has taken its place"
        if context.verbosity >= 0:
            say(text)
        else:
            unsaid.append(text)

    try:
        yield tell
    except ReportsyncError:
        for text in unsaid:
            say(text)
        raise


def _aborted(error: click.Abort) -> int:
    """Tell a person who has interrupted from compiled code that ends too early, click's other reason."""
    if not isinstance(error.__cause__, EOFError):
        return 128 + signal.SIGINT
    cache = sys.pycache_prefix or sys.prefix
    package = Path(__file__).parents[1]
    places = " ".join(shlex.quote(str(place)) for place in (cache, package))
    show(
        StorageError(
            "Python's compiled code is cut short: the disk was full, or files limited, when it was written",
            hint=f"remove it, it is made anew: find {places} -name '*.pyc' -delete",
        )
    )
    return ExitCode.STORAGE


def _usage(error: click.UsageError) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        say(error.format_message())
        return
    command = error.ctx.command_path if error.ctx else "reportsync"
    say(f"reportsync: {clean(error.format_message(), 2000)}")
    say(f"  see '{command} --help'")


def _bug(error: Exception) -> None:
    """Show a traceback for what should not happen, without secrets and without the values of variables."""
    import traceback

    for line in "".join(traceback.format_exception(error)).splitlines():
        say(mask_all(line))
    say(
        f"reportsync: this is a bug in reportsync ({type(error).__name__}); nothing stored suffers."
    )
    say(
        f"  what to do: report these lines, reportsync {__version__} and Python {sys.version.split()[0]}"
    )

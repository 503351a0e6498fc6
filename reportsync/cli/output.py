"""Writing to stdout and stderr, so that a closed pipe or a full disk there never stops the work."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from reportsync.errors import StorageError

_broken: dict[int, OSError] = {}
_excused: list[str] = []
# What moves a terminal's cursor, hides text or turns it round: control characters but tab and line feed,
# marks of direction and other invisible ones, separators of lines. Our own colours pass.
_TRICKS = re.compile(
    "(\x1b\\[(?:0|1|[13];3[1-6]|3[1-6])m)|"
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def prepare_streams() -> None:
    """Make the three standard streams usable however this process was started.

    A closed one becomes /dev/null, lest the next file that is opened take its number. A character that
    the terminal's encoding lacks becomes a question mark.
    """
    for number, (name, mode) in enumerate(_STREAMS):
        if getattr(sys, name) is None:  # so Python has it if the number was closed at the start
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def plural(count: int, thing: str) -> str:
    """Return `count` with `thing` in the number that fits."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def say(text: str) -> None:
    """Write a line of message to stderr."""
    _write(sys.stderr, text)


def put(text: str) -> None:
    """Write a line of data to stdout."""
    _write(sys.stdout, text)


def put_wrapped(text: str, hang: int = 0) -> None:
    """Write `text` to stdout; on a terminal break it between words, with `hang` blanks before the rest."""
    import shutil

    text = text.replace("\n", " ")
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        text = "\n".join(_wrapped(text, width, " " * min(hang, width // 2)))
    put(text)


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    """Break `text` into lines of at most `width`, of which colours take none; a longer word stays whole."""
    first, *words = text.split(" ")
    lines = [first]
    for word in words:
        if len(_COLOUR.sub("", f"{lines[-1]} {word}")) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(indent + word)
    return lines


def put_json(value: Mapping[str, Any]) -> None:
    """Write `value` as one line of JSON to stdout, at once."""
    plain = sys.stdout.encoding.lower() != "utf-8"
    text = json.dumps(value, ensure_ascii=plain, separators=(", ", ": "))
    put(_TRICKS.sub(lambda found: _in_json(found[0]), text))


def _in_json(trick: str) -> str:
    return f"\\u{ord(trick):04x}" if trick <= "\uffff" else json.dumps(trick)[1:-1]


def harmless(text: str) -> str:
    """Return `text` without what could trick a terminal, whoever wrote it: a reason may come from a ledger
    that was tampered with."""
    return _TRICKS.sub(lambda found: found[1] or " ", text)


def _write(stream: TextIO, text: str) -> None:
    if id(stream) in _broken:
        return
    try:
        stream.write(harmless(text) + "\n")
        stream.flush()
    except OSError as error:
        _broken[id(stream)] = error
        _silence(stream)


def _silence(stream: TextIO) -> None:
    """Let what is still in the buffers of a broken stream go to /dev/null, for the interpreter's own exit."""
    with contextlib.suppress(OSError, ValueError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)


def reader_left() -> bool:
    """Say whether stdout can no longer be written to."""
    return id(sys.stdout) in _broken


def let_output_fail() -> None:
    """Have `require_written` pass: this command's exit code is about its work, not about its words."""
    _excused.append("stdout")


def require_written() -> None:
    """Raise `StorageError` if data for stdout could not be written; a reader that left is no error."""
    error = None if _excused else _broken.get(id(sys.stdout))
    if error is not None and not isinstance(error, BrokenPipeError):
        raise StorageError(
            f"cannot write to standard output: {error.strerror}", hint="write it elsewhere"
        )

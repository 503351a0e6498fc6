"""Writing to stdout and stderr, so that a closed pipe or a full disk there never stops the work."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from reportsync.errors import StorageError

_broken: dict[int, OSError] = {}


def say(text: str) -> None:
    """Write a line of message to stderr."""
    _write(sys.stderr, text)


def put(text: str) -> None:
    """Write a line of data to stdout."""
    _write(sys.stdout, text)


def put_json(value: Mapping[str, Any]) -> None:
    """Write `value` as one line of JSON to stdout, at once."""
    put(json.dumps(value, ensure_ascii=False, separators=(", ", ": ")))


def _write(stream: TextIO, text: str) -> None:
    if id(stream) in _broken or stream is None:
        return
    try:
        stream.write(text + "\n")
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


def require_written() -> None:
    """Raise `StorageError` if data for stdout could not be written; a reader that left is no error."""
    error = _broken.get(id(sys.stdout))
    if error is not None and not isinstance(error, BrokenPipeError):
        raise StorageError(
            f"cannot write to standard output: {error.strerror}", hint="write it elsewhere"
        )

"""A process that has imported reportsync and forks itself for each command: a real process without the start.

Reads one JSON object a line, {"args", "cwd", "env", "out", "err", "plain", "hold", "without", "limit"},
answers with "ended CODE", and before it with "held TID" if a thread was to wait for its tracer.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
import threading
import time
import traceback
from importlib import import_module
from typing import Any

from reportsync.cli import main
from reportsync.cli.main import COMMANDS

LATER = (
    "reportsync.config.template", "reportsync.config.schema", "reportsync.sources.daily",
    "reportsync.service.health", "reportsync.daemon", "alembic.command", "alembic.config",
    "alembic.runtime.environment", "encodings.ascii", "encodings.cp437", "encodings.idna",
    "encodings.utf_8_sig",
)  # fmt: skip
"""What the commands import when they need it."""

HELD = 4242
"""What getpgid(2) is made to return by the tracer: it is seen exactly when the tracing has begun."""

_PATIENCE = 30.0  # seconds until a tracer must have come


def drop_capabilities() -> None:
    """Have the permission bits count for root too, by capset(2) with nothing in force."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None, use_errno=True).capset(header, nothing):
        raise OSError(ctypes.get_errno(), "capset")


def await_tracer(answers: int) -> None:
    """Tell which thread this is, and return once it is traced."""
    # Where only a parent may trace its children (Yama): any may trace this one.
    ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1 & 2**64 - 1), 0, 0, 0)
    os.write(answers, f"held {threading.get_native_id()}\n".encode())
    give_up = time.monotonic() + _PATIENCE
    while os.getpgid(0) != HELD:
        if time.monotonic() > give_up:
            os.write(2, b"no tracer came\n")
            os._exit(99)
        time.sleep(0.001)


def hold(name: str, answers: int) -> None:
    """Have the first thread called `name` wait for its tracer before it does anything."""
    if name == threading.main_thread().name:
        await_tracer(answers)
        return

    def look(*_: Any) -> None:
        sys.settrace(None)
        if threading.current_thread().name == name:
            threading.settrace(None)  # type: ignore[arg-type]
            await_tracer(answers)

    threading.settrace(look)


def run(order: dict[str, Any], answers: int) -> None:
    """Become the command that `order` tells of; does not return."""
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    for number, path in ((0, os.devnull), (1, order["out"]), (2, order["err"])):
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    if order.get("plain") and os.geteuid() == 0:
        drop_capabilities()
    for absent in order.get("without", ()):
        delattr(os, absent)
    signal.alarm(order.get("limit", 0))  # which ends the process where it hangs
    if order.get("hold"):
        hold(order["hold"], answers)
    try:
        main(order["args"])
    except SystemExit as ended:
        sys.stdout.flush()
        os._exit(int(ended.code or 0))
    except BaseException:  # which must not become another server of the same orders
        traceback.print_exc()
    os._exit(1)


def serve() -> None:
    """Run commands until there are no more."""
    for module, _ in COMMANDS.values():
        import_module(f"reportsync.cli.{module.partition(':')[0]}")
    for name in LATER:
        import_module(name)
    gc.freeze()  # what all children share is not copied for the collector's marks
    answers = os.dup(1)
    with os.fdopen(os.dup(0)) as orders:
        for line in orders:
            child = os.fork()
            if child == 0:
                run(json.loads(line), answers)
            _, status = os.waitpid(child, 0)
            os.write(answers, f"ended {os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    serve()

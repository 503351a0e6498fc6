"""A process that has imported reportsync and forks itself for each command: a real process without the start.

Reads one JSON object a line, {"args", "cwd", "env", "out", "err", "plain"}, and answers with the exit code.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from importlib import import_module
from typing import Any

from reportsync.cli import main
from reportsync.cli.main import COMMANDS


def drop_capabilities() -> None:
    """Have the permission bits count for root too, by capset(2) with nothing in force."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None, use_errno=True).capset(header, nothing):
        raise OSError(ctypes.get_errno(), "capset")


def run(order: dict[str, Any]) -> None:
    """Become the command that `order` tells of; does not return."""
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    for number, path in ((0, os.devnull), (1, order["out"]), (2, order["err"])):
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    if order["plain"] and os.geteuid() == 0:
        drop_capabilities()
    try:
        main(order["args"])
    except SystemExit as ended:
        sys.stdout.flush()
        os._exit(int(ended.code or 0))


def serve() -> None:
    """Run commands until there are no more."""
    for module, _ in COMMANDS.values():
        import_module(f"reportsync.cli.{module.partition(':')[0]}")
    for name in ("config.template", "config.schema", "sources.daily", "service.health", "daemon"):
        import_module(f"reportsync.{name}")
    with os.fdopen(os.dup(0)) as orders, os.fdopen(os.dup(1), "w") as answers:
        for line in orders:
            child = os.fork()
            if child == 0:
                run(json.loads(line))
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


if __name__ == "__main__":
    serve()

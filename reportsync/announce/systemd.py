"""Tell systemd how the daemon is: the notification protocol of Type=notify, without its library."""

from __future__ import annotations

import contextlib
import os
import socket
import time


def notify(*fields: str) -> bool:
    """Send `fields` such as READY=1 or STATUS=... to the service manager; False if none listens.

    Never raises: a manager that does not take the message must not disturb the work.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    # A leading @ stands for the NUL byte of an abstract socket.
    target = f"\0{address[1:]}" if address.startswith("@") else address
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(1)
        # A line feed within a field would begin another one, such as MAINPID=.
        lines = "\n".join(" ".join(field.splitlines()) for field in fields)
        sender.sendto(lines.encode(), target)
        return True
    return False


def reloading() -> bool:
    """Tell that the config is being read anew; READY=1 has to follow."""
    return notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

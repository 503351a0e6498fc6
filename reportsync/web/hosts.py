"""Which Host headers are answered. Pure.

A page of another site can have its own name resolve to this address and then read what is served here
(DNS rebinding); its name in the Host header gives it away.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from reportsync.address import is_loopback

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_.-]{1,255})(:[0-9]{1,5})?", re.ASCII)


def host_of(header: str) -> str | None:
    """Return the host in a Host header in lower case, without port and brackets; None for nonsense."""
    match = _HOST.fullmatch(header)
    return match[1].strip("[]").rstrip(".").lower() if match else None


def is_ours(header: str, listen: str, names: Sequence[str]) -> bool:
    """Say whether a request with this Host `header` may be answered where the page listens on `listen`.

    Answered are this machine's loopback names, the listen address, and `names` from the config. Where the
    page is open to others, any IP address and any name without a dot as well: neither can be another
    site's (containers and probes ask by the one, `http://reportsync:8321` is the other).
    """
    host = host_of(header)
    if not host:
        return False
    if is_loopback(host) or host == listen.lower() or host in {name.lower() for name in names}:
        return True
    return not is_loopback(listen) and (_is_address(host) or "." not in host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True

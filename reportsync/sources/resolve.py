"""Host names to addresses within a time limit, which getaddrinfo itself does not know."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from datetime import timedelta
from typing import Any

from urllib3.util.connection import allowed_gai_family

from reportsync.errors import TransientFault
from reportsync.notation import duration_text
from reportsync.sources.deadline import Watch
from reportsync.sources.faults import NO_DESCRIPTOR, no_descriptor

Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]
_Answer = list[Address] | OSError | UnicodeError | None  # None: the watch has cut the wait

_lock = threading.Lock()
_waiting: dict[tuple[str, int], list[queue.SimpleQueue[_Answer]]] = {}


def addresses(host: str, port: int, seconds: float, watch: Watch) -> list[Address]:
    """Return the addresses of `host`, waiting at most `seconds`; wakes when `watch` is cut.

    A resolver that never answers costs one thread per name however often it is asked: whoever asks
    while a look-up is under way shares it. Raises TransientFault.
    """
    with contextlib.suppress(OSError, UnicodeError):  # a name: it has to be looked up
        return _getaddrinfo(host, port, socket.AI_NUMERICHOST)
    answers = _ask(host, port)
    watch.guard(lambda: answers.put(None))
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        answer = None
    if isinstance(answer, list) and answer:
        return answer
    why = _why_not(host, answer, seconds)
    if isinstance(answer, OSError) and answer.errno in NO_DESCRIPTOR:
        raise no_descriptor(why)
    raise TransientFault(why, hint="check the DNS and base_url")


def _ask(host: str, port: int) -> queue.SimpleQueue[_Answer]:
    """Return the queue that the answer about `host` will come through."""
    answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
    with _lock:
        if (host, port) not in _waiting:
            helper = threading.Thread(
                target=_look_up, args=(host, port), name=f"reportsync-dns-{host}", daemon=True
            )
            helper.start()
            _waiting[host, port] = []
        _waiting[host, port].append(answers)
    return answers


def _look_up(host: str, port: int) -> None:
    answer: _Answer
    try:
        answer = _getaddrinfo(host, port, 0)
    except (OSError, UnicodeError) as error:
        answer = error
    with _lock:
        for waiting in _waiting.pop((host, port)):
            waiting.put(answer)


def _getaddrinfo(host: str, port: int, flags: int) -> list[Address]:
    family = allowed_gai_family()
    found = socket.getaddrinfo(host.strip("[]"), port, family, socket.SOCK_STREAM, flags=flags)
    return list(found)


def _why_not(host: str, answer: _Answer, seconds: float) -> str:
    match answer:
        case None:
            waited = duration_text(timedelta(seconds=seconds))
            return f"no answer from the DNS about {host} within {waited}"
        case OSError():
            return f"{host} does not resolve: {answer.strerror}"
        case _:
            return f"{host} does not resolve"

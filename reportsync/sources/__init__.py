"""Where reports come from: the protocol that every source of archives keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from reportsync.settings import App


class Sink(Protocol):
    """Takes the bytes of an archive as they come in."""

    def write(self, data: bytes, /) -> None:
        """Take the next bytes; may raise StorageError."""


OpenSink = Callable[[int | None], Sink]
"""Called once, when the answer has begun like a zip, with the declared number of bytes if there is
one. May raise StorageError or TooLarge."""


@dataclass(frozen=True, slots=True)
class Received:
    """A body that began like a zip and came in to its end; whether it is whole is not yet known."""

    status: int
    size: int  # bytes given to the sink
    server_time: datetime | None  # the answer's Date header, UTC
    requests: int  # HTTP requests it took


class Source(Protocol):
    """Something that can be asked for an app's report of a day. Safe to use from many threads."""

    def prepare_turn(self, app: App) -> None:
        """Do what can be done towards a turn before it is sure to be wanted.

        Raises as `await_turn` does. May wait for the turn already, and `await_turn` then has it.
        """

    def await_turn(self, app: App) -> None:
        """Wait until the app's host may be asked again.

        Raises Stopped as soon as the end is asked for, and TransientFault, without a request, if
        the host has asked for a pause of which more than a minute is left.
        """

    def fetch(
        self, app: App, day: date, open_sink: OpenSink, accepted: Callable[[], None]
    ) -> Received:
        """Ask once for the report of `day` and stream it to the sink.

        `accepted` and then `open_sink` are called once, as soon as the answer begins like a zip. A
        refused key makes a second request if the app has a second key. Raises one of the classes
        of AttemptFailed, or Stopped; what `open_sink` and the sink raise passes unharmed. What the
        sink got before an error is worthless.
        """

    def close(self) -> None:
        """Let go of all connections and threads. The source is not used again."""

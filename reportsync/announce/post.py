"""The outgoing post: a courier per place, and what became of each notice."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from reportsync.announce.channels import Channel
from reportsync.announce.courier import Courier
from reportsync.announce.healthchecks import Healthchecks, Ping
from reportsync.incidents import Notice
from reportsync.settings import Config


@dataclass(eq=False, slots=True)
class Letter:
    """A notice on its way through `left` more channels; `arrived` once one of them took it."""

    notice: Notice
    left: int
    arrived: bool = False


@dataclass(slots=True)
class Settled:
    """What is known by now: notices that arrived, that no channel took, and what to warn of."""

    arrived: list[Notice] = field(default_factory=list)
    failed: list[Notice] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Post:
    """Carries pings and notices, each place in a thread of its own: a dead one holds up no other.

    Only `wait` blocks, for as long as it is told; nothing raises. `pings` False leaves Healthchecks out.
    """

    def __init__(self, config: Config, *, pings: bool) -> None:
        check, proxy = config.notify.healthchecks, config.http.proxy
        self._pinger: Courier[Ping] | None = None
        if check is not None and pings:
            sender = Healthchecks(check.get_secret_value(), proxy)
            self._pinger = Courier("notify.healthchecks", sender.send)
        self._channels = [
            _courier(Channel(number, url.get_secret_value()))
            for number, url in enumerate(config.notify.urls)
        ]
        self._letters: list[Letter] = []
        self._warned: dict[str, str] = {}

    def ping(self, ping: Ping) -> None:
        """Have `ping` sent, if there is a check."""
        if self._pinger is not None:
            self._pinger.carry(ping)

    def send(self, notice: Notice) -> None:
        """Have `notice` sent to every channel."""
        letter = Letter(notice, len(self._channels))
        self._letters.append(letter)
        for channel in self._channels:
            channel.carry(letter)

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is on its way, together at most `seconds`; say whether that is so."""
        end = time.monotonic() + seconds
        couriers: Iterable[Courier[Ping] | Courier[Letter]] = [
            *self._channels,
            *([self._pinger] if self._pinger else []),
        ]
        return all(one.wait(max(end - time.monotonic(), 0)) for one in couriers)

    def settle(self, *, give_up: bool = False) -> Settled:
        """Return what is known since the last call; `give_up` counts what is still on its way as failed."""
        found = Settled()
        for channel in self._channels:
            for carried in channel.carried():
                self._note(channel.name, carried.error, found)
                self._arrive(carried.message, carried.error is None, found)
        for ping in self._pinger.carried() if self._pinger else ():
            self._note("notify.healthchecks", ping.error, found)
        if give_up:
            self._give_up(found)
        return found

    def close(self) -> None:
        """End the threads; what is on its way is left to itself."""
        for channel in self._channels:
            channel.close()
        if self._pinger is not None:
            self._pinger.close()

    def _arrive(self, letter: Letter, taken: bool, found: Settled) -> None:
        letter.left -= 1
        if taken and not letter.arrived:
            letter.arrived = True
            found.arrived.append(letter.notice)
        if letter.left == 0 and letter in self._letters:
            self._letters.remove(letter)
            if not letter.arrived:
                found.failed.append(letter.notice)

    def _note(self, name: str, error: str | None, found: Settled) -> None:
        """Warn once of what is wrong with a place, and again when it is something else."""
        if error is not None and self._warned.get(name) != error:
            found.warnings.append(f"not delivered: {error}")
        self._warned[name] = error or ""

    def _give_up(self, found: Settled) -> None:
        late = [one.name for one in self._channels if not one.wait(0)]
        if self._pinger is not None and not self._pinger.wait(0):
            late.append("notify.healthchecks")
        found.warnings += [f"not delivered in time: {name}" for name in late]
        found.failed += [letter.notice for letter in self._letters if not letter.arrived]
        self._letters.clear()


def _courier(channel: Channel) -> Courier[Letter]:
    return Courier(channel.name, lambda letter: channel.send(letter.notice))

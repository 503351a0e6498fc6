"""Runs a command under a limit, says what is wrong with the wreck, and with the run after the remedy."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import wreck
from cli_tool import PATIENCE, Done, Place, command_line, stand_in
from zygote import environment

from reportsync.sandbox import Sandbox

APPS = (stand_in("one", 4), stand_in("two", 3))
REPORTS = 7
COMMANDS = {
    "sync": ["sync"],
    "backfill": ["backfill", "--since=-30d"],
    "verify": ["verify"],
    "repair": ["repair"],
}


class Squeeze:
    """Makes places, and judges them by one that no limit disturbed."""

    def __init__(self, make: Callable[[], Place], sandbox: Sandbox) -> None:
        self._make, self._sandbox = make, sandbox
        calm = self.place()
        assert calm.run("sync").code == 0
        self._calm = wreck.look(calm.archive, calm.ledger)
        assert len(self._calm.finals()) == REPORTS

    def place(self, *, ledger: str = "ledger.db", full: bool = False) -> Place:
        """Return a new place, with the ledger at `ledger` in it; `full`: everything is stored already."""
        place = self._make()
        place.ledger = place.folder / ledger
        place.serve(self._sandbox, APPS)
        if full:
            assert place.run("sync").code == 0
        return place

    def place_for(self, command: str, ledger: str = "ledger.db") -> tuple[Place, list[str]]:
        """Return a place with work for `command`, and the names of the archives that are lost in it."""
        place = self.place(ledger=ledger, full=command in ("verify", "repair"))
        if command != "repair":
            return place, []
        lost = sorted(place.zips())[0]
        (place.archive / lost).unlink()
        return place, [lost]

    def wrong(self, archive: Path, ledger: Path, spoilt: Sequence[str] = ()) -> list[str]:
        """Return what is wrong with a wreck: half archives, rows without a file, scratch files."""
        found = wreck.look(archive, ledger)
        right = {name: [sha256] for name, sha256 in self._calm.finals().items()}
        told = list(wreck.not_whole(archive, found, right, spoilt))
        return told + [
            f"{name} was left" for name in [*found.tree, *found.beside] if ".part" in name
        ]

    def unlike_calm(self, archive: Path, ledger: Path) -> list[str]:
        """Return where the end of a run after the remedy is not that of the undisturbed one."""
        found = wreck.look(archive, ledger)
        return [*wreck.other_than(self._calm, found), *wreck.wrong_sums(archive)]


def run(place: Place, before: Sequence[str], *words: str) -> Done:
    """Run a command as a process of its own, behind the words of a command that wraps it."""
    line = [*before, *command_line(), "--config", str(place.config), *words]
    # Python itself would leave its compiled code cut short under a limit on the size of files.
    env = environment({"PYTHONDONTWRITEBYTECODE": "1"})
    done = subprocess.run(
        line, cwd=place.folder, env=env, capture_output=True, text=True, timeout=PATIENCE
    )
    return Done(done.returncode, done.stdout, done.stderr)


def told_plainly(done: Done) -> bool:
    """Say whether an error was told in our words, with what to do."""
    return "Traceback" not in done.err and "what to do: " in done.err

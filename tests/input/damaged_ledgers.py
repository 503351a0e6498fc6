"""Commands over damaged ledgers, and what has to be true after each."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from canary import CANARY, refuse
from cli_tool import Done, Place, ago, stand_in
from ledger_damage import damage

from reportsync.sandbox import Sandbox

APP = replace(stand_in("one", 6), secret_keys=(CANARY,))
WAIVED = ago(8)
CODES = {0, 3, 4, 5}
LONGEST = 40.0  # seconds for one command, on a busy machine


@dataclass(slots=True)
class Tally:
    """What came of the damaged ledgers."""

    ways: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    by_hand: int = 0
    restored: int = 0
    longest: float = 0.0

    def __str__(self) -> str:
        ways = ", ".join(f"{way}: {count}" for way, count in sorted(self.ways.items()))
        told = ", ".join(f"{name}: {count}" for name, count in sorted(self.codes.items()))
        return (
            f"damaged ledgers: {self.ways.total()} ({ways}); first answers by code: {told}; "
            f"moved aside by hand, as told: {self.by_hand}; a waiver brought back from the backup by hand: "
            f"{self.restored}; archives harmed: 0; days lost: 0; "
            f"unhandled: 0; longest command: {self.longest:.1f} s"
        )


class Bench:
    """A place that is made good again for each damage."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.tally = Tally()
        self._whole = place.folder.with_name("whole")
        shutil.copytree(place.folder, self._whole)
        self.zips = place.zips()

    def begin(self, seed: int) -> str:
        """Restore the place, and damage its ledger."""
        shutil.rmtree(self.place.folder)
        shutil.copytree(self._whole, self.place.folder)
        way = damage(self.place.ledger, seed)
        self.tally.ways[way] += 1
        return way

    def run(self, *words: str) -> Done:
        """Run a command; it ends well or with an error for people, harms no archive and tells no secret."""
        began = time.monotonic()
        done = self.place.run(*words)
        self.tally.longest = max(self.tally.longest, time.monotonic() - began)
        told = done.out + done.err
        assert "Traceback" not in told and "Warning" not in told, told[-3000:]
        assert done.code in CODES, (words, done.code, told[-3000:])
        assert done.code != 5 or "what to do" in done.err.lower(), (words, told[-3000:])
        refuse(told, "what was told")
        zips = self.place.zips()
        assert self.zips.items() <= zips.items(), (
            words,
            "an archive was changed or is gone",
            told[-3000:],
        )
        return done


@contextmanager
def bench(place: Place) -> Iterator[Bench]:
    """Yield a bench with six stored days and one that is waived, while their server runs."""
    with Sandbox([APP]) as sandbox:
        place.serve(sandbox, [replace(APP, since=WAIVED)])
        assert place.run("sync").code == 3
        assert place.run("waive", "one", str(WAIVED), "--reason", "never made").code == 0
        for backup in (place.archive / ".ledger").iterdir():
            backup.unlink()
        assert place.run("sync").code == 0
        assert len(place.zips()) == 6
        yield Bench(place)


def check(bench: Bench, seed: int) -> None:
    """Damage the ledger as `seed` has it; look, work, repair; in the end everything is back."""
    way = bench.begin(seed)
    try:
        _check(bench)
    except BaseException as error:
        error.add_note(f"{way}; replay: python tests/input/replay.py ledger {seed}")
        raise


def _check(bench: Bench) -> None:
    for words in (["status", "--json"], ["verify"], ["sync"]):
        bench.tally.codes[f"{words[0]} {bench.run(*words).code}"] += 1
    if bench.run("repair").code == 5:
        # What is not ours, or newer, is left to a person: who moves it, as the message says.
        bench.tally.by_hand += 1
        ledger = bench.place.ledger
        ledger.rename(ledger.with_name("moved-by-hand"))
        assert bench.run("repair").code == 0
    done = bench.run("sync")
    if done.code == 3:
        # A waiver that is gone from a ledger that is whole is one that a person might never have made.
        bench.tally.restored += 1
        assert bench.run("repair", "--restore", "newest").code == 0
        done = bench.run("sync")
    assert done.code == 0, (done.out, done.err)
    # A row of an app that is in no config is nothing that a repair could mend.
    for words in (["verify", "--app", "one"], ["status", "--check", "--json"]):
        done = bench.run(*words)
        assert done.code == 0, (words, done.out, done.err)
    (app,) = done.json["apps"]
    assert [app[key] for key in ("stored", "waived", "missing", "damaged")] == [6, 1, 0, 0]
    assert bench.place.zips() == bench.zips

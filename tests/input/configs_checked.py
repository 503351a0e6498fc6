"""`config validate` over mutated configs, and what it has to say."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, field

from canary import CANARY, refuse
from cli_tool import Place
from config_mutants import mutant

SECRETS = ("other-key-of-the-environment",)
ENVIRON = {"OTHER_KEY": SECRETS[0], "SHOP_DE_KEY": CANARY, "SHOP_FR_KEY": CANARY}
CONTROL = {chr(number) for number in (*range(9), *range(11, 32), 127)}
LONGEST = 20.0  # seconds, on a busy machine


@dataclass(slots=True)
class Tally:
    """What came of the mutated configs."""

    codes: Counter[int] = field(default_factory=Counter)
    problems: int = 0
    longest: float = 0.0

    def __str__(self) -> str:
        return (
            f"mutated configs: {self.codes.total():,}; taken: {self.codes[0]}; "
            f"refused: {self.codes[78]}, with "
            f"{self.problems:,} problems; unhandled: 0; secrets shown: 0; longest: {self.longest:.2f} s"
        )


def check(place: Place, seed: int, tally: Tally) -> None:
    """Validate the config of `seed`: it is taken, or every problem has its place; no secret is shown."""
    place.config.touch(mode=0o600)
    place.config.write_bytes(mutant(seed))
    began = time.monotonic()
    done = place.run("config", "validate", env=ENVIRON)
    seconds = time.monotonic() - began
    told = done.out + done.err
    try:
        assert done.code in (0, 78), (done.code, told[-3000:])
        assert "Traceback" not in told
        refuse(told, "what was told", SECRETS)
        assert len(told) < 200_000
        assert (
            told.isprintable()
            or set(told) & set(map(chr, [*range(9), *range(11, 32), 127])) == set()
        )
        assert seconds < LONGEST
        _check_problems(place, done.code, done.err)
    except AssertionError as error:
        error.add_note(f"replay: python tests/input/replay.py config {seed}")
        raise
    tally.codes[done.code] += 1
    tally.problems += len(_placed(place, done.err)) if done.code else 0
    tally.longest = max(tally.longest, seconds)


def _placed(place: Place, told: str) -> list[str]:
    return re.findall(rf"^{re.escape(str(place.config))}:\d+:\d+: \S.*$", told, re.MULTILINE)


def _check_problems(place: Place, code: int, told: str) -> None:
    if code == 78:
        whole = re.search(r"is not UTF-8 text|larger than|there is no", told)
        assert _placed(place, told) or whole, told[-2000:]
        assert "what to do:" in told

"""Some kills and errors in a sync, and checks that see what they look for; other files take every point."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from crash_points import KILL, Point, errors, kills, performing
from scenes import Theatre
from wreck import moved_back, not_whole, other_than, wrong_sums
from zygote import ROOT

Disturb = Callable[..., int]

pytestmark = pytest.mark.tool("strace")
ZIP = "two/2025/20250101.zip"


@pytest.fixture(scope="module")
def theatre(strace: str) -> Iterator[Theatre]:
    """Yield the scene of a later sync; to set it costs more than to disturb it."""
    with performing("later", strace) as theatre:
        yield theatre


def test_fault_25_a_sync_killed_here_and_there_ends_like_an_undisturbed_one(
    theatre: Theatre, disturb: Disturb
) -> None:
    assert disturb(theatre, list(kills(theatre, 8))[3::15]) >= 5


def test_fault_21_a_sync_with_an_error_here_and_there_loses_nothing(
    theatre: Theatre, disturb: Disturb
) -> None:
    assert disturb(theatre, list(errors(theatre, 8))[10::15]) >= 5


def test_the_checks_of_a_wreck_see_what_they_look_for(theatre: Theatre) -> None:
    theatre.reset()
    theatre.run()
    stage = theatre.stage
    whole = stage.look()
    assert not [*not_whole(stage.archive, whole, theatre.right()), *wrong_sums(stage.archive)]
    assert not [*other_than(theatre.done, whole), *moved_back(theatre.before.rows, whole.rows)]

    def found() -> str:
        wreck = stage.look()
        sums = wrong_sums(stage.archive)
        checks = not_whole(stage.archive, wreck, theatre.right()), other_than(whole, wreck), sums
        return "\n".join(told for check in checks for told in check)

    path = stage.archive / ZIP
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-1])
    assert f"I2: {ZIP} is visible with other content" in found()
    assert f"I1: the ledger says that {ZIP} is stored, and there is another file" in found()
    assert "I3: sha256sum says of two/2025" in found()
    path.unlink()
    assert f"I1: the ledger says that {ZIP} is stored, and there is no file" in found()
    path.write_bytes(content)
    path.chmod(0o600)
    assert f"I3: {ZIP} is 0600" in found()
    path.chmod(0o440)
    assert found() == ""
    shutil.copy(path, stage.archive / "two/2025/.20250101.0123456789abcdef.part")
    assert "0123456789abcdef.part is 0440" in found()
    with closing(sqlite3.connect(stage.ledger)) as ledger, ledger:
        ledger.execute("UPDATE reports SET state = 'missing', attempts = 0 WHERE app = 'two'")
        ledger.execute("UPDATE archives SET held = 0 WHERE app = 'two'")
    assert "I3: the ledger's reports are" in found()
    back = list(moved_back(whole.rows, stage.look().rows))
    assert back == [
        "I9: the attempts at two 2025-01-01 went back from 1",
        "I9: two 2025-01-01 went from stored to missing",
    ]


@pytest.mark.slow
def test_a_point_is_replayed_by_the_command_that_a_failure_prints(strace: str) -> None:
    point = Point("apart", "collect-0", "linkat", 1, KILL)
    words = point.command.split()[1:]
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "linkat(" in done.stdout
    assert done.stdout.endswith("every invariant held\n")

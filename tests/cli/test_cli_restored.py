"""A lost ledger that a command restores from its backup: who is told, and when."""

from __future__ import annotations

import pytest
from cli_tool import Place, ago
from sampling import sampled

COMMANDS = (
    ["sync"], ["backfill", "--since=-3d"], ["verify"], ["waive", "one", "-3d", "--reason", "x"],
    ["unwaive", "one", "-3d"],
)  # fmt: skip


def lose(place: Place) -> str:
    """Lose the ledger; return what whoever restores it says."""
    place.ledger.unlink()
    (backup,) = (place.archive / ".ledger").iterdir()
    return f"reportsync: the ledger was lost; its backup {backup} has taken its place"


@pytest.mark.parametrize("words", sampled(COMMANDS), ids=lambda words: words[0])
def test_fault_31_a_quiet_command_that_restores_a_lost_ledger_says_nothing(
    filled: Place, words: list[str]
) -> None:
    lose(filled)
    done = filled.run("-q", *words)
    assert (done.code, done.err) == (0, "")
    assert filled.run("status", "--check").code == 0, "it was restored"


@pytest.mark.parametrize("words", sampled(COMMANDS[:2]), ids=lambda words: words[0])
@pytest.mark.parametrize("quiet", [[], ["-q"]], ids=["", "quiet"])
def test_fault_31_a_restored_ledger_is_told_also_when_the_command_then_fails(
    filled: Place, quiet: list[str], words: list[str]
) -> None:
    told = lose(filled)
    (filled.archive / ".reportsync").unlink()
    done = filled.run(*quiet, *words)
    assert done.code == 5
    assert done.err.splitlines().count(told) == 1


def test_fault_31_a_restored_ledger_is_told_on_stderr_alone(filled: Place) -> None:
    told = lose(filled)
    done = filled.run("waive", "one", str(ago(3)), "--reason", "x", "--json")
    assert done.json["version"] == 1
    assert done.err.splitlines() == [told]

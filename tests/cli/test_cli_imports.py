"""What a command loads: nothing heavy before it is known what is asked for, and then only what it uses."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from cli_tool import Place, block, stand_in
from zygote import environment

from reportsync.cli.main import COMMANDS

HEAVY = frozenset(
    {
        "alembic", "apscheduler", "jinja2", "prometheus_client", "pydantic", "requests", "rich",
        "sqlalchemy", "structlog", "urllib3", "yaml",
    }
)  # fmt: skip
LOOKED = {"status": 0, "health": 3}
"""The exit codes where no pass was made yet."""

PROGRAM = [sys.executable, "-c", "from reportsync.cli import main; main()"]


def imported(*words: str, completing: bool = False, code: int = 0) -> set[str]:
    """Return the names of all modules that a command loads; `completing` asks what may come after it."""
    command = [PROGRAM[0], "-X", "importtime", *PROGRAM[1:]]
    env = environment(None)
    if completing:
        line = " ".join(["reportsync", *words])
        env |= {"_REPORTSYNC_COMPLETE": "bash_complete", "COMP_WORDS": line}
        env |= {"COMP_CWORD": str(len(words))}
    done = subprocess.run(
        command if completing else [*command, *words],
        env=env, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert done.stdout or completing
    return {found[1] for found in re.finditer(r"\| +([\w.]+)$", done.stderr, re.MULTILINE)}


def bare() -> int:
    """Return how many modules the interpreter itself loads."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "pass"],
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    return done.stderr.count("\n")


@pytest.mark.parametrize("word", ["--version", "--help"])
def test_help_and_version_load_nothing_heavy(word: str) -> None:
    found = imported(word)
    assert "click" in found
    assert not found & HEAVY
    # Click and what it needs of the standard library; ours are a handful.
    assert len(found) <= bare() + 130
    assert len([name for name in found if name.startswith("reportsync")]) <= 10


def test_completing_a_commands_name_loads_no_command() -> None:
    found = imported("st", completing=True)
    ours = {name.removeprefix("reportsync.cli.") for name in found if "reportsync" in name}
    modules = {place.partition(":")[0] for place, _ in COMMANDS.values()}
    assert not ours & modules
    assert not found & HEAVY


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_completing_its_options_and_its_help_load_nothing_heavy(command: str) -> None:
    found = imported(command, "--", completing=True) | imported(command, "--help")
    assert not found & HEAVY


@pytest.mark.slow
@pytest.mark.parametrize("command", ["status", "health"])
def test_what_only_looks_loads_the_database_and_nothing_that_fetches_schedules_or_serves(
    place: Place, command: str
) -> None:
    place.write(block(stand_in("shop-de", 3), "http://127.0.0.1:9"))
    found = imported("--config", str(place.config), command, "--json", code=LOOKED[command])
    assert found & HEAVY == {"pydantic", "sqlalchemy", "yaml"}
    assert "sqlalchemy.dialects.postgresql" not in found
    assert not found & {"http.server", "multiprocessing", "sqlalchemy.orm"}

"""The runbook tells the truth: each command is run on a host in that very trouble, and says what is shown."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from runbook_scenes import SCENES, Host, install

# What differs from run to run, and what takes its place on both sides.
_VARYING = (
    (r"127\.0\.0\.1:\d+", "HOST"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|\d{8}T\d{6}Z", "INSTANT"),
    (r"ledger-\d{8}\.db", "ledger-DAY.db"),
    (r"in \d+\.\d s", "in N s"),
    (r"[\d,]+ bytes", "N bytes"),
    (r"[\d,.]+ [KMGT]iB", "N MiB"),
)


@dataclass(frozen=True, slots=True)
class Typed:
    """A command line of the runbook, and what it shows of the answer."""

    words: list[str]
    shown: list[str]


def blocks(text: str) -> Iterator[tuple[str, list[Typed]]]:
    """Yield each block of commands with the heading that it stands under."""
    heading, lines = "", iter(text.splitlines())
    for line in lines:
        if line.startswith("## "):
            heading = line[3:]
        elif line == "```console":
            typed: list[Typed] = []
            while (inner := next(lines)) != "```":
                if inner.startswith("$ "):
                    command = inner[2:].removesuffix('; echo "exit $?"')
                    typed.append(Typed(shlex.split(command)[1:], []))
                else:
                    typed[-1].shown.append(inner)
            yield heading, typed


def plain(line: str, host: Host) -> str:
    """Return `line` without what differs from run to run."""
    line = line.replace(str(host.folder / "sandbox"), "/var/lib/reportsync")
    for pattern, name in _VARYING:
        line = re.sub(pattern, name, line)
    return line.rstrip()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """Yield a host whose first pass was made, with one day that the vendor does not have."""
    sandbox, ready = install(tmp_path)
    with sandbox:
        yield ready()


def differences(typed: Typed, host: Host) -> list[str]:
    """Run a command and return which of the lines shown it did not say."""
    code, said = host.type(*typed.words)
    lines = {plain(line, host) for line in (*said.splitlines(), f"exit {code}")}
    shown = [plain(line, host) for line in typed.shown if line != "..."]
    absent = [line for line in shown if line not in lines]
    if "..." not in typed.shown and not absent:
        absent = [
            f"(not shown) {line}" for line in said.splitlines() if plain(line, host) not in shown
        ]
    return [f"reportsync {shlex.join(typed.words)}: {line}\n--- said:\n{said}" for line in absent]


@pytest.mark.slow
def test_every_command_of_the_runbook_says_what_is_shown(jobs: Path, host: Host) -> None:
    text = (jobs / "backfill" / "README.md").read_text()
    waiting = {heading: iter(scenes) for heading, scenes in SCENES.items()}
    wrong, played = [], 0
    for heading, typed in blocks(text):
        scene = next(waiting.get(heading, iter(())), None)
        if scene is not None:
            scene(host)
            played += 1
        for one in typed:
            wrong += differences(one, host)
    assert wrong == [], "\n".join(wrong)
    assert played == sum(len(scenes) for scenes in SCENES.values())


def test_the_runbook_begins_with_three_commands(jobs: Path) -> None:
    heading, typed = next(blocks((jobs / "backfill" / "README.md").read_text()))
    assert heading == ""
    assert [one.words[0] for one in typed] == ["status", "why", "backfill"]


def test_the_runbook_has_every_exit_code_of_the_readme(jobs: Path) -> None:
    readme = (jobs.parent / "README.md").read_text()
    sentence = readme.partition("Exit codes:")[2].partition("Of several")[0]
    codes = set(re.findall(r"\*\*([\d/]+)\*\*", sentence))
    table = (jobs / "backfill" / "README.md").read_text().partition("## Exit codes")[2]
    rows = set(re.findall(r"^\| ([\d, ]+) \|", table.partition("\n## ")[0], re.MULTILINE))
    assert rows == {code.replace("/", ", ") for code in codes}
    assert len(rows) == 9

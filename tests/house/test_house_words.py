"""No unfinished work, no machine of ours, and no file that grew too long, in anything git keeps."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Tool = Callable[[str], str]
LONGEST = 450
ON_EVERY_DEBIAN = {
    "git",
    "mount",
    "nsenter",
    "prlimit",
    "setpriv",
    "sh",
    "sha256sum",
    "unshare",
}  # git: there is no clone without it
# The odd brackets keep this file from finding itself.
UNFINISHED = (
    r"\bTO[D]O\b", r"\bFIX[M]E\b", r"\bX{3}\b", r"NotImplemented[E]rror", r"pragma: no[ ]cover",
    r"mark\.(skip|skipif|xfail)\b", r"\bsub-?agents?\b",
)  # fmt: skip
MACHINES = (
    r"(?<![\w.])/(work|root|home|Users)/\w", r"py[p]i\.org", r"python[h]osted", r"/tmp/brie[f]",
)  # fmt: skip
README_COMMANDS = (
    "python3 -m venv .venv && .venv/bin/pip install -q -e . && .venv/bin/reportsync demo",
    "python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]' && .venv/bin/pytest -q",
)


@pytest.fixture(scope="module")
def texts(root: Path, project_files: tuple[str, ...]) -> dict[str, str]:
    """Return every text file of the project by its name."""
    found = {}
    for name in project_files:
        data = (root / name).read_bytes()
        if b"\0" not in data:
            found[name] = data.decode()
    return found


def hits(texts: dict[str, str], patterns: tuple[str, ...]) -> Iterator[str]:
    """Yield `FILE:LINE: text` for every line that one of the patterns matches."""
    either = re.compile("|".join(patterns))
    for name, text in texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            if either.search(line):
                yield f"{name}:{number}: {line.strip()}"


def test_nothing_is_left_unfinished(texts: dict[str, str]) -> None:
    assert list(hits(texts, UNFINISHED)) == []


def test_no_machine_of_ours_is_named(texts: dict[str, str]) -> None:
    assert list(hits(texts, MACHINES)) == []


@pytest.mark.parametrize(
    ("patterns", "line"),
    [
        (UNFINISHED, "# TO" + "DO: later"),
        (UNFINISHED, "raise NotImplemented" + "Error"),
        (UNFINISHED, "@pytest.mark." + "skipif(True)"),
        (MACHINES, "cd /ho" + "me/someone/src"),
        (MACHINES, "see /wo" + "rk/main"),
    ],
)
def test_the_search_finds_what_it_looks_for(patterns: tuple[str, ...], line: str) -> None:
    assert list(hits({"probe": f"fine\n{line}\n"}, patterns)) == [f"probe:2: {line}"]


def test_every_module_says_what_it_is_for_and_stays_short(modules: dict[str, Path]) -> None:
    for name, path in modules.items():
        text = path.read_text()
        assert ast.get_docstring(ast.parse(text)), f"{name} has no docstring"
        assert len(text.splitlines()) <= LONGEST, f"{name} is too long: give its second idea a file"


def test_test_modules_have_names_of_their_own(project_files: tuple[str, ...]) -> None:
    # pytest imports them by their bare names: two of one name would shadow each other
    bare = [Path(name).name for name in project_files if name.startswith("tests/")]
    modules = Counter(
        n
        for n in bare
        if n.endswith(".py") and n not in {"conftest.py", "__init__.py", "__main__.py"}
    )
    assert [name for name, count in modules.items() if count > 1] == []


@pytest.mark.parametrize("command", README_COMMANDS, ids=["demo", "test"])
def test_the_readme_and_ci_hold_the_two_commands_to_the_letter(root: Path, command: str) -> None:
    assert command in (root / "README.md").read_text().splitlines()
    assert command in (root / ".ci" / "run").read_text()


def test_ci_brings_every_program_that_a_test_asks_for(texts: dict[str, str], root: Path) -> None:
    marks = [m for text in texts.values() for m in re.findall(r"mark\.tool\(([^)]*)\)", text)]
    quoted = {name for mark in marks for name in re.findall(r'"([^"]+)"', mark)}
    asked = {name.replace("_", "-") for name in quoted}  # a module by the name of its package
    by_apt = set(re.findall(r"\b([\w.-]+):[\w-]+", (root / ".ci" / "run").read_text()))
    by_pip = (root / "pyproject.toml").read_text()
    assert {"git", "hadolint"} <= asked
    assert [
        n
        for n in sorted(asked - by_apt - ON_EVERY_DEBIAN)
        if not re.search(rf'"{n}(-bin|-py)?[>"]', by_pip)
    ] == []


@pytest.mark.tool("shellcheck")
def test_shellcheck_finds_nothing(texts: dict[str, str], root: Path, tool: Tool) -> None:
    scripts = [name for name, text in texts.items() if re.match(r"#!.*\b(ba)?sh\b", text)]
    assert ".ci/run" in scripts
    found = subprocess.run([tool("shellcheck"), *scripts], cwd=root, capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_layout_is_the_one_of_the_contract(project_files: tuple[str, ...]) -> None:
    allowed = {
        "pyproject.toml", "README.md", "config.example.yaml", "Dockerfile", "jobs", "reportsync",
        "tests", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "requirements.lock", "benchmarks",
        "docs",
    }  # fmt: skip
    top = {name.split("/")[0] for name in project_files}
    assert {name for name in top if not name.startswith(".")} <= allowed

"""The image: what the Dockerfile copies exists, who it runs as, and that nothing leaks into it."""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from reportsync.settings import Storage


def instructions(text: str) -> list[list[tuple[str, str]]]:
    """Return the stages of a Dockerfile as (instruction, arguments)."""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.M).replace("\\\n", " ")
    stages: list[list[tuple[str, str]]] = []
    for line in filter(str.strip, text.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, rest.strip()))
    return stages


def kept(path: str, ignore: Iterable[str]) -> bool:
    """Say whether the build sees `path` under the lines of a .dockerignore: the last match wins."""
    inside = True
    for line in (line.strip() for line in ignore):
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!").removeprefix("**/").strip("/")
        parts = path.split("/")
        heads = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        places = [*heads, *parts] if line.removeprefix("!").startswith("**/") else heads
        if any(fnmatch.fnmatchcase(place, pattern) for place in places):
            inside = line.startswith("!")
    return inside


@pytest.fixture(scope="module")
def stages(root: Path) -> list[list[tuple[str, str]]]:
    """Return the stages of the project's Dockerfile."""
    return instructions((root / "Dockerfile").read_text())


@pytest.fixture(scope="module")
def ignore(root: Path) -> list[str]:
    """Return the lines of the project's .dockerignore."""
    return (root / ".dockerignore").read_text().splitlines()


def of(stage: list[tuple[str, str]], word: str) -> list[str]:
    """Return the arguments of each instruction `word` of a stage."""
    return [arguments for instruction, arguments in stage if instruction == word]


def test_each_copied_source_is_in_git_and_reaches_the_build(
    stages: list[list[tuple[str, str]]], project_files: tuple[str, ...], ignore: list[str]
) -> None:
    copies = [text for stage in stages for text in of(stage, "COPY") if "--from=" not in text]
    sources = [source for text in copies for source in text.split()[:-1]]
    assert {"requirements.lock", "pyproject.toml", "reportsync"} <= set(sources)
    for source in sources:
        below = [n for n in project_files if n == source or n.startswith(f"{source}/")]
        assert below, f"COPY {source}: git has no such file"
        assert [name for name in below if not kept(name, ignore)] == []


def test_nothing_else_reaches_the_build(ignore: list[str], project_files: tuple[str, ...]) -> None:
    seen = {name.split("/")[0] for name in project_files if kept(name, ignore)}
    assert seen <= {"LICENSE", "README.md", "pyproject.toml", "requirements.lock", "reportsync"}
    for private in ("config.yaml", ".env", ".git/config", ".venv/x", "archive/a/2026/20260101.zip"):
        assert not kept(private, ignore)
    assert not kept("reportsync/__pycache__/model.cpython-313.pyc", ignore)


def test_both_stages_start_from_one_image(stages: list[list[tuple[str, str]]]) -> None:
    images = [of(stage, "FROM")[0].split()[0] for stage in stages]
    assert len(images) == 2
    assert len(set(images)) == 1


def test_dependencies_are_installed_by_hash_only(stages: list[list[tuple[str, str]]]) -> None:
    installs = [text for stage in stages for text in of(stage, "RUN") if " install --" in text]
    assert len(installs) == 2
    assert all("--no-deps" in text for text in installs)
    assert "--require-hashes" in installs[0]
    assert "requirements.lock" in installs[0]


def test_the_image_holds_the_program_and_nothing_to_install_or_build_with(
    stages: list[list[tuple[str, str]]],
) -> None:
    first, last = stages
    assert of(last, "COPY") == ["--from=build /opt/reportsync /opt/reportsync"]
    assert not of(last, "ADD")
    (run,) = of(last, "RUN")
    assert run.startswith("python -m pip uninstall ")
    assert "apt-get" not in run
    assert any("venv --without-pip" in text for text in of(first, "RUN"))
    image, tag = of(last, "FROM")[0].split(":")
    assert (image, re.fullmatch(r"3\.\d+-slim-[a-z]+", tag) is not None) == ("python", True)


def test_it_runs_as_a_numeric_user_without_a_shell(stages: list[list[tuple[str, str]]]) -> None:
    last = stages[-1]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", of(last, "USER")[-1])
    assert json.loads(of(last, "ENTRYPOINT")[0]) == ["reportsync"]
    assert json.loads(of(last, "CMD")[0]) == ["run"]
    (health,) = of(last, "HEALTHCHECK")
    assert json.loads(health.partition(" CMD ")[2]) == ["reportsync", "health"]
    assert of(last, "STOPSIGNAL") == ["SIGTERM"]


def test_the_default_storage_lies_on_the_volume_and_belongs_to_the_user(
    stages: list[list[tuple[str, str]]],
) -> None:
    last = stages[-1]
    (volume,) = json.loads(of(last, "VOLUME")[0])
    user, group = of(last, "USER")[0].split(":")
    assert any(f"-o {user} -g {group} {volume}" in text for text in of(last, "RUN"))
    assert Storage().archive.is_relative_to(volume)
    assert Storage().ledger.startswith(f"sqlite:///{volume}/")


@pytest.mark.tool("hadolint")
def test_hadolint_finds_nothing(root: Path, tool: Callable[[str], str]) -> None:
    found = subprocess.run(
        [tool("hadolint"), "--no-color", "Dockerfile"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert (found.returncode, found.stdout) == (0, "")

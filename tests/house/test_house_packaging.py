"""What is shipped: metadata, dependencies, the lock, and what lies in wheel and sdist."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

IMPORT_NAMES = {"pyyaml": "yaml"}
PART_OF = {"pydantic_core": "pydantic"}  # held to one exact version by the whole
NOT_IMPORTED = {"tzdata"}  # zoneinfo reads it
LOCKED_EXTRAS = ("postgres", "notify")  # what the image holds
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    """Return the `project` table of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return table


@pytest.fixture(scope="module")
def lock(root: Path) -> str:
    """Return the lock's text, one logical line per requirement."""
    return (root / "requirements.lock").read_text().replace("\\\n", " ")


def pinned(lock: str) -> dict[str, Requirement]:
    """Return the requirements of the lock by their canonical names."""
    lines = [line.split(" --hash")[0] for line in lock.splitlines() if not line.startswith("#")]
    return {canonicalize_name(r.name): r for r in map(Requirement, filter(str.strip, lines))}


def names(requirements: Iterable[str]) -> set[str]:
    """Return the canonical names of requirements."""
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def third_party_imports(modules: dict[str, Path]) -> set[str]:
    """Return the top names of what the package imports beyond itself and the standard library."""
    found = set()
    for path in modules.values():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return {PART_OF.get(n, n) for n in found - set(sys.stdlib_module_names) - {"reportsync"}}


def import_names(requirements: Iterable[str]) -> set[str]:
    """Return the modules that requirements bring."""
    return {IMPORT_NAMES.get(n, n.replace("-", "_")) for n in names(requirements) - NOT_IMPORTED}


def test_every_import_is_a_declared_dependency(
    modules: dict[str, Path], project: dict[str, Any]
) -> None:
    extras = [text for part in project["optional-dependencies"].values() for text in part]
    declared = import_names([*project["dependencies"], *extras])
    assert third_party_imports(modules) - declared == set()


def test_every_runtime_dependency_is_imported(
    modules: dict[str, Path], project: dict[str, Any]
) -> None:
    assert import_names(project["dependencies"]) - third_party_imports(modules) == set()


def test_the_floors_shut_out_libraries_that_lose_data(project: dict[str, Any]) -> None:
    allowed = {Requirement(d).name: Requirement(d).specifier for d in project["dependencies"]}
    for name, bad in [
        ("urllib3", "1.26.20"),
        ("urllib3", "2.6.2"),
        ("requests", "2.32.3"),
        ("apscheduler", "4.0.0"),
        ("sqlalchemy", "2.0.40"),
        ("sqlalchemy", "2.2.0"),
    ]:
        assert not allowed[name].contains(bad, prereleases=True), f"{name} {bad}"


def test_python_versions_are_stated_alike(root: Path, project: dict[str, Any]) -> None:
    allowed = SpecifierSet(project["requires-python"])
    stated = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    image = re.findall(r"^FROM python:(3\.\d+)-", (root / "Dockerfile").read_text(), re.M)
    assert tuple(stated) == PYTHONS
    assert all(allowed.contains(f"{version}.0") for version in PYTHONS)
    assert not allowed.contains("3.10.20")
    assert set(image) <= set(PYTHONS)


def test_the_changelog_has_a_section_for_this_version(root: Path) -> None:
    source = (root / "reportsync" / "__init__.py").read_text()
    version = re.search(r'^__version__ = "([^"]+)"$', source, re.M)
    assert version, "the version's one place is reportsync/__init__.py"
    sections = re.findall(r"^## \[([^]]+)\]", (root / "CHANGELOG.md").read_text(), re.M)
    assert sections[0] == "Unreleased"
    assert version[1] in sections


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_satisfies_every_dependency_of_the_image(
    lock: str, project: dict[str, Any], python: str
) -> None:
    pins = pinned(lock)
    extras = [text for name in LOCKED_EXTRAS for text in project["optional-dependencies"][name]]
    for text in [*project["dependencies"], *extras]:
        wanted = Requirement(text)
        pin = pins[canonicalize_name(wanted.name)]
        (only,) = pin.specifier
        assert only.operator == "=="
        assert wanted.specifier.contains(Version(only.version)), f"{pin} does not satisfy {text}"
        assert pin.marker is None or pin.marker.evaluate({"python_version": python})


def test_every_pin_of_the_lock_has_hashes_and_none_an_address(lock: str) -> None:
    assert pinned(lock)
    for line in lock.splitlines():
        assert re.search(r" --hash=sha256:[0-9a-f]{64}", line), line.split(" ")[0]
    for forbidden in ("://", "--index", "--extra-index", "--find-links", "--trusted-host", " @ "):
        assert forbidden not in lock


def test_the_command_that_makes_the_lock_names_what_the_image_holds(root: Path) -> None:
    text = (root / "CONTRIBUTING.md").read_text()
    assert tuple(re.findall(r"--extra (\w+)", text)) == LOCKED_EXTRAS


@pytest.fixture(scope="module")
def built(
    root: Path, project_files: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a folder with the wheel and the sdist of what git keeps."""
    source = tmp_path_factory.mktemp("source")
    for name in project_files:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, source / name)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel"],
        cwd=source, check=True, capture_output=True,
    )  # fmt: skip
    return source / "dist"


@pytest.mark.slow
@pytest.mark.tool("git", module="hatchling")
def test_the_wheel_holds_the_package_and_nothing_else(
    built: Path, project_files: tuple[str, ...]
) -> None:
    (wheel,) = built.glob("*.whl")
    members = zipfile.ZipFile(wheel).namelist()
    info = next(m.split("/")[0] for m in members if m.endswith(".dist-info/METADATA"))
    shipped = {m for m in members if not m.startswith(f"{info}/")}
    assert shipped == {name for name in project_files if name.startswith("reportsync/")}
    assert "reportsync/py.typed" in shipped
    assert f"{info}/licenses/LICENSE" in members


@pytest.mark.slow
@pytest.mark.tool("git", module="hatchling")
def test_the_wheel_says_what_it_is_and_needs(built: Path, project: dict[str, Any]) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names_of = {Path(name).name: name for name in archive.namelist()}
        metadata = Parser().parsestr(archive.read(names_of["METADATA"]).decode())
        scripts = archive.read(names_of["entry_points.txt"]).decode()
    needs = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    plain = {canonicalize_name(r.name) for r in needs if not r.marker}
    assert plain == names(project["dependencies"])
    assert metadata["License-Expression"] == "MIT"
    assert set(metadata.get_all("Provides-Extra", [])) == set(project["optional-dependencies"])
    assert "reportsync = reportsync.cli:main" in scripts


@pytest.mark.slow
@pytest.mark.tool("git", module="hatchling")
def test_the_sdist_holds_what_a_packager_needs(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = {name.split("/", 1)[-1] for name in archive.getnames()}
    wanted = {"pyproject.toml", "README.md", "LICENSE", "tests/conftest.py", "requirements.lock"}
    assert wanted <= members
    assert [name for name in members if re.search(r"\.pyc$|^\.venv|^\.git/|\.db$", name)] == []

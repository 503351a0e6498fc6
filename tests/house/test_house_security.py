"""The threat model: each threat names what stops it, and a test that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    """Return the text of the threat model."""
    return (root / "docs" / "security.md").read_text()


def threats(page: str) -> list[list[str]]:
    """Return the cells of each row below a heading `threat`."""
    rows: list[list[str]] = []
    inside = False
    for line in page.splitlines():
        if not line.startswith("|"):
            inside = False
        elif line.startswith("| threat |"):
            inside = True
        elif inside and not line.startswith("|---"):
            rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def test_each_threat_has_what_stops_it_and_a_test_that_there_is(page: str, root: Path) -> None:
    files = {path.stem: path.read_text() for path in (root / "tests").rglob("test_*.py")}
    rows = threats(page)
    assert len(rows) > 40
    for row in rows:
        assert len(row) == 3 and all(row), row
        named = re.findall(r"`(\w+)::(\w+)`", row[2])
        assert named, f"{row[0]}: no test"
        assert re.sub(r"`\w+::\w+`", "", row[2]).strip() == "", (
            f"{row[0]}: odd text among its tests"
        )
        for file, test in named:
            assert f"\ndef {test}(" in files.get(file, ""), f"{file}::{test}"


def test_every_test_of_an_attack_is_named_in_the_threat_model(page: str, root: Path) -> None:
    for path in (root / "tests" / "security").glob("test_*.py"):
        for test in re.findall(r"^def (test_\w+)\(", path.read_text(), re.M):
            assert f"`{path.stem}::{test}`" in page

"""The catalogue in docs/faults.md: each of its rows has tests, and each test that names a row is of one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

FAULTS = set(range(1, 44))
INVARIANTS = set(range(1, 13))
Named = Mapping[int, set[str]]
"""By number of a row, the files (below `tests/`) that are named in it, or hold tests named after it."""


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    """Return the catalogue."""
    return (root / "docs" / "faults.md").read_text()


@pytest.fixture(scope="module")
def sources(root: Path) -> dict[str, str]:
    """Return every test module by its path below `tests/`."""
    tests = root / "tests"
    return {str(path.relative_to(tests)): path.read_text() for path in tests.rglob("test_*.py")}


def rows(page: str, mark: str) -> Named:
    """Return what the rows `| MARK number | ...` of the page name in their cell `held by`."""
    found = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if number := re.fullmatch(rf"{mark}(\d+)", cells[0].strip()):
            found[int(number[1])] = set(re.findall(r"`([\w/]+\.py)`", cells[2 if mark else 4]))
    return found


def holders(sources: Mapping[str, str], kind: str) -> Named:
    """Return the files with tests named after rows of `kind`."""
    found = defaultdict(set)
    for name, text in sources.items():
        for number in re.findall(rf"^ *def test_{kind}_(\d+)_", text, re.MULTILINE):
            found[int(number)].add(name)
    return found


def gaps(named: Named, held: Named, wanted: set[int]) -> Iterator[str]:
    """Yield where the rows of the page, those that are wanted, and the tests do not agree."""
    for number in sorted(wanted ^ named.keys()):
        yield f"row {number} is {'not on the page' if number in wanted else 'one too many'}"
    for number in sorted(wanted - {number for number, files in held.items() if files}):
        yield f"row {number} has no test named after it"
    for number in sorted(held.keys() - wanted):
        yield f"{sorted(held[number])} hold tests of row {number}, which does not exist"
    for number, files in named.items():
        for name in sorted(files - held.get(number, set())):
            yield f"row {number} names {name}, which does not exist or holds no test of it"
        for name in sorted(held.get(number, set()) - files):
            yield f"row {number} does not name {name}, which holds a test of it"
        if not files:
            yield f"row {number} names no file"


def test_every_fault_of_the_catalogue_has_tests_named_after_it(
    page: str, sources: dict[str, str]
) -> None:
    assert list(gaps(rows(page, ""), holders(sources, "fault"), FAULTS)) == []


def test_every_invariant_has_tests_named_after_it(page: str, sources: dict[str, str]) -> None:
    assert list(gaps(rows(page, "I"), holders(sources, "invariant"), INVARIANTS)) == []


def test_every_file_that_the_catalogue_names_is_there(page: str, sources: dict[str, str]) -> None:
    assert [
        name
        for name in re.findall(r"`([\w/]+\.py)`", page)
        if name.removeprefix("tests/") not in sources
    ] == []


def test_the_numbers_of_tests_are_written_as_the_catalogue_says(sources: dict[str, str]) -> None:
    faults = [
        n for text in sources.values() for n in re.findall(r"^ *def test_fault_(\d+)_", text, re.M)
    ]
    assert {len(number) for number in faults} == {2}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"faults": {1: {"a.py"}}}, "row 2 is not on the page"),
        ({"tests": {1: {"a.py"}, 2: set()}}, "row 2 has no test named after it"),
        ({"tests": {1: {"a.py"}, 2: {"b.py"}, 3: {"a.py"}}}, "hold tests of row 3, which does not exist"),
        ({"faults": {1: {"a.py"}, 2: {"a.py"}}}, "row 2 names a.py, which does not exist or holds no test"),
        ({"faults": {1: set(), 2: {"b.py"}}}, "row 1 names no file"),
        ({"tests": {1: {"a.py", "c.py"}, 2: {"b.py"}}}, "row 1 does not name c.py, which holds a test"),
    ],
)  # fmt: skip
def test_the_check_finds_what_it_looks_for(change: dict[str, Named], told: str) -> None:
    fine = {"faults": {1: {"a.py"}, 2: {"b.py"}}, "tests": {1: {"a.py"}, 2: {"b.py"}}}
    assert list(gaps(fine["faults"], fine["tests"], {1, 2})) == []
    found = fine | change
    assert told in "\n".join(gaps(found["faults"], found["tests"], {1, 2}))

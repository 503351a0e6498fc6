"""The layer table of CONTRIBUTING.md holds: who imports whom, and what is pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PURE_ROWS = {0, 1}
IMPURE = {
    "alembic", "apscheduler", "apprise", "click", "http", "requests", "rich", "selectors", "socket",
    "socketserver", "sqlalchemy", "sqlite3", "ssl", "structlog", "subprocess", "urllib3",
}  # fmt: skip
WORD = re.compile(r"`(\w+)`")
CHANCE_AND_CLOCK = {"random", "secrets", "time", "uuid"}


@pytest.fixture(scope="module")
def table(root: Path) -> list[tuple[int, str, str]]:
    """Return number, modules and inner uses of each row of the layer table."""
    line = re.compile(r"^\| (\d) \|[^|]*\|([^|]*)\|([^|]*)\|$", re.M)
    found = line.findall((root / "CONTRIBUTING.md").read_text())
    return [(int(row), names, uses) for row, names, uses in found]


@pytest.fixture(scope="module")
def rows(table: list[tuple[int, str, str]]) -> dict[str, int]:
    """Return the row of each module, by its name below `reportsync`."""
    return {name: row for row, names, _ in table for name in WORD.findall(names)}


@pytest.fixture(scope="module")
def beside(table: list[tuple[int, str, str]]) -> set[tuple[str, str]]:
    """Return the pairs of one row of which the first may import the second."""
    clauses = [WORD.findall(clause) for _, _, uses in table for clause in uses.split(";")]
    return {(user, used) for user, *all_used in filter(None, clauses) for used in all_used}


def imported(name: str, path: Path, modules: dict[str, Path]) -> Iterator[str]:
    """Yield the dotted names that a module imports anywhere in it, inside functions too."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield whole if whole in modules else base


def top(name: str) -> str:
    """Return the module below `reportsync` that a dotted name belongs to; empty for the package."""
    return name.split(".")[1] if "." in name else ""


def test_every_module_has_a_row_and_every_row_its_modules(
    modules: dict[str, Path], rows: dict[str, int]
) -> None:
    assert {top(name) for name in modules} - {""} == set(rows)


def test_a_module_imports_only_from_the_rows_above(
    modules: dict[str, Path], rows: dict[str, int], beside: set[tuple[str, str]]
) -> None:
    wrong = []
    for name, path in modules.items():
        for other in imported(name, path, modules):
            mine, theirs = top(name), top(other)
            if other.split(".")[0] != "reportsync" or theirs in {"", mine}:
                continue
            downhill = rows.get(theirs, 99) < rows.get(mine, -1)
            if not downhill and (mine, theirs) not in beside:
                wrong.append(f"{name} imports {other}")
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_the_pairs_beside_each_other_are_of_one_row_and_in_use(
    modules: dict[str, Path], rows: dict[str, int], beside: set[tuple[str, str]]
) -> None:
    used = {
        (top(name), top(other))
        for name, path in modules.items()
        for other in imported(name, path, modules)
        if other.startswith("reportsync.")
    }
    assert beside
    assert [pair for pair in beside if rows[pair[0]] != rows[pair[1]]] == []
    assert sorted(beside - used) == [], "the table allows what nobody needs"


def test_the_pairs_beside_each_other_make_no_circle(beside: set[tuple[str, str]]) -> None:
    left = set(beside)
    while left:
        ends = {b for _, b in left} - {a for a, _ in left}
        assert ends, f"a circle among {sorted(left)}"
        left = {(a, b) for a, b in left if b not in ends}


def test_words_and_decisions_touch_no_network_database_or_terminal(
    modules: dict[str, Path], rows: dict[str, int]
) -> None:
    wrong = [
        f"{name} imports {other}"
        for name, path in modules.items()
        if rows.get(top(name)) in PURE_ROWS
        for other in imported(name, path, modules)
        if other.split(".")[0] in IMPURE
    ]
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_decisions_know_neither_clock_nor_chance(
    modules: dict[str, Path], rows: dict[str, int]
) -> None:
    wrong = []
    for name, path in modules.items():
        if rows.get(top(name)) == 1:
            wrong += [
                f"{name} imports {other}"
                for other in imported(name, path, modules)
                if other.split(".")[0] in CHANCE_AND_CLOCK
            ]
            wrong += [f"{name} names {word}" for word in names(path) if word == "system_clock"]
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_only_the_model_reads_the_clock_of_the_calendar(modules: dict[str, Path]) -> None:
    reading = {
        name
        for name, path in modules.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr in {"now", "utcnow", "today"}
        and ast.unparse(node.value).split(".")[-1] in {"datetime", "date", "dt"}
    }
    assert reading == {"reportsync.model"}


def names(path: Path) -> set[str]:
    """Return every bare name in a module."""
    tree = ast.parse(path.read_text())
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def test_the_walk_sees_imports_of_every_form(tmp_path: Path) -> None:
    source = tmp_path / "probe.py"
    source.write_text(
        "import reportsync.plan\n"
        "from reportsync import __version__, retry\n"
        "from . import sums\n"
        "from .sums import x\n"
        "from ..model import App\n"
        "def late():\n"
        "    from reportsync.cli import main\n"
    )
    modules = dict.fromkeys(["reportsync.retry", "reportsync.store.sums"], source)
    assert list(imported("reportsync.store.probe", source, modules)) == [
        "reportsync.plan",
        "reportsync",
        "reportsync.retry",
        "reportsync.store.sums",
        "reportsync.store.sums",
        "reportsync.model",
        "reportsync.cli",
    ]

"""No mutant rots: each still applies, can be compiled, and names tests that there are."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from .bench import ROOT, Bench, Survived
from .groups import GROUPS
from .mutant import DoesNotApply, Mutant

EVERY = [mutant for group in GROUPS.values() for mutant in group]
FIRST_OF_ALL = {
    "final-name-written-directly", "row-before-file", "no-fsync-of-the-file", "no-fsync-of-the-folder",
    "claim-without-token", "transactions-deferred", "zip-check-left-out", "failed-fsync-tried-again",
    "signature-in-an-exception",
}  # fmt: skip


def harmless(old: str, new: str) -> Mutant:
    """Return a mutant of a decision that one quick test looks at."""
    tests = ("decisions/test_verdict.py::test_nothing_found_is_0",)
    return Mutant("harmless", "nothing", "verdict.py", old, new, tests)


@cache
def functions(path: Path) -> set[str]:
    """Return the names of the functions of a test module."""
    return {node.name for node in ast.parse(path.read_text()).body if hasattr(node, "name")}


def test_every_mutant_applies_and_is_a_program() -> None:
    for mutant in EVERY:
        whole = (ROOT / "reportsync" / mutant.file).read_text()
        broken = mutant.applied(whole)
        assert compile(broken, mutant.name, "exec").co_code
        assert broken != whole, mutant


def test_every_mutant_names_tests_that_there_are() -> None:
    for mutant in EVERY:
        assert mutant.tests, mutant
        for test in mutant.tests:
            path, _, name = test.partition("::")
            assert name.partition("[")[0] in functions(ROOT / "tests" / path), f"{mutant}: {test}"


def test_every_mutant_has_a_name_of_its_own_and_the_first_of_all_are_there() -> None:
    names = Counter(mutant.name for mutant in EVERY)
    assert [name for name, count in names.items() if count > 1] == []
    assert names.keys() >= FIRST_OF_ALL
    assert len(names) >= 100


def test_every_group_has_its_file_of_tests() -> None:
    files = {path.stem for path in Path(__file__).parent.glob("test_mutants_*.py")}
    assert files == {f"test_mutants_{name}" for name in GROUPS}


@pytest.mark.parametrize("old", ["there is no such text", "return"])
def test_a_mutant_whose_text_is_not_there_exactly_once_does_not_apply(old: str) -> None:
    with pytest.raises(DoesNotApply):
        harmless(old, "").applied((ROOT / "reportsync" / "verdict.py").read_text())


@pytest.mark.slow
def test_a_mutant_that_no_test_catches_or_that_cannot_run_has_survived(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    line = "    if found.storage:\n"
    with pytest.raises(Survived, match="not caught by"):
        bench.catch(harmless(line, "    if bool(found.storage):\n"))
    with pytest.raises(Survived, match=r"cannot run: .*NameError"):
        bench.catch(harmless(line, "    if nothing.storage:\n"))
    assert bench.caught == {}
    assert bench.catch(harmless(line, "    if not found.storage:\n"))
    assert bench.run(["decisions/test_verdict.py"]).failed == ()

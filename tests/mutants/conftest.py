"""What the tests of mutants share: a copy of the program per file, and that file's mutants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from .bench import Bench
from .groups import GROUPS
from .mutant import Mutant


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each mutant of the file's group a test of its own."""
    if "mutant" in metafunc.fixturenames:
        mutants = [
            pytest.param(one, id=one.name, marks=pytest.mark.tool(*one.tools))
            for one in GROUPS[_name_of_group(Path(str(metafunc.module.__file__)))]
        ]
        metafunc.parametrize("mutant", mutants)


@pytest.fixture(scope="module")
def group(request: pytest.FixtureRequest) -> Sequence[Mutant]:
    """Return the mutants of this file."""
    return GROUPS[_name_of_group(request.path)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Yield the copy in which the mutants of this file are tried."""
    yield Bench(tmp_path_factory.mktemp("mutants"))


def _name_of_group(path: Path) -> str:
    return path.stem.removeprefix("test_mutants_")

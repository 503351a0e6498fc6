"""A copy of the program and its tests, in which one mutant at a time is put to the test."""

from __future__ import annotations

import compileall
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode

from .mutant import Mutant

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 500  # seconds for the tests of one mutant

# A mutant that cannot even run is caught by anything, and proves nothing about the tests.
_CANNOT_RUN = re.compile(
    r"^(?:E +|.*bug in reportsync \()?(?:Name|UnboundLocal|Import|ModuleNotFound|Syntax|Indentation|Type"
    r"|Attribute)Error\b.*$",
    re.MULTILINE,
)


class Survived(Exception):
    """The tests did not catch a mutant, or fail for another reason than what it breaks."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of the tests in the copy, by their node ids below `tests/`."""

    passed: tuple[str, ...]
    failed: tuple[str, ...]
    errors: tuple[str, ...]
    skipped: tuple[str, ...]
    output: str


class Bench:
    """The copy, in `folder`; `caught` says of each mutant so far which tests failed on it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tree = folder / "tree"
        self.caught: dict[str, tuple[str, ...]] = {}
        leave_out = shutil.ignore_patterns("__pycache__", Path(__file__).parent.name)
        for part in ("reportsync", "tests"):
            shutil.copytree(ROOT / part, self._tree / part, ignore=leave_out)
        shutil.copy2(ROOT / "pyproject.toml", self._tree)
        # Recognised by content: a mutant of the same length and second must not run as another's bytecode.
        compileall.compile_dir(
            self._tree / "reportsync", quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH
        )
        self._require_copy()

    def catch(self, mutant: Mutant) -> tuple[str, ...]:
        """Put `mutant` to its tests and return those that failed; raise `Survived` if one did not."""
        with self._broken(mutant):
            ran = self.run(mutant.tests)
        blind = [test for test in mutant.tests if not any(_is_of(one, test) for one in ran.failed)]
        if ran.errors or blind:
            raise Survived(f"{mutant} ({mutant.breaks}): not caught by {blind}\n{ran.output}")
        if (found := _CANNOT_RUN.search(ran.output)) is not None:
            raise Survived(f"{mutant} cannot run: {found[0].strip()}\n{ran.output}")
        self.caught[mutant.name] = ran.failed
        return ran.failed

    def run(self, tests: Sequence[str]) -> Ran:
        """Run `tests` in the copy as it is; one alone only up to its first failure."""
        report = self._folder / "report.xml"
        report.unlink(missing_ok=True)
        words = ["-q", "-n", "0", "-m", "", "-p", "no:cacheprovider", "-o", "junit_family=xunit1"]
        words += [f"--junitxml={report}", *["-x"] * (len(tests) == 1)]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *words, f"--basetemp={self._folder / 'tmp'}"]
            + [f"tests/{test}" for test in tests],
            cwd=self._tree,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
        if not report.exists():
            raise Survived(f"pytest ended with {done.returncode}\n{done.stdout}")
        return _read(report, done.stdout)

    @contextmanager
    def _broken(self, mutant: Mutant) -> Iterator[None]:
        path = self._tree / "reportsync" / mutant.file
        whole = path.read_text()
        path.write_text(mutant.applied(whole))
        try:
            yield
        finally:
            path.write_text(whole)

    def _environment(self) -> dict[str, str]:
        # Not of the run around it: its workers, and its demand that nothing is skipped.
        ours = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST_", "REPORTSYNC_"))
        }
        return {**ours, "PYTHONPATH": str(self._tree)}

    def _require_copy(self) -> None:
        """Fail unless what the tests import here is the copy, and not the installed program."""
        code = "import reportsync; print(reportsync.__file__)"
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=self._folder, env=self._environment(), capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert Path(done.stdout.strip()).is_relative_to(self._tree), done.stdout


def _read(report: Path, output: str) -> Ran:
    found: dict[str, list[str]] = {"passed": [], "failure": [], "error": [], "skipped": []}
    for case in ET.parse(report).iter("testcase"):
        module = case.get("classname", "").removeprefix("tests.").replace(".", "/")
        kinds = {child.tag for child in case} & found.keys() or {"passed"}
        for kind in kinds:
            found[kind].append(f"{module}.py::{case.get('name')}")
    passed, failed, errors, skipped = (tuple(names) for names in found.values())
    return Ran(passed, failed, errors, skipped, output)


def _is_of(ran: str, test: str) -> bool:
    """Say whether `ran` is the test `test`, or that with some parameters."""
    return ran == test or ran.startswith((f"{test}[", f"{test}::", f"{test}/"))

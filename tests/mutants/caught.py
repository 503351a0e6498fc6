"""The two tests that every file of mutants has; its name, `test_mutants_GROUP`, says which they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .bench import Bench
from .mutant import Mutant


def test_every_mutant_is_caught(mutant: Mutant, bench: Bench) -> None:
    assert bench.catch(mutant)


def test_the_unbroken_program_passes_the_same_tests(
    group: Sequence[Mutant], bench: Bench, figure: Callable[[str], None]
) -> None:
    ran = bench.run(sorted({test for mutant in group for test in mutant.tests}))
    assert (ran.failed, ran.errors) == ((), ()), ran.output
    assert ran.passed
    rows = [f"  {name}: {tests[0].split('[')[0]}" for name, tests in bench.caught.items()]
    figure("\n".join([f"mutants caught: {len(rows)} of {len(group)}", *rows]))

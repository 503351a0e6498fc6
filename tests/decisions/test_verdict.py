"""The exit code follows from what was found and nothing else."""

from __future__ import annotations

from dataclasses import fields
from itertools import product

from reportsync.verdict import Findings, exit_code

CODES = {"missing": 3, "damaged": 4, "rejected": 77, "storage": 5}


def test_nothing_found_is_0() -> None:
    assert exit_code(Findings()) == 0


def test_each_finding_has_its_code() -> None:
    assert {name: exit_code(Findings(**{name: True})) for name in CODES} == CODES
    assert exit_code(Findings(bug=True)) == 1


def test_invariant_11_of_several_findings_5_goes_before_77_before_4_before_3() -> None:
    order = ["storage", "rejected", "damaged", "missing"]
    for found in product([False, True], repeat=4):
        held = dict(zip(order, found, strict=True))
        expected = next((CODES[name] for name in order if held[name]), 0)
        assert exit_code(Findings(**held)) == expected


def test_a_bug_is_never_told_as_success() -> None:
    names = [field.name for field in fields(Findings) if field.name != "bug"]
    for found in product([False, True], repeat=len(names)):
        assert exit_code(Findings(bug=True, **dict(zip(names, found, strict=True)))) != 0

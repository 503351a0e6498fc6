"""Zips with wrong numbers and parts that do not belong: what is taken reads the same to every reader."""

from __future__ import annotations

import io
import random
import zipfile
from collections import Counter
from collections.abc import Callable

import pytest
from zip_fields import Member, write
from zip_mutants import CONTENTS, mutant, sound
from zip_walk import walk

from reportsync.archive import Contents
from reportsync.errors import ArchiveRefused, TransientFault

Examined = Callable[[bytes], Contents]


def held(data: bytes) -> dict[bytes, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name.encode(): archive.read(name) for name in archive.namelist()}


def check(data: bytes, examined: Examined) -> str:
    """Return what came of `data`, after checking that by two other readers a taken one is what it was."""
    try:
        found = examined(data)
    except (TransientFault, ArchiveRefused) as error:
        return type(error).__name__
    try:
        files = held(data)
    except Exception as error:
        raise AssertionError("other readers refuse it") from error
    assert files == walk(data), "its directory and its members differ"
    assert set(files) == set(CONTENTS)
    assert found == Contents(len(files), sum(map(len, files.values())))
    return "taken"


def checked(seeds: range, examined: Examined) -> Counter[str]:
    """Return what came of the mutants of `seeds`."""
    came: Counter[str] = Counter()
    for seed in seeds:
        try:
            came[check(mutant(seed), examined)] += 1
        except BaseException as error:
            error.add_note(f"replay: python tests/input/replay.py zip {seed}")
            raise
    return came


@pytest.mark.parametrize("seed", range(30))
def test_a_right_zip_is_taken_however_it_is_written(seed: int, examined: Examined) -> None:
    data = bytes(sound(random.Random(seed)).data)
    assert check(data, examined) == "taken"
    assert held(data) == CONTENTS


@pytest.mark.parametrize("field", ["disk", "disks"])
def test_fault_17_a_part_of_a_wide_split_archive_is_refused(field: str, examined: Examined) -> None:
    zip_ = write([Member(b"a.csv", b"a")], wide=True)
    assert examined(bytes(zip_.data)) == Contents(1, 1)
    at = next(one.at for one in zip_.fields if one.label == f"locator.{field}")
    zip_.data[at] = 2
    with pytest.raises(TransientFault, match="split"):
        examined(bytes(zip_.data))


def test_a_zip_with_a_wrong_number_is_read_alike_by_all_or_refused(examined: Examined) -> None:
    came = checked(range(1500), examined)
    assert came["taken"] >= 30
    assert came["ArchiveRefused"] >= 30


@pytest.mark.slow
def test_fault_17_forty_thousand_zips_with_wrong_numbers_are_read_alike_by_all_or_refused(
    examined: Examined, figure: Callable[[str], None]
) -> None:
    came = checked(range(1500, 41_500), examined)
    told = ", ".join(f"{name}: {count:,}" for name, count in sorted(came.items()))
    figure(f"zips with wrong numbers: {came.total():,}; {told}; taken wrongly: 0; unhandled: 0")
    assert came.total() == 40_000
    assert came["taken"] >= 1000

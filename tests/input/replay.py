"""Show one mutant and what becomes of it: python tests/input/replay.py KIND SEED."""

from __future__ import annotations

import io
import random
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / name) for name in (".", "input", "archive", "..")]


def answer(seed: int) -> object:
    """Give the answer of `seed` to the process that collects."""
    from answer_mutants import mutant
    from answers_given import collected, judged

    given = mutant(seed)
    for step in given.steps:
        print(
            f"after {step.pause:.2f} s: {step.data[:2000]!r}{'...' if len(step.data) > 2000 else ''}"
        )
    print("again and again" if given.endless else given.end)
    with tempfile.TemporaryDirectory() as folder:
        told = collected(Path(folder), [seed])
        print(told)
        return judged(Path(folder), [seed], told)


def zip_fields(seed: int) -> object:
    """Examine the zip with wrong numbers of `seed`."""
    from zip_mutants import mutant

    return _examined(mutant(seed))


def zip_bytes(seed: int) -> object:
    """Examine the zip with changed bytes of `seed`."""
    from test_archive_mutants import FILES, METHODS, mutant

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", METHODS[seed % len(METHODS)]) as archive:
        for name, data in FILES:
            archive.writestr(
                zipfile.ZipInfo(name), data, compress_type=METHODS[seed % len(METHODS)]
            )
    return _examined(mutant(stream.getvalue(), random.Random(seed)))


def _examined(data: bytes) -> object:
    from reportsync.archive import examine

    place = Path(tempfile.gettempdir()) / "mutant.zip"
    place.write_bytes(data)
    print(f"{len(data)} bytes, now in {place}")
    return examine(io.BytesIO(data), len(data))


def ledger(seed: int) -> object:
    """Damage the ledger as `seed` has it, and run the commands over it."""
    from damaged_ledgers import bench, check

    with _place() as place, bench(place) as damaged:
        check(damaged, seed)
        return damaged.tally


def config(seed: int) -> object:
    """Show the config of `seed`, and validate it."""
    from config_mutants import mutant
    from configs_checked import Tally, check

    print(mutant(seed).decode(errors="backslashreplace"))
    tally = Tally()
    with _place() as place:
        check(place, seed, tally)
    return tally


@contextmanager
def _place() -> Iterator[Any]:
    from cli_tool import Place, Zygote

    with tempfile.TemporaryDirectory() as above, Zygote() as zygote:
        folder = Path(above) / "place"
        folder.mkdir(mode=0o700)
        yield Place(folder, zygote)


KINDS: dict[str, Callable[[int], object]] = {
    "answer": answer,
    "zip": zip_fields,
    "zip-bytes": zip_bytes,
    "ledger": ledger,
    "config": config,
}

if __name__ == "__main__":
    print(KINDS[sys.argv[1]](int(sys.argv[2])))

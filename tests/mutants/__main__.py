"""`python -m tests.mutants`: list the mutants, or put those that are named to their tests."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from .bench import Bench, Survived
from .groups import GROUPS
from .mutant import DoesNotApply

_EVERY = {mutant.name: mutant for group in GROUPS.values() for mutant in group}


def show() -> int:
    """List every mutant with what it breaks."""
    for title, group in GROUPS.items():
        print(f"{title}:")
        for mutant in group:
            print(f"  {mutant.name:34} {mutant.breaks}")
    print("\nput some to the test: python -m tests.mutants NAME... (or a group's name, or all)")
    return 0


def put_to_the_test(words: list[str]) -> int:
    """Try the mutants that `words` name, and return how many survive."""
    groups = {title: [mutant.name for mutant in group] for title, group in GROUPS.items()}
    named = {**{name: [name] for name in _EVERY}, **groups, "all": list(_EVERY)}
    unknown = [word for word in words if word not in named]
    if unknown:
        print(f"no mutant is called {', '.join(unknown)}; without a name they are listed")
        return 2
    survivors = 0
    with tempfile.TemporaryDirectory(prefix="reportsync-mutants-") as folder:
        bench = Bench(Path(folder))
        for name in dict.fromkeys(one for word in words for one in named[word]):
            survivors += not _is_caught(bench, name)
    return min(survivors, 1)


def _is_caught(bench: Bench, name: str) -> bool:
    began = time.monotonic()
    try:
        failed = bench.catch(_EVERY[name])
    except (DoesNotApply, Survived) as problem:
        print(f"SURVIVED  {problem}", flush=True)
        return False
    print(f"caught    {name} in {time.monotonic() - began:.1f} s by {failed[0]}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(put_to_the_test(sys.argv[1:]) if sys.argv[1:] else show())

"""Measure reportsync beside other ways to do the same work, and say what each side did.

Without names the usual lines are measured, which takes some minutes; `--list` names them all. What is
run in turn (ours, the other, ours, ...) shares the machine's moods, so the ratio says more than the
seconds do. Seconds are the medians of the runs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from benchmarks import table
from benchmarks.lines import LINES, Line
from benchmarks.machine import describe
from benchmarks.place import Place, open_place
from benchmarks.server import Missing


def main() -> int:
    """Run the command line; exit 1 if a target was missed."""
    words = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    words.add_argument("names", nargs="*", metavar="NAME", help="lines, or patterns such as 4k-*")
    words.add_argument("--all", action="store_true", help="every line, not only the usual ones")
    words.add_argument("--list", action="store_true", help="name the lines, and end")
    words.add_argument("--runs", type=int, default=5, metavar="N", help="of each side (default: 5)")
    words.add_argument("--markdown", action="store_true", help="the table as the docs have it")
    words.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir()) / "reportsync-benchmarks",
        help="where reports lie and downloads go, on a real disk (default: %(default)s)",
    )
    given = words.parse_args()
    lines = [line for line in LINES if _is_chosen(line, given.names, given.all or given.list)]
    if not lines:
        words.error(f"no line is called {' or '.join(given.names)}; --list names them")
    if given.list:
        print(table.plain([(line.name, line.about, line.beside) for line in lines], table.HEAD[:3]))
        return 0
    try:
        with open_place(given.folder.resolve()) as place:
            return _measure(
                place, lines, given.runs, table.markdown if given.markdown else table.plain
            )
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 2


def _is_chosen(line: Line, names: Sequence[str], every: bool) -> bool:
    if names:
        return any(fnmatchcase(line.name, name) for name in names)
    return every or line.usual


def _measure(place: Place, lines: Sequence[Line], runs: int, show: table.Show) -> int:
    rows, missed = [], False
    names = ", ".join(line.name for line in lines)
    print(f"{len(lines)} lines, {runs} runs of each side: {names}", file=sys.stderr, flush=True)
    for line in lines:
        try:
            outcome = line.measure(place, runs)
        except Missing as missing:
            rows.append(table.absent(line.name, line.about, line.beside, str(missing)))
        else:
            rows.append(table.row(line.name, line.about, line.beside, outcome))
            missed |= outcome.met is False
        print(" | ".join(filter(None, rows[-1])), file=sys.stderr, flush=True)
    works = dict(side for line in lines for side in line.works)
    sides = "\n".join(f"- {name}: {work}" for name, work in works.items())
    print(show(rows, table.HEAD), *describe(place.folder), sides, sep="\n\n")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())

"""How outcomes are shown: as a table on the terminal, or in Markdown for the docs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.figures import Figures, Outcome, Unit

HEAD = ("line", "what", "beside", "measured", "runs", "target", "", "seconds", "CPU s", "peak MiB")
Row = tuple[str, ...]
Show = Callable[[Sequence[Row], Row], str]


def row(name: str, about: str, beside: str, outcome: Outcome) -> Row:
    """Return the cells of a line."""
    verdict = {None: "", True: "met", False: "missed"}[outcome.met]
    return (
        name,
        about,
        beside,
        _value(outcome.value, outcome.unit),
        _spread(outcome),
        "" if outcome.target is None else f"<= {outcome.target:g}",
        verdict,
        _both(outcome, lambda f: f"{f.seconds:.2f}"),
        _both(outcome, lambda f: f"{f.cpu:.2f}"),
        _both(outcome, lambda f: f"{f.peak:.0f}"),
    )


def absent(name: str, about: str, beside: str, why: str) -> Row:
    """Return the cells of a line that could not be measured."""
    return (name, about, beside, why, *[""] * (len(HEAD) - 4))


def plain(rows: Sequence[Row], head: Row) -> str:
    """Return a table for the terminal."""
    cells = [head, *rows]
    widths = [max(len(line[n]) for line in cells) for n in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def markdown(rows: Sequence[Row], head: Row) -> str:
    """Return a table in Markdown."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ("---",) * len(head), *rows))


def _value(value: float, unit: Unit) -> str:
    digits = 0 if unit in (Unit.PEAK, Unit.RESIDENT) else 2
    return f"{value:.{digits}f} {unit.value}".replace(" x", "x")


def _spread(outcome: Outcome) -> str:
    if outcome.spread is None or outcome.runs < 2:
        return str(outcome.runs)
    least, most = outcome.spread
    digits = 0 if most >= 10 else 2
    return f"{outcome.runs}: {least:.{digits}f} to {most:.{digits}f}"


def _both(outcome: Outcome, show: Callable[[Figures], str]) -> str:
    return " / ".join(show(one) for one in (outcome.ours, outcome.other) if one is not None)

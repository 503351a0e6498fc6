"""Tables: with lines and colours on a terminal, plain columns elsewhere, a list where it is narrow."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from reportsync.cli.context import Context
from reportsync.cli.output import put

_GAP = 3
"""Blanks between two columns on a terminal."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading and whether it holds numbers."""

    heading: str
    number: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A text with a rich style, which plain output leaves out."""

    text: str
    style: str = ""


def print_table(
    context: Context, columns: Sequence[Column], rows: Sequence[Sequence[Cell | str]]
) -> None:
    """Print `rows` under `columns` to stdout; on a terminal that is too narrow, a list for each row."""
    cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    widths = [
        max(len(text) for text in (column.heading, *(row[index].text for row in cells)))
        for index, column in enumerate(columns)
    ]
    if not sys.stdout.isatty():
        _plain(columns, cells, widths)
    elif sum(widths) + _GAP * len(widths) > shutil.get_terminal_size().columns:
        _lists(context, columns, cells)
    else:
        _rich(context, columns, cells)


def _rich(context: Context, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column.heading, justify="right" if column.number else "left")
    for row in rows:
        table.add_row(*(Text(cell.text, style=cell.style) for cell in row))
    console = Console(color_system="auto" if context.color else None, highlight=False)
    with console.capture() as capture:
        console.print(table)
    put("\n".join(line for line in capture.get().split("\n") if line.strip()))


def _plain(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], widths: Sequence[int]
) -> None:
    texts = [[column.heading for column in columns], *([cell.text for cell in row] for row in rows)]
    for row in texts:
        padded = [
            text.rjust(width) if column.number else text.ljust(width)
            for text, width, column in zip(row, widths, columns, strict=True)
        ]
        put("  ".join(padded).rstrip())


def _lists(context: Context, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    """Print each row as a list of headings and values under its first cell."""
    width = max(len(column.heading) for column in columns[1:])
    for row in rows:
        put(styled(context, row[0].text, "bold"))
        for column, cell in zip(columns[1:], row[1:], strict=True):
            put(f"  {column.heading:<{width}}  {styled(context, cell.text, cell.style)}")


def styled(context: Context, text: str, style: str) -> str:
    """Return `text` in `style` for stdout if it is a terminal that wants colours, else as it is."""
    if not style or not sys.stdout.isatty() or not context.color:
        return text
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    with console.capture() as capture:
        console.print(Text(text, style=style), end="", soft_wrap=True)
    return capture.get()

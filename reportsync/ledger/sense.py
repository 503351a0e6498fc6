"""Which rows of a ledger make sense: each value is one that the program writes into its column. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from reportsync.incidents import Cause
from reportsync.ledger.tables import Instant
from reportsync.model import MOST_VERSIONS, Outcome

_APP = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of value: what `fits` it, and a condition of SQL, about {0}, under which a value surely does.

    `fits` may raise for a value of another type.
    """

    fits: Callable[[Any], object]
    surely: str


def _spans(text: str) -> bool:
    for line in text.splitlines():
        _, first, last = line.split(" ")
        date.fromisoformat(first), date.fromisoformat(last)
    return True


# Up to a null: behind it neither `length` nor GLOB look.
_PLAIN = (
    "typeof({0}) = 'text' AND length({0}) = length(CAST({0} AS BLOB)) AND {0} NOT GLOB '*[^%s]*'"
)
_TEXT = _Kind(lambda text: isinstance(text, str) and text.encode() is not None, _PLAIN % " -~")
_NUMBER = _Kind(lambda number: isinstance(number, int), "typeof({0}) = 'integer'")
_TRUTH = _Kind(lambda number: number in (0, 1), "typeof({0}) = 'integer' AND {0} IN (0, 1)")
_DATE = _Kind(
    lambda text: _DAY.fullmatch(text) and date.fromisoformat(text),
    # Days are added lest SQLite takes the 30th of February, and Python has no year 0.
    "date({0}, '+0 days') = {0} AND substr({0}, 1, 4) > '0000'",
)
_TIME = _Kind(
    lambda text: _INSTANT.fullmatch(text) and datetime.fromisoformat(text),
    f"{{0}} GLOB '{'[0-9]' * 4}-??-??T??:??:??.{'[0-9]' * 6}Z' AND length(CAST({{0}} AS BLOB)) = 27"
    " AND date({0}, '+0 days') = substr({0}, 1, 10) AND substr({0}, 1, 4) > '0000'",
)
_NAME = _Kind(_APP.fullmatch, _PLAIN % "A-Za-z0-9_-" + " AND length({0}) BETWEEN 1 AND 64")
_OUTCOMES = ", ".join(f"'{one}'" for one in Outcome)
_OUTCOME = _Kind(Outcome, f"{{0}} IN ({_OUTCOMES})")
_SPECIAL = {
    ("apps", "name"): _NAME,
    ("reports", "last_outcome"): _OUTCOME,
    ("attempts", "outcome"): _OUTCOME,
    ("archives", "sha256"): _Kind(
        _SHA256.fullmatch,
        f"typeof({{0}}) = 'text' AND {{0}} GLOB '{'[0-9a-f]' * 64}'"
        " AND length(CAST({0} AS BLOB)) = 64",
    ),
    ("archives", "version"): _Kind(
        lambda number: isinstance(number, int) and 1 <= number <= MOST_VERSIONS,
        f"typeof({{0}}) = 'integer' AND {{0}} BETWEEN 1 AND {MOST_VERSIONS}",
    ),
    ("incidents", "key"): _Kind(lambda key: Cause(key.partition(":")[0]), "FALSE"),
    ("incidents", "held"): _Kind(_spans, "FALSE"),
}


def makes_sense(table: sa.Table, row: Mapping[str, Any]) -> bool:
    """Say whether every value of `row` is one that the program writes into its column."""
    try:
        return all(_fits(table, column, row[column.name]) for column in table.c)
    except (ValueError, TypeError, AttributeError):  # of another type than the column's
        return False


@cache
def doubtful(table: sa.Table) -> str:
    """Return the condition of SQL for the rows of `table` that may make no sense: all others do.

    Almost no row meets it, and SQLite sorts out a million others in the time that Python takes for one in
    ten of them.
    """
    return f"({' AND '.join(_surely(table, column) for column in table.c)}) IS NOT TRUE"


@cache
def select(table: sa.Table) -> str:
    """Return the beginning of a SELECT of the rows of `table` that are to be judged."""
    return f"SELECT {', '.join(_quoted(column) for column in table.c)} FROM {table.name}"  # noqa: S608


def _quoted(column: sa.Column[Any]) -> str:
    # Not in quotation marks, in which a name that is no column's any more would be taken for a text.
    return f"[{column.name}]"


def _fits(table: sa.Table, column: sa.Column[Any], value: Any) -> bool:
    if value is None:
        return bool(column.nullable)
    return bool(_kind(table, column).fits(value))


def _surely(table: sa.Table, column: sa.Column[Any]) -> str:
    name = _quoted(column)
    surely = _kind(table, column).surely.format(name)
    return f"({name} IS NULL OR {surely})" if column.nullable else f"({surely})"


def _kind(table: sa.Table, column: sa.Column[Any]) -> _Kind:
    special = _NAME if column.name == "app" else _SPECIAL.get((table.name, column.name))
    if special is not None:
        return special
    match column.type:
        case Instant():
            return _TIME
        case sa.Date():
            return _DATE
        case sa.Boolean():
            return _TRUTH
        case sa.Integer():
            return _NUMBER
        case _:
            return _TEXT

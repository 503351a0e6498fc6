"""Statements that run for every report: made into the driver's own terms once for each kind of database.

SQLAlchemy's way to a cursor costs ten times what the database does for a row that is found by its key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

_Convert = Callable[[Any], Any] | None


@dataclass(frozen=True, slots=True)
class _Ready:
    """A statement as the driver takes it."""

    text: str
    by_position: bool
    given: tuple[tuple[str, _Convert], ...]  # parameters in their order
    fixed: Mapping[str, Any]  # those that the statement holds itself, as the driver takes them
    found: tuple[_Convert, ...]  # what makes Python's values of the columns

    def parameters(self, values: Mapping[str, Any]) -> Any:
        filled = [
            (name, self.fixed[name] if name in self.fixed else _converted(values[name], convert))
            for name, convert in self.given
        ]
        return [value for _, value in filled] if self.by_position else dict(filled)


class Hot:
    """A statement, or what makes it for a dialect's name; to be run on a connection of the ledger."""

    def __init__(self, statement: Any) -> None:
        """Prepare `statement`, whose parameters are all named and given when it is run."""
        self._statement = statement
        self._ready: dict[str, _Ready] = {}

    def rows(self, connection: sa.Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run it and return what it finds."""
        ready = self._for(connection.dialect)
        found = _run(connection, ready, values).fetchall()
        return [tuple(map(_converted, row, ready.found)) for row in found]

    def change(self, connection: sa.Connection, values: Mapping[str, Any]) -> int:
        """Run it and return how many rows it wrote."""
        return int(_run(connection, self._for(connection.dialect), values).rowcount)

    def add(self, connection: sa.Connection, values: Mapping[str, Any]) -> int:
        """Run it, an INSERT of one row, and return the number that the row has got.

        On PostgreSQL the statement itself has to return it.
        """
        cursor = _run(connection, self._for(connection.dialect), values)
        return int(cursor.fetchone()[0] if cursor.description else cursor.lastrowid)

    def _for(self, dialect: sa.Dialect) -> _Ready:
        if dialect.name not in self._ready:
            made = self._statement(dialect.name) if callable(self._statement) else self._statement
            self._ready[dialect.name] = _made_ready(made, dialect)
        return self._ready[dialect.name]


def _run(connection: sa.Connection, ready: _Ready, values: Mapping[str, Any]) -> Any:
    if not connection.in_transaction():  # of a read that begins with it
        connection.begin()
    cursor = connection.connection.cursor()
    cursor.execute(ready.text, ready.parameters(values))
    return cursor


def _made_ready(statement: Any, dialect: sa.Dialect) -> _Ready:
    compiled = statement.compile(dialect=dialect)
    into = {name: _into_driver(bind.type, dialect) for name, bind in compiled.binds.items()}
    fixed = {
        name: _converted(bind.effective_value, into[name])
        for name, bind in compiled.binds.items()
        if not bind.required
    }
    names = compiled.positiontup or list(compiled.binds)
    columns = statement.selected_columns if isinstance(statement, sa.Select) else ()
    return _Ready(
        str(compiled),
        compiled.positional,
        tuple((name, into[name]) for name in names),
        fixed,
        tuple(_out_of_driver(column.type, dialect) for column in columns),
    )


def _into_driver(kind: Any, dialect: sa.Dialect) -> _Convert:
    convert: _Convert = kind.dialect_impl(dialect).bind_processor(dialect)
    return convert


def _out_of_driver(kind: Any, dialect: sa.Dialect) -> _Convert:
    convert: _Convert = kind.dialect_impl(dialect).result_processor(dialect, None)
    return convert


def _converted(value: Any, convert: _Convert) -> Any:
    return value if convert is None else convert(value)

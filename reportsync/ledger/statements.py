"""Pieces of statements that are built once: building one for each report costs more than running it. Pure."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from reportsync.model import Report


def of_report(table: sa.Table) -> sa.ColumnElement[bool]:
    """Return the condition that a row of `table` is about the report that is named by `naming`."""
    # Not `app` and `day`: in an INSERT or UPDATE the columns' own names are for values.
    return sa.and_(table.c.app == sa.bindparam("of_app"), table.c.day == sa.bindparam("of_day"))


def naming(report: Report) -> dict[str, Any]:
    """Return the parameters that `of_report` asks for."""
    return {"of_app": report.app, "of_day": report.day}


def given(*columns: str) -> dict[str, sa.BindParameter[Any]]:
    """Return `columns` as values that are given when the statement is run, each under its own name."""
    return {column: sa.bindparam(column) for column in columns}

"""The ledger's schema version: read cheaply; alembic upgrades an older one by this package's migrations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeGuard

import sqlalchemy as sa

from reportsync.errors import LedgerError
from reportsync.ledger.place import REPAIR_HINT
from reportsync.ledger.tables import metadata

HEAD = "0002"
"""The newest migration; a test compares it with the scripts, so that readers need not load alembic."""

KNOWN = frozenset({"0001", "0002"})
"""Every schema that was written; the tables of all of them have the same columns so far."""

OURS = frozenset({"apps", "reports", "archives", "attempts", "waivers"})
"""Tables that together are a ledger's, whatever it says of its schema."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_VERSIONS = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Alembic's own table, as it makes it."""


def version(connection: sa.Connection) -> str | None:
    """Return the ledger's schema version, or None for a database without tables of ours."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(sa.select(_VERSIONS.c.version_num)).scalars().all()
    if len(found) > 1:
        raise LedgerError("the ledger says twice which schema it has", hint=REPAIR_HINT)
    return str(found[0]) if found else None


def refuse_other(connection: sa.Connection, path: Path | None) -> None:
    """Raise `LedgerError` unless the ledger has exactly this program's schema."""
    found = version(connection)
    if found == HEAD:
        return
    name = path or "database"
    _refuse_nameless(connection, found, name)
    if found is None or not is_numbered(found):
        raise LedgerError(
            f"the ledger {name} has no tables of reportsync", hint="set storage.ledger elsewhere"
        )
    if found > HEAD:
        raise _newer(name, found)
    raise LedgerError(
        f"the ledger {name} has the older schema {found}",
        hint="run 'reportsync sync' once to upgrade it",
    )


def upgrade(connection: sa.Connection, path: Path | None) -> None:
    """Bring the ledger to this program's schema inside the transaction of `connection`.

    Raises `LedgerError` for a newer schema or a database that is somebody else's.
    """
    found = version(connection)
    if found == HEAD:
        return
    name = path or "database"
    _refuse_nameless(connection, found, name)
    if is_numbered(found):
        if found > HEAD:
            raise _newer(name, found)
        if found not in KNOWN:
            raise LedgerError(
                f"the ledger {name} has schema {found}, which no reportsync has written",
                hint="move it away; 'reportsync repair' then rebuilds it from its backup and the archives",
            )
    elif sa.inspect(connection).get_table_names():
        raise LedgerError(
            f"the database {name} belongs to another program", hint="set storage.ledger elsewhere"
        )
    else:
        _begin(connection)
        return
    _run_alembic(connection)


def _refuse_nameless(connection: sa.Connection, found: str | None, name: object) -> None:
    """Raise `LedgerError` for tables of ours without the number of their schema: that is damage."""
    if not is_numbered(found) and set(sa.inspect(connection).get_table_names()) >= OURS:
        raise LedgerError(f"the ledger {name} does not say which schema it has", hint=REPAIR_HINT)


def is_numbered(version: object) -> TypeGuard[str]:
    """Say whether `version` is numbered as ours are: other programs may use alembic, too."""
    return isinstance(version, str) and re.fullmatch(r"\d{4}", version, re.ASCII) is not None


def _begin(connection: sa.Connection) -> None:
    """Make the tables of an empty database; a test sees that all the migrations come to the same.

    Alembic would be 7 MiB that a daemon never needs again.
    """
    metadata.create_all(connection)
    _VERSIONS.create(connection)
    connection.execute(sa.insert(_VERSIONS).values(version_num=HEAD))


def _run_alembic(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except OSError as error:
        raise _unreadable(error.strerror or str(error)) from None
    except KeyError:  # of one that a later one builds upon
        raise _unreadable("they are not all there") from None
    # What it cannot list it takes for a folder without migrations, and leaves a ledger without tables.
    if version(connection) != HEAD:
        raise _unreadable("they are not all there")


def _unreadable(why: str) -> LedgerError:
    return LedgerError(
        f"cannot read reportsync's own migrations in {_MIGRATIONS}: {why}",
        hint="check that disk and its free descriptors (ulimit -n), or install reportsync anew",
    )


def _newer(name: object, found: str) -> LedgerError:
    return LedgerError(
        f"the ledger {name} has schema {found}, newer than this program's {HEAD}",
        hint="install the newer reportsync that wrote it; this one leaves it as it is",
    )

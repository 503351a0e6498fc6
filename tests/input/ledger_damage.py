"""Ledgers that came to harm, each from a seed: in their bytes, in their rows, or as a whole."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

KINDS = ("bytes", "rows", "files")
OTHER_PROGRAM = (
    "CREATE TABLE users (id INTEGER, name TEXT); INSERT INTO users VALUES (1, 'somebody');"
)
_ODD = (
    "NULL", "''", "'x'", "0", "-1", "1", "2", "9223372036854775807", "1e308", "x'00ff'",
    "char(0)", "'2026-02-30'",
    "'9999-12-31'", "'0000-00-00'", "'stored'", "'missing'", "'waived'",
    "'\u0662\u0660\u0662\u0666-01-01'",
    "'2026-01-01T00:00:00.000000Z'", "'9999-12-31T23:59:59.999999Z'", "hex(zeroblob(32))",
    "hex(zeroblob(9000))",
    "CAST(x'fffe41' AS TEXT)", "char(27) || '[2J' || char(10)", "'../../etc'",
)  # fmt: skip


def damage(path: Path, seed: int) -> str:
    """Damage the ledger at `path` as `seed` has it; return in which way."""
    chance = random.Random(seed)
    how = chance.choice(_WAYS[KINDS[seed % len(KINDS)]])
    how(path, chance)
    return how.__name__.strip("_").replace("_", " ")


# Bytes: what disks, file systems and copying do.


def _change(path: Path, change: Callable[[bytearray], None]) -> None:
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)


def _page_size(data: bytes) -> int:
    return int.from_bytes(data[16:18], "big")


def _flipped_bits(path: Path, chance: random.Random) -> None:
    def change(data: bytearray) -> None:
        for _ in range(chance.choice((1, 1, 3, 50))):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)

    _change(path, change)


def _changed_header(path: Path, chance: random.Random) -> None:
    def change(data: bytearray) -> None:
        at, length = chance.randrange(16, 108), chance.choice((1, 2, 4))
        data[at : at + length] = chance.choice(
            (bytes(length), b"\xff" * length, chance.randbytes(length))
        )

    _change(path, change)


def _changed_pages(path: Path, chance: random.Random) -> None:
    """Pages that are zeroed, of chance, swapped, or a copy of another."""

    def change(data: bytearray) -> None:
        size = _page_size(data)
        starts = range(0, len(data), size)
        one, other = chance.choice(starts), chance.choice(starts)
        kept = bytes(data[one : one + size])
        match chance.randrange(4):
            case 0:
                data[one : one + size] = bytes(size)
            case 1:
                data[one : one + size] = chance.randbytes(size)
            case 2:
                data[one : one + size], data[other : other + size] = (
                    data[other : other + size],
                    kept,
                )
            case _:
                data[other : other + size] = kept

    _change(path, change)


def _cut_short(path: Path, chance: random.Random) -> None:
    def change(data: bytearray) -> None:
        size = _page_size(data)
        to = chance.choice(
            (chance.randrange(len(data)), chance.randrange(len(data)) // size * size, 99, 16, 1)
        )
        del data[to:]

    _change(path, change)


def _grown(path: Path, chance: random.Random) -> None:
    _change(
        path,
        lambda data: data.extend(chance.choice((b"\0", bytes(4096), data, chance.randbytes(5000)))),
    )


def _lost_middle(path: Path, chance: random.Random) -> None:
    def change(data: bytearray) -> None:
        at = chance.randrange(len(data))
        del data[at : at + chance.choice((1, 512, _page_size(data)))]

    _change(path, change)


def _stale_journal(path: Path, chance: random.Random) -> None:
    """A journal that belongs to nothing, or is garbage."""
    magic = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
    content = chance.choice((b"garbage", magic, magic + chance.randbytes(5000), bytes(5000)))
    path.with_name(f"{path.name}-journal").write_bytes(content)


# Rows: what a program or a person does, and what damage of a page can look like.


def _sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("PRAGMA writable_schema = ON")
        for statement in statements:
            connection.execute(statement)


def _names(path: Path, kind: str) -> list[str]:
    query = (
        "SELECT name FROM sqlite_schema WHERE type = ? AND name NOT LIKE 'sqlite_%' ORDER BY name"
    )
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute(query, (kind,))]


def _changed_values(path: Path, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 2, 4))):
        table = chance.choice(_names(path, "table"))
        with closing(sqlite3.connect(path)) as connection:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        where = chance.choice(("", f" WHERE rowid % 3 = {chance.randrange(3)}"))
        try:
            _sql(
                path,
                f"UPDATE OR REPLACE {table} SET {chance.choice(columns)} = {chance.choice(_ODD)}{where}",
            )
        except sqlite3.DatabaseError:  # the database itself does not take it: nothing is harmed
            continue


def _deleted_rows(path: Path, chance: random.Random) -> None:
    table = chance.choice(_names(path, "table"))
    _sql(path, f"DELETE FROM {table} WHERE rowid % {chance.choice((1, 2, 3))} = 0")


def _dropped_table(path: Path, chance: random.Random) -> None:
    _sql(path, f"DROP TABLE {chance.choice(_names(path, 'table'))}")


def _dropped_index(path: Path, chance: random.Random) -> None:
    _sql(path, f"DROP INDEX {chance.choice(_names(path, 'index'))}")


def _dropped_or_renamed_column(path: Path, chance: random.Random) -> None:
    table = chance.choice(_names(path, "table"))
    with closing(sqlite3.connect(path)) as connection:
        column = chance.choice(
            [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        )
    _sql(path, f"ALTER TABLE {table} RENAME COLUMN {column} TO another")


def _other_version(path: Path, chance: random.Random) -> None:
    version = chance.choice(
        ("'9999'", "'0000'", "''", "'abcdef012345'", "'1'", "x'00'", "'\u0660\u0660\u0660\u0661'")
    )
    statements = (f"UPDATE alembic_version SET version_num = {version}", "DELETE FROM alembic_version",
                  "INSERT INTO alembic_version VALUES ('0000')")  # fmt: skip
    _sql(path, chance.choice(statements))


def _more_tables(path: Path, chance: random.Random) -> None:
    _sql(path, "CREATE TABLE stranger (x)", "CREATE VIEW seen AS SELECT * FROM stranger")


def _broken_schema(path: Path, chance: random.Random) -> None:
    sql = chance.choice(("'CREATE TABLE'", "NULL", "'CREATE TABLE reports (x)'", "'\u2603'"))
    _sql(
        path,
        f"UPDATE sqlite_schema SET sql = {sql} WHERE name = '{chance.choice(_names(path, 'table'))}'",
    )


def _write_ahead(path: Path, chance: random.Random) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    if chance.random() < 0.5:
        path.with_name(f"{path.name}-wal").write_bytes(chance.randbytes(4000))


# Files: something else in its place.


def _other_program(path: Path, chance: random.Random) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OTHER_PROGRAM)
        if chance.random() < 0.5:
            connection.executescript(
                "CREATE TABLE alembic_version (version_num TEXT);"
                "INSERT INTO alembic_version VALUES ('ae1027a6acf');"
            )


def _no_file(path: Path, chance: random.Random) -> None:
    path.unlink()


def _empty(path: Path, chance: random.Random) -> None:
    path.write_bytes(b"")


def _other_content(path: Path, chance: random.Random) -> None:
    contents = (
        b"\0", b"not a database\n" * 99, bytes(8192), b"SQLite format 3\0", b"SQLite format 3\0" * 999,
        b"SQLite format 2\0", chance.randbytes(9000), b"PK\5\6" + bytes(18),
    )  # fmt: skip
    path.write_bytes(chance.choice(contents))


def _folder(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.mkdir()
    if chance.random() < 0.5:
        (path / "something").touch()


def _fifo(path: Path, chance: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(path: Path, chance: random.Random) -> None:
    path.unlink()
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to(chance.choice(("nowhere.db", path.name, ".", "pipe")))


def _empty_database(path: Path, chance: random.Random) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE x (y)")
        connection.execute("DROP TABLE x")
        connection.commit()


_WAYS: dict[str, tuple[Callable[[Path, random.Random], None], ...]] = {
    "bytes": (
        _flipped_bits, _flipped_bits, _flipped_bits, _changed_header, _changed_pages,
        _changed_pages, _cut_short,
        _grown, _lost_middle, _stale_journal,
    ),
    "rows": (
        _changed_values, _changed_values, _changed_values, _changed_values, _deleted_rows,
        _deleted_rows,
        _dropped_table, _dropped_index, _dropped_or_renamed_column, _other_version, _more_tables,
        _broken_schema,
        _write_ahead,
    ),
    "files": (
        _other_program, _no_file, _empty, _other_content, _other_content, _folder, _fifo, _link,
        _empty_database,
    ),
}  # fmt: skip

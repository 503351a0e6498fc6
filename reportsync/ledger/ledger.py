"""The ledger: what is known of each report. Reads and writes are functions on a connection; this opens it."""

from __future__ import annotations

import resource
import sqlite3
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy import event

from reportsync.errors import LedgerError
from reportsync.ledger import migrate, place
from reportsync.ledger.batch import GroupCommit
from reportsync.ledger.dialect import wait_for_turn
from reportsync.ledger.place import LOCK_WAIT
from reportsync.ledger.tables import metadata
from reportsync.redact import clean

P = ParamSpec("P")
T = TypeVar("T")

_NOTICES_A_DEAD_SERVER = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # milliseconds
}
"""By default libpq waits for hours for a host that is gone; the URL may say otherwise."""

CHECKED_AT_OPENING = 2**25
"""Bytes of a ledger that are looked through within 0.2 s; a larger one is when it is backed up, daily."""

_HELD = ("locked", "QueuePool", "lock timeout")
"""What SQLite, SQLAlchemy and PostgreSQL say of having waited in vain."""

_DAMAGE = (
    "malformed", "not a database", "constraint", "no such table", "no such column", "to UTF-8",
)  # fmt: skip
"""What SQLite says of a ledger that is damaged, or was emptied while it was open."""

_NONSENSE = (
    "Couldn't parse", "isoformat", "out of range", "must be in ", "is not a valid Outcome",
    "codec can't decode",
)  # fmt: skip
"""What Python says of days, instants, outcomes and a schema that nobody has written."""

_READING = {"reportsync_reading": True}


class Ledger:
    """An open ledger.

    `write` runs a function in a transaction that other threads may share, and returns once it is
    committed; `read` runs one on a consistent view. Both raise `LedgerError` when the database cannot be
    used. Safe to use from several threads.
    """

    def __init__(
        self,
        engine: sa.Engine,
        path: Path | None,
        make_durable: Callable[[Iterable[Path]], None] = lambda files: None,
        lock_wait: float = LOCK_WAIT,
    ) -> None:
        self._engine = engine
        self.path = path
        self._lock_wait = lock_wait
        self._identity = place.in_use.add(path) if path else None
        self._closed = False
        # Of statements that are `Hot`, which pass SQLAlchemy by.
        self._driver_error: type[Exception] = engine.dialect.loaded_dbapi.Error
        self._group = GroupCommit(self._begin, make_durable)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()
        if self._identity is not None and not self._closed:
            self._closed = True
            place.in_use.remove(self._identity)

    def write(
        self,
        function: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run `function(connection, ...)` in a transaction and return its result once it is committed."""
        with self._errors():
            result: T = self._group.run(lambda connection: function(connection, *args, **kwargs))
            return result

    def write_after(
        self,
        files: Iterable[Path],
        function: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do the same as `write`, once the names of `files` are durable in their folders."""
        with self._errors():
            result: T = self._group.run(
                lambda connection: function(connection, *args, **kwargs), files
            )
            return result

    def read(
        self,
        function: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run `function(connection, ...)` on one consistent view of the ledger and return its result."""
        with self._errors(), self._engine.connect() as connection:
            view = connection.execution_options(**_READING)
            if self.dialect == "postgresql":
                # Its default sees later commits in later statements; SQLite's transactions do not.
                view = connection.execution_options(isolation_level="REPEATABLE READ")
            return function(view, *args, **kwargs)

    @contextmanager
    def _begin(self) -> Iterator[sa.Connection]:
        with self._engine.begin() as connection:
            yield connection
            self._refuse_replaced()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            # Or a statement that was not read to its end locks the ledger while somebody keeps the error.
            traceback.clear_frames(error.__traceback__)
            failure = self._meaning(error)
            if failure is None:
                raise
        else:
            return
        raise failure

    def _meaning(self, error: BaseException) -> LedgerError | None:
        match error:
            case sa.exc.DBAPIError():
                return self._failure(error.orig)
            case sa.exc.TimeoutError():
                return self._failure(error)
            case ValueError() | TypeError() if any(sign in str(error) for sign in _NONSENSE):
                return _senseless(error, self.path)
        return self._failure(error) if isinstance(error, self._driver_error) else None

    def _failure(self, error: BaseException | None) -> LedgerError:
        # SQLite calls a file that was moved away read-only: what became of it says more.
        try:
            self._refuse_replaced()
        except LedgerError as replaced:
            return replaced
        return _explain(error, self.path, self._lock_wait)

    def _refuse_replaced(self) -> None:
        if self.path is not None and self._identity is not None:
            place.refuse_replaced(self.path, self._identity)


def _explain(error: BaseException | None, path: Path | None, lock_wait: float) -> LedgerError:
    name = f"the ledger {path}" if path else "the ledger's database"
    text = clean(str(error).splitlines()[0] if str(error) else type(error).__name__)
    if any(sign in text for sign in _HELD):
        see = f"see who with 'fuser {path}'" if path else "see who in pg_stat_activity"
        hint = f"another process has held it for {lock_wait:.0f} s; {see}"
    elif any(sign in text for sign in _DAMAGE):
        hint = place.REPAIR_HINT
    elif path is not None:
        hint = f"check that {path.parent} is mounted, writable and has free space{_size_limit()}"
    else:
        hint = "check storage.ledger and that the database server runs"
    return LedgerError(f"{name} cannot be used: {text}", hint=hint)


def _size_limit() -> str:
    """Name the limit on the size of files if this process has one: SQLite tells it from no other fault."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit == resource.RLIM_INFINITY:
        return ""
    return f"; files may have {limit} bytes at most: raise ulimit -f, or LimitFSIZE= in the unit"


def _senseless(error: Exception, path: Path | None) -> LedgerError:
    """Return the error for a value that nobody has written: the database was damaged without a word."""
    name = f"the ledger {path}" if path else "the ledger's database"
    text = clean(str(error))
    return LedgerError(f"{name} holds a value that makes no sense: {text}", hint=place.REPAIR_HINT)


def _engine(url: str, path: Path | None, *, reading: bool, lock_wait: float) -> sa.Engine:
    """Return an engine whose connections are set up for durability and one writer at a time."""
    if path is None:
        return _postgres_engine(url, lock_wait)
    # mode=rw never creates: a ledger that vanished is noticed instead of being begun anew.
    uri = place.file_uri(path, "rw")
    engine = sa.create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(uri, uri=True, timeout=lock_wait, check_same_thread=False),
        poolclass=sa.QueuePool,
        pool_timeout=lock_wait,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: Any) -> None:
        # The driver's own transactions leave SELECT outside: concurrent writers would lose updates.
        connection.isolation_level = None
        connection.execute(
            "PRAGMA query_only = ON" if reading else "PRAGMA journal_mode = DELETE"
        ).close()
        connection.execute("PRAGMA synchronous = EXTRA").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        view = reading or connection.get_execution_options().get("reportsync_reading")
        # Past SQLAlchemy, whose way to a cursor costs more than this does.
        driver: Any = connection.connection.driver_connection
        driver.execute("BEGIN" if view else "BEGIN IMMEDIATE").close()

    return engine


def _postgres_engine(url: str, lock_wait: float) -> sa.Engine:
    limits = {"connect_timeout": max(round(lock_wait), 1), **_NOTICES_A_DEAD_SERVER}
    asked = sa.make_url(url).query
    engine = sa.create_engine(
        url, hide_parameters=True, pool_pre_ping=True, pool_timeout=lock_wait,
        isolation_level="READ COMMITTED",
        connect_args={name: value for name, value in limits.items() if name not in asked},
    )  # fmt: skip

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        if not connection.get_execution_options().get("reportsync_reading"):
            wait_for_turn(connection, lock_wait)

    return engine


def sqlite_path(url: str) -> Path | None:
    """Return the file that a `sqlite:///` URL names, or None for another kind of database."""
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None


def open_reading(url: str, lock_wait: float = LOCK_WAIT) -> Ledger:
    """Open the ledger at `url` for commands that only look; before the first pass it is an empty one.

    Writes nothing, and waits up to `lock_wait` seconds for a commit of others. Raises `LedgerError` if
    there is a file that is not a ledger of this version.
    """
    path = sqlite_path(url)
    if path is not None and place.looks_like_sqlite(path) is None:
        return _empty()
    if path is not None:
        place.refuse_foreign(path)
    engine = _engine(url, path, reading=True, lock_wait=lock_wait)
    ledger = Ledger(engine, path, lock_wait=lock_wait)
    try:
        if ledger.read(migrate.version) is None and ledger.dialect == "postgresql":
            ledger.close()
            return _empty()
        ledger.read(migrate.refuse_other, ledger.path)
    except LedgerError:
        ledger.close()
        raise
    return ledger


def open_writing(
    url: str,
    make_durable: Callable[[Iterable[Path]], None] = lambda files: None,
    restore: Callable[[Path], bool] = lambda path: False,
    lock_wait: float = LOCK_WAIT,
) -> Ledger:
    """Open the ledger at `url`, creating or upgrading it first where needed.

    `restore(path)` may put a backup in the place of a lost file and says whether it did. Raises
    `LedgerError` for a file that is not a ledger, is newer than this program, or lies on a network disk.
    """
    path = sqlite_path(url)
    if path is None:
        engine = _engine(url, None, reading=False, lock_wait=lock_wait)
        return _upgraded(Ledger(engine, None, make_durable, lock_wait))
    place.refuse_network(path.parent)
    with place.one_at_a_time(path.parent, lock_wait):
        place.refuse_foreign(path)
        place.sweep(path.parent)
        known = place.looks_like_sqlite(path) is not None
        if not known:
            place.refuse_as_root(path)
            if not restore(path):
                place.create(path)
        engine = _engine(url, path, reading=False, lock_wait=lock_wait)
        ledger = Ledger(engine, path, make_durable, lock_wait)
        if known and path.stat().st_size <= CHECKED_AT_OPENING:
            _refuse_damaged(ledger)
        return _upgraded(ledger)


def _refuse_damaged(ledger: Ledger) -> None:
    """Raise `LedgerError` if the database is not intact: nothing is to be written on top of damage."""
    try:
        (found,) = ledger.read(lambda view: view.exec_driver_sql("PRAGMA quick_check(1)").one())
    except LedgerError:
        ledger.close()
        raise
    if found != "ok":
        ledger.close()
        text = f"the ledger {ledger.path} is damaged: {clean(str(found))}"
        raise LedgerError(text, hint=place.REPAIR_HINT)


def _upgraded(ledger: Ledger) -> Ledger:
    try:
        ledger.write(migrate.upgrade, ledger.path)
    except LedgerError:
        ledger.close()
        raise
    return ledger


def _empty() -> Ledger:
    """Return a ledger in memory with nothing in it, so that readers need no second way."""
    # One connection for all threads: by default each would have an empty database of its own.
    shared = {"check_same_thread": False}
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool, connect_args=shared)
    metadata.create_all(engine)
    return Ledger(engine, None)

"""The relational database: many readers, one writer, one fsync for many writes."""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, FromClause, create_engine, event, text
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool, QueuePool
from typing_extensions import override

from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.storage.sql.schema import UnknownRevisionError, update_schema

logger = logging.getLogger(__name__)

T = TypeVar("T")

_READERS = 4
_LARGEST_GROUP = 256


class DatabaseFullError(StorageUnavailableError):
    """The write was rolled back because the disk is full."""


class NewerDatabaseError(Exception):
    """The database was left by a later version of the monitor, whose tables this one ignores."""


class HintingCompiler(SQLiteCompiler):
    """Writes hints where SQLite wants them: `INDEXED BY …` and `NOT INDEXED` after a table."""

    @override
    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:
        return text


class Database:
    """SQLite in WAL mode with `synchronous=FULL`.

    Work is handed over as functions of a connection. Writes run on one thread, in order; those
    that are waiting at the same moment share a transaction (each in a savepoint of its own, so
    that one that fails takes nothing else with it) and so share one fsync. Reads run on a small
    pool of threads and never wait for the writer.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        url = f"sqlite:///{path}"
        self._write_engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self._read_engine = create_engine(
            url,
            poolclass=QueuePool,
            pool_size=_READERS,
            max_overflow=0,
            isolation_level="AUTOCOMMIT",
        )
        for engine in (self._write_engine, self._read_engine):
            engine.dialect.statement_compiler = HintingCompiler
        event.listen(self._write_engine, "connect", _prepare_writer)
        event.listen(self._read_engine, "connect", _prepare_reader)
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="sql-read")

    def start(self) -> None:
        """Bring the schema up to date and start the writer.

        Raises:
            NewerDatabaseError: If a later version has been at it; nothing is changed.
        """
        self.migrate()
        self._writer = threading.Thread(target=self._write_loop, name="sql-write", daemon=True)
        self._writer.start()

    def migrate(self) -> None:
        """Make the tables, or apply the migrations that have not been applied.

        Raises:
            NewerDatabaseError: If a later version has been at it; nothing is changed.
        """
        with self._write_engine.connect() as connection:
            # A table that a migration makes anew must not take with it what refers to it.
            connection.execute(text("PRAGMA foreign_keys=OFF"))
            connection.execute(text("BEGIN IMMEDIATE"))
            try:
                update_schema(connection)
            except UnknownRevisionError as error:
                _roll_back(connection)
                raise NewerDatabaseError(
                    f"{self._path} was left by a later version of the monitor; install that one,"
                    " or put the backup from before it back."
                ) from error
            except BaseException:
                _roll_back(connection)
                raise
            connection.execute(text("COMMIT"))

    def stop(self) -> None:
        """Finish what is queued, then close."""
        if self._writer is not None:
            self._queue.put(None)
            self._writer.join()
            self._writer = None
        self._readers.shutdown()
        self._read_engine.dispose()
        self._write_engine.dispose()

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction on the writer's thread; durable when this returns.

        Raises:
            DatabaseFullError: If the disk is full; nothing of `work` remains.
        """
        return await asyncio.wrap_future(self._submit(work))

    def write_blocking(self, work: Callable[[Connection], T]) -> T:
        """Do the same as `write` from a thread that is not the event loop's."""
        return self._submit(work).result()

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a read-only connection with a snapshot of its own."""
        return await asyncio.get_running_loop().run_in_executor(
            self._readers, self.read_blocking, work
        )

    def read_blocking(self, work: Callable[[Connection], T]) -> T:
        """Do the same as `read` from a thread that is not the event loop's."""
        with self._read_engine.connect() as connection:
            connection.execute(text("BEGIN"))
            try:
                return work(connection)
            finally:
                connection.execute(text("ROLLBACK"))

    def _submit(self, work: Callable[[Connection], T]) -> Future[T]:
        future: Future[T] = Future()
        self._queue.put(_Write(cast("Callable[[Connection], Any]", work), future))
        return future

    def _write_loop(self) -> None:
        with self._write_engine.connect() as connection:
            while True:
                first = self._queue.get()
                if first is None:
                    return
                group, is_last = self._take_group(first)
                _run_group(connection, group)
                if is_last:
                    return

    def _take_group(self, first: "_Write") -> "tuple[list[_Write], bool]":
        group = [first]
        while len(group) < _LARGEST_GROUP:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return group, True
            group.append(item)
        return group, False


class _Write:
    """A write that waits for its turn."""

    __slots__ = ("future", "work")

    def __init__(self, work: Callable[[Connection], Any], future: Future[Any]) -> None:
        self.work = work
        self.future = future


def _run_group(connection: Connection, group: Sequence[_Write]) -> None:
    group = [write for write in group if write.future.set_running_or_notify_cancel()]
    outcomes: list[tuple[_Write, Any, BaseException | None]] = []
    try:
        connection.execute(text("BEGIN IMMEDIATE"))
        outcomes.extend((write, *_run_in_savepoint(connection, write)) for write in group)
        connection.execute(text("COMMIT"))
    except BaseException as error:  # noqa: BLE001 - whatever it is, the callers must hear of it
        _roll_back(connection)
        failure = _translate(error)
        for write in group:
            write.future.set_exception(failure)
        return
    for write, result, failure in outcomes:
        if failure is None:
            write.future.set_result(result)
        else:
            write.future.set_exception(failure)


def _run_in_savepoint(connection: Connection, write: _Write) -> tuple[Any, BaseException | None]:
    connection.execute(text("SAVEPOINT one"))
    try:
        result = write.work(connection)
    except Exception as error:
        translated = _translate(error)
        if isinstance(translated, DatabaseFullError):
            raise
        connection.execute(text("ROLLBACK TO one"))
        connection.execute(text("RELEASE one"))
        return None, error
    connection.execute(text("RELEASE one"))
    return result, None


def _roll_back(connection: Connection) -> None:
    try:
        connection.execute(text("ROLLBACK"))
    except OperationalError:
        logger.debug("SQLite had already rolled back")


def _translate(error: BaseException) -> BaseException:
    if isinstance(error, OperationalError) and "full" in str(error.orig):
        return DatabaseFullError("the disk that holds the database is full")
    return error


def _prepare_writer(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=10000",
        "temp_store=MEMORY",
        "cache_size=-16000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _prepare_reader(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("query_only=ON", "busy_timeout=10000", "temp_store=MEMORY", "cache_size=-4000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()

"""PostgreSQL: the pool, watched by its own events, and queries, timed in the driver's."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from asyncpg.exceptions import PostgresError
from prometheus_client import Histogram
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, ExceptionContext
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, PoolProxiedConnection
from structlog.stdlib import get_logger

from resumatch.backend.config import Settings
from resumatch.backend.metrics import Metrics

logger = get_logger(__name__)

_LONGEST_LOGGED_STATEMENT = 2000
_STATEMENT_TIMEOUT_MS = "30000"
_CONNECT_TIMEOUT_SECONDS = 3
_STARTED = "resumatch_query_started"


class DatabaseUnavailableError(Exception):
    """The database cannot be reached at the moment; the cause says why."""


class Database:
    """The engine and its sessions. Connects on first use, so that a start needs no database."""

    def __init__(self, *, settings: Settings, metrics: Metrics) -> None:
        self._metrics = metrics
        self._slow_query_seconds = settings.slow_query_seconds
        self.engine = create_async_engine(
            settings.database_url,
            poolclass=_measured_pool(metrics.pool_wait),
            pool_size=settings.pool_size,
            max_overflow=settings.pool_overflow,
            pool_timeout=settings.pool_timeout_seconds,
            # A connection that died while it lay in the pool is replaced, not handed out.
            pool_pre_ping=True,
            # Parameters stay out of exceptions: they are résumés and password hashes.
            hide_parameters=True,
            connect_args={
                "timeout": _CONNECT_TIMEOUT_SECONDS,
                "server_settings": {
                    "application_name": "resumatch",
                    "statement_timeout": _STATEMENT_TIMEOUT_MS,
                },
            },
        )
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self._watch_pool()
        self._time_queries()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncSession]:
        """One session in one transaction: committed at the end, rolled back by an exception.

        Raises:
            DatabaseUnavailableError: If there is no connection to be had, or it breaks.
        """
        async with self._sessions() as session, _disconnects_named():
            try:
                await session.connection()
            except PoolTimeoutError as error:
                self._metrics.pool_timeouts.inc()
                raise DatabaseUnavailableError("All connections are in use") from error
            except (OSError, TimeoutError, PostgresError, SQLAlchemyError) as error:
                raise DatabaseUnavailableError("The database cannot be reached") from error
            yield session
            await session.commit()

    async def ping(self) -> None:
        """Ask the server for an answer; whatever prevents one is raised."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self.engine.dispose()

    def _watch_pool(self) -> None:
        pool = self.engine.sync_engine.pool
        assert isinstance(pool, AsyncAdaptedQueuePool)
        # Read at the scrape, the gauges cannot drift from what the pool believes.
        self._metrics.pool_size.set_function(pool.size)
        self._metrics.pool_checked_out.set_function(pool.checkedout)
        self._metrics.pool_overflow.set_function(lambda: max(0, pool.overflow()))
        events = self._metrics.pool_events
        for name in ("connect", "checkout", "checkin", "close", "invalidate"):
            count = events.labels(name).inc

            def on_event(*_: object, count: Any = count) -> None:
                count()

            event.listen(pool, name, on_event)

        def on_invalidate(_connection: object, _record: object, error: object) -> None:
            logger.warning("database_connection_invalidated", error_type=type(error).__name__)

        event.listen(pool, "invalidate", on_invalidate)

    def _time_queries(self) -> None:
        engine = self.engine.sync_engine

        def before(connection: Connection, *_: object) -> None:
            connection.info[_STARTED] = time.perf_counter()

        def after(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
            self._note_query(connection.info, statement)

        def on_error(context: ExceptionContext) -> None:
            if context.connection is not None and context.statement is not None:
                self._note_query(context.connection.info, context.statement)

        event.listen(engine, "before_cursor_execute", before)
        event.listen(engine, "after_cursor_execute", after)
        event.listen(engine, "handle_error", on_error)

    def _note_query(self, info: dict[Any, Any], statement: str) -> None:
        started = info.pop(_STARTED, None)
        if started is None:
            return
        seconds = time.perf_counter() - started
        if seconds < self._slow_query_seconds:
            return
        self._metrics.slow_queries.inc()
        logger.warning(
            "slow_query",
            duration_seconds=seconds,
            statement=statement[:_LONGEST_LOGGED_STATEMENT],
        )


@asynccontextmanager
async def _disconnects_named() -> AsyncGenerator[None]:
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailableError("The connection to the database broke") from error
        raise


def _measured_pool(wait: Histogram) -> type[AsyncAdaptedQueuePool]:
    """Make the usual pool, with the time that it keeps a request waiting observed in `wait`."""

    class MeasuredPool(AsyncAdaptedQueuePool):
        """Observes each checkout, the failed ones too."""

        def connect(self) -> PoolProxiedConnection:
            started = time.perf_counter()
            try:
                return super().connect()
            finally:
                wait.observe(time.perf_counter() - started)

    return MeasuredPool

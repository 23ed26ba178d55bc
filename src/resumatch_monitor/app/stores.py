"""What keeps data: opened first, closed last."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import httpx

from resumatch_monitor.app.external import ExternalStore, build_external_store
from resumatch_monitor.app.folder import DATABASE_NAME
from resumatch_monitor.config.tree import MonitorConfig
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.samples import BatchSink, Queryable, SampleSink
from resumatch_monitor.storage.exemplars.log import ExemplarLog
from resumatch_monitor.storage.logindex.store import TantivyLogStore
from resumatch_monitor.storage.spool.metrics import SpoolTelemetry
from resumatch_monitor.storage.spool.spool import Spool
from resumatch_monitor.storage.spool.state import SpoolLimits
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.trace_errors import SqlTraceErrors
from resumatch_monitor.storage.traces.store import SqliteTraceStore
from resumatch_monitor.storage.tsdb.store import TimeSeriesStore


class SampleStore(SampleSink, BatchSink, Protocol):
    """Takes samples, and has work to do in the background."""

    def open(self) -> None:
        """Recover what is on disk; blocks."""
        ...

    def close(self) -> None:
        """Finish what is queued and close; blocks."""
        ...

    async def run(self) -> None:
        """Do the work until cancelled."""
        ...

    def refused_ago(self) -> timedelta | None:
        """Return how long ago queries last lacked the latest samples, None if they never did."""
        ...


@dataclass(frozen=True, slots=True)
class Stores:
    """The relational database, the samples, the spools, the exemplars, the traces.

    Attributes:
        database: Everything relational.
        samples: Where samples go.
        queryable: Where they are read.
        embedded: The monitor's own time-series store, None where another server keeps samples.
        external: The way to that server, None where there is none.
        errors_spool: Envelopes that are not digested.
        logs_spool: Logs that are not indexed.
        logs: The records of logs.
        exemplars: The latest exemplars.
        traces_spool: Spans that are not digested.
        traces: The spans.
    """

    database: Database
    samples: SampleStore
    queryable: Queryable
    embedded: TimeSeriesStore | None
    external: ExternalStore | None
    errors_spool: Spool
    logs_spool: Spool
    logs: TantivyLogStore
    exemplars: ExemplarLog
    traces_spool: Spool
    traces: SqliteTraceStore

    def open(self) -> None:
        """Recover what is on disk; blocks.

        Raises:
            OSError: If a folder cannot be used.
        """
        self.database.start()
        self.samples.open()
        if self.external is not None:
            self.external.reader.open()
        self.errors_spool.start()
        self.logs.open()
        self.logs_spool.start()
        self.exemplars.open()
        self.traces.open()
        self.traces_spool.start()

    def close(self) -> None:
        """Finish what is queued and close; blocks."""
        self.traces_spool.stop()
        self.traces.close()
        self.exemplars.close()
        self.logs_spool.stop()
        self.logs.close()
        self.errors_spool.stop()
        if self.external is not None:
            self.external.reader.close()
        self.samples.close()
        self.database.stop()


def build_stores(
    config: MonitorConfig,
    *,
    folder: Path,
    client: httpx.AsyncClient,
    clock: Clock,
    telemetry: Telemetry,
) -> Stores:
    """Return the stores under `folder`, not yet open.

    Args:
        config: The whole configuration.
        folder: Where everything is kept.
        client: For requests to another server.
        clock: What the stores go by.
        telemetry: Gets their metrics.
    """
    spools = SpoolTelemetry(telemetry)
    database = Database(folder / DATABASE_NAME)
    external = embedded = None
    if config.metrics.store is not None:
        external = build_external_store(
            config.metrics.store,
            config,
            folder=folder / "spool" / "metrics",
            client=client,
            clock=clock,
            telemetry=telemetry,
            spools=spools,
        )
        samples, queryable = external.writer, external.reader
    else:
        embedded = _build_embedded(config, folder=folder, clock=clock, telemetry=telemetry)
        samples = queryable = embedded
    return Stores(
        database=database,
        samples=samples,
        queryable=queryable,
        embedded=embedded,
        external=external,
        errors_spool=Spool(
            folder / "spool" / "errors",
            limits=SpoolLimits(
                max_bytes=config.errors.spool_max_bytes,
                min_free_bytes=config.storage.min_free_bytes,
            ),
            metrics=spools.for_signal("errors"),
        ),
        logs_spool=Spool(
            folder / "spool" / "logs",
            limits=SpoolLimits(
                max_bytes=config.logs.spool_max_bytes,
                min_free_bytes=config.storage.min_free_bytes,
            ),
            metrics=spools.for_signal("logs"),
        ),
        logs=TantivyLogStore(
            folder / "logs", clock=clock, min_free_bytes=config.storage.min_free_bytes
        ),
        exemplars=ExemplarLog(
            folder / "exemplars",
            capacity=config.metrics.push.max_exemplars,
            min_free_bytes=config.storage.min_free_bytes,
        ),
        traces_spool=Spool(
            folder / "spool" / "traces",
            limits=SpoolLimits(
                max_bytes=config.tracing.spool_max_bytes,
                min_free_bytes=config.storage.min_free_bytes,
            ),
            metrics=spools.for_signal("traces"),
        ),
        traces=SqliteTraceStore(
            folder / "traces",
            clock=clock,
            max_bytes=config.tracing.max_bytes,
            min_free_bytes=config.storage.min_free_bytes,
            spans_per_segment=config.tracing.limits.spans_per_segment,
            find_with_errors=SqlTraceErrors(database).find_with_errors,
        ),
    )


def _build_embedded(
    config: MonitorConfig, *, folder: Path, clock: Clock, telemetry: Telemetry
) -> TimeSeriesStore:
    return TimeSeriesStore(
        folder / "metrics",
        clock=clock,
        telemetry=telemetry,
        retention=config.metrics.retention,
        retention_size_bytes=config.metrics.retention_size_bytes,
        min_free_bytes=config.storage.min_free_bytes,
        max_series=config.metrics.max_series,
        page_cache_bytes=config.metrics.page_cache_bytes,
        select_max_samples=config.metrics.query_max_samples,
    )

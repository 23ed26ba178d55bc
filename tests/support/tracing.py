"""Everything that spans pass through, on real parts in one folder."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.sentry.items import ItemRecord, encode_record
from resumatch_monitor.sentry.scrub import Scrubber
from resumatch_monitor.storage.spool.metrics import SpoolTelemetry
from resumatch_monitor.storage.spool.spool import Spool
from resumatch_monitor.storage.spool.state import SpoolLimits
from resumatch_monitor.storage.traces.store import SqliteTraceStore
from resumatch_monitor.tracing.config import TracingConfig
from resumatch_monitor.tracing.digest import TraceDigest
from resumatch_monitor.tracing.metrics import TracingMetrics
from resumatch_monitor.tracing.reading import SpanReader
from resumatch_monitor.tracing.receiver import OtlpTraceReceiver


class OneProject:
    """Knows project 1, `web`."""

    def slug(self, number: int) -> str:
        return "web" if number == 1 else f"project-{number}"

    def number(self, slug: str) -> int | None:
        return 1 if slug == "web" else None


@dataclass
class TraceStack:
    """A spool, a store, and what is between and before them."""

    spool: Spool
    store: SqliteTraceStore
    receiver: OtlpTraceReceiver
    digest: TraceDigest
    metrics: TracingMetrics
    telemetry: Telemetry

    async def take(self, *records: ItemRecord) -> None:
        """Spool records as the door does, and digest them."""
        for record in records:
            await self.spool.append(encode_record(record))
        await self.digest_all()

    async def digest_all(self) -> None:
        """Digest what is in the spool."""
        while self.spool.pending:
            await self.digest.digest_batch()


@asynccontextmanager
async def open_trace_stack(
    folder: Path,
    *,
    clock: Clock,
    config: TracingConfig | None = None,
    free_bytes: Callable[[Path], int] | None = None,
    store_free_bytes: Callable[[Path], int] | None = None,
    store_class: type[SqliteTraceStore] = SqliteTraceStore,
) -> AsyncGenerator[TraceStack]:
    """Yield the parts, opened; `free_bytes` is what the spool sees of the disk."""
    config = config or TracingConfig()
    telemetry = Telemetry()
    metrics = TracingMetrics(telemetry)
    spool = Spool(
        folder / "spool",
        limits=SpoolLimits(max_bytes=config.spool_max_bytes, min_free_bytes=1),
        metrics=SpoolTelemetry(telemetry).for_signal("traces"),
        free_bytes=free_bytes,
    )
    store = store_class(
        folder / "traces",
        clock=clock,
        max_bytes=config.max_bytes,
        min_free_bytes=1,
        free_bytes=store_free_bytes,
    )
    spool.start()
    store.open()
    reader = SpanReader(
        scrubber=Scrubber(config.scrub_keys),
        projects=OneProject(),
        limits=config.limits,
        retention=config.retention,
    )
    try:
        yield TraceStack(
            spool,
            store,
            OtlpTraceReceiver(
                spool=spool,
                metrics=metrics,
                clock=clock,
                ids=RandomIds(),
                spans_max=config.limits.spans_per_request,
            ),
            TraceDigest(spool=spool, store=store, reader=reader, metrics=metrics, clock=clock),
            metrics,
            telemetry,
        )
    finally:
        spool.stop()
        store.close()

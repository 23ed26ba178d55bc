"""The way into a Prometheus-compatible server: what is written is durable here, then sent."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np

from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.remote_write_encode import Encoded, RemoteWriteEncoder
from resumatch_monitor.metrics.samples import (
    FloatArray,
    RowLayout,
    SampleBatch,
    StoreFullError,
    TimeArray,
)
from resumatch_monitor.storage.remote.connection import Connection
from resumatch_monitor.storage.remote.queue import SampleQueue
from resumatch_monitor.storage.remote.records import build_record
from resumatch_monitor.storage.remote.sender import Sender
from resumatch_monitor.storage.remote.server import RemoteServer
from resumatch_monitor.storage.remote.telemetry import RemoteTelemetry
from resumatch_monitor.storage.spool.metrics import SpoolTelemetry

_LATE_SECONDS = 30.0
"""A queue that lags more than this leaves queries, and so rules, without the latest samples."""
_IN_A_THREAD_FROM = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfig:
    """The bounds of the queue and of what is sent at once.

    Attributes:
        max_bytes: How much of the disk the queue may take; then the oldest samples go.
        min_free_bytes: How much of the disk it leaves free.
        samples_per_request: How many samples a request has, about.
        lanes: How many requests are under way at the same time, 1 to 16.
        max_age: Older samples are not sent any more; zero for no limit.
        resend_window: How long samples are kept after they were sent.
    """

    max_bytes: int = 1024 * 1024 * 1024
    min_free_bytes: int = 0
    samples_per_request: int = 10_000
    lanes: int = 1
    max_age: timedelta = field(default=timedelta(days=2))
    resend_window: timedelta = field(default=timedelta(seconds=10))


class RemoteStore:
    """A `SampleSink` and `BatchSink` over a durable queue to a server."""

    def __init__(
        self,
        folder: Path,
        *,
        connection: Connection,
        queue: QueueConfig,
        clock: Clock,
        telemetry: Telemetry,
        spools: SpoolTelemetry,
    ) -> None:
        """Open nothing yet.

        Args:
            folder: Where the queue is.
            connection: To the server.
            queue: The bounds.
            clock: What the queue's times go by.
            telemetry: Gets the metrics.
            spools: The metrics that all spools share.
        """
        self._clock = clock
        self._connection = connection
        self._encoder = RemoteWriteEncoder(
            lanes=queue.lanes, samples_per_message=queue.samples_per_request
        )
        metrics = RemoteTelemetry(telemetry)
        self._queue = SampleQueue(
            folder,
            max_bytes=queue.max_bytes,
            min_free_bytes=queue.min_free_bytes,
            clock=clock,
            spool_metrics=spools.for_signal("metrics", pending=metrics.queue_records),
            telemetry=metrics,
        )
        metrics.lag_seconds.set_function(lambda: self._queue.lag_seconds)
        self._sender = Sender(
            queue=self._queue,
            server=RemoteServer(connection, clock=clock),
            clock=clock,
            telemetry=metrics,
            samples_per_request=queue.samples_per_request,
            lanes=queue.lanes,
            max_age=queue.max_age,
            resend_window=queue.resend_window,
        )
        self._held_up_at: float | None = None

    def open(self) -> None:
        """Open the queue; blocks.

        Raises:
            OSError: If the folder cannot be used.
        """
        self._queue.start()

    def close(self) -> None:
        """Make durable what is queued and close; blocks."""
        self._queue.stop()

    async def run(self) -> None:
        """Send until cancelled."""
        try:
            await self._sender.run()
        finally:
            await self._connection.aclose()

    @property
    def problem(self) -> str:
        """Why the server takes no samples, empty if it does."""
        return self._sender.problem

    @property
    def lag_seconds(self) -> float:
        """How long the oldest sample that the server has not taken has waited."""
        return self._queue.lag_seconds

    def refused_ago(self) -> timedelta | None:
        """Return how long ago the server last lacked the latest samples, None if it never did."""
        if self._queue.lag_seconds > _LATE_SECONDS:
            self._held_up_at = self._clock.monotonic()
        if self._held_up_at is None:
            return None
        return timedelta(seconds=self._clock.monotonic() - self._held_up_at)

    async def append_row(
        self, target_key: str, layout: RowLayout, timestamp_ms: int, values: FloatArray
    ) -> None:
        """See `SampleSink`."""
        if values.shape != (len(layout.labels),):
            raise ValueError(f"{values.shape} values for {len(layout.labels)} series")

        await self._append(
            lambda: self._encoder.encode_row(target_key, layout, timestamp_ms, values), len(values)
        )

    async def append_samples(self, series: Sequence[tuple[Labels, TimeArray, FloatArray]]) -> None:
        """See `SampleSink`; whether the server accepts a sample is not known here."""
        if not series:
            return
        counts = [len(times) for _, times, _ in series]
        batch = SampleBatch(
            labels=[labels for labels, _, _ in series],
            offsets=np.concatenate(([0], np.cumsum(counts, dtype=np.int64))),
            times=np.concatenate([times for _, times, _ in series]),
            values=np.concatenate([values for _, _, values in series]),
        )
        await self.append_batch(batch)

    async def append_batch(self, batch: SampleBatch) -> None:
        """See `BatchSink`; whether the server accepts a sample is not known here."""
        await self._append(lambda: self._encoder.encode_batch(batch), len(batch.values))

    async def _append(self, encode: Callable[[], list[list[Encoded]]], count: int) -> None:
        """Put what `encode` returns into the queue, worked out in a thread if it takes a while."""
        if not count:
            return

        def build() -> list[bytes]:
            now_ms = to_milliseconds(self._clock.now())
            return [
                build_record(group, appended_ms=now_ms)
                for group in encode()
                if any(each.samples for each in group)
            ]

        records = build() if count < _IN_A_THREAD_FROM else await asyncio.to_thread(build)
        try:
            for record in records:
                await self._queue.append(record)
        except StoreFullError:
            self._held_up_at = self._clock.monotonic()
            raise

"""Takes remote-write requests: samples, exemplars and metadata, everything that can be stored."""

import asyncio

from prometheus_client import Counter

from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.exemplars import ExemplarStore
from resumatch_monitor.metrics.label_limits import LabelLimits
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.problems import Problems
from resumatch_monitor.metrics.remote_write import MalformedWriteError, RemoteWriteParser
from resumatch_monitor.metrics.samples import BatchSink, SampleBatch, SamplesRejectedError

_LARGEST_PARSED_AT_ONCE = 256 * 1024
_SOURCE = "remote write"


class PushTelemetry:
    """What was pushed, by protocol; build it once."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.samples = Counter(
            "resumatch_monitor_pushed_samples_total",
            "Samples that came by a protocol and are stored.",
            ["protocol"],
            registry=telemetry.registry,
        )
        self.exemplars = Counter(
            "resumatch_monitor_pushed_exemplars_total",
            "Exemplars that came by a protocol.",
            ["protocol"],
            registry=telemetry.registry,
        )
        self.rejected = telemetry.ingest_rejected
        for protocol in ("remote_write", "otlp"):
            self.samples.labels(protocol)
            self.exemplars.labels(protocol)


class RefusedError(Exception):
    """Parts of a request are refused; everything else of it is stored."""


async def store_batch(sink: BatchSink, batch: SampleBatch, problems: Problems) -> int:
    """Append a batch, note what the store rejects, and return how many samples it has.

    Raises:
        StoreFullError: If the store refuses the write as a whole.
    """
    if not len(batch.times):
        return 0
    try:
        await sink.append_batch(batch)
    except SamplesRejectedError as error:
        problems.add(str(error), count=error.count)
        return len(batch.times) - error.count
    return len(batch.times)


class RemoteWriteReceiver:
    """Takes the bodies of remote-write requests."""

    def __init__(
        self,
        *,
        sink: BatchSink,
        exemplars: ExemplarStore,
        metadata: MetadataStore,
        telemetry: PushTelemetry,
        limits: LabelLimits,
    ) -> None:
        self._sink = sink
        self._exemplars = exemplars
        self._metadata = metadata
        self._telemetry = telemetry
        self._parser = RemoteWriteParser(limits)

    async def take(self, body: bytes) -> None:
        """Store what a request holds; durable when it returns, or raises `RefusedError`.

        Args:
            body: The unpacked `WriteRequest`.

        Raises:
            MalformedWriteError: If it is none; nothing is stored.
            RefusedError: If parts of it cannot be stored.
            StoreFullError: If the store refuses the write as a whole; it may be sent again.
        """
        try:
            if len(body) > _LARGEST_PARSED_AT_ONCE:
                request = await asyncio.to_thread(self._parser.parse, body)
            else:
                request = self._parser.parse(body)
        except MalformedWriteError:
            self._telemetry.rejected.labels("metrics", "malformed").inc()
            raise
        problems = request.problems
        if request.metadata:
            self._metadata.merge(_SOURCE, request.metadata)
        stored = await store_batch(self._sink, request.batch, problems)
        self._telemetry.samples.labels("remote_write").inc(stored)
        if request.exemplars:
            await self._exemplars.append(request.exemplars)
            count = sum(len(each.exemplars) for each in request.exemplars)
            self._telemetry.exemplars.labels("remote_write").inc(count)
        if problems.count:
            self._telemetry.rejected.labels("metrics", "refused").inc(problems.count)
            raise RefusedError(f"{problems.count} refused, everything else is stored: {problems}")

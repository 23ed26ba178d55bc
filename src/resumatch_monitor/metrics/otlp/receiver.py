"""Takes OTLP requests: everything of them that can be stored."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.metrics.exemplars import ExemplarStore, SeriesExemplars
from resumatch_monitor.metrics.label_limits import LabelLimits
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.otlp.body import MalformedOtlpError, parse_json, parse_protobuf
from resumatch_monitor.metrics.otlp.convert import Converted, Converter
from resumatch_monitor.metrics.otlp.deltas import DeltaSums
from resumatch_monitor.metrics.push_config import PushConfig
from resumatch_monitor.metrics.receiver import PushTelemetry, store_batch
from resumatch_monitor.metrics.samples import BatchSink, SampleBatch

_LARGEST_PARSED_AT_ONCE = 16 * 1024
_SOURCE = "otlp"

Parse = Callable[[bytes], ExportMetricsServiceRequest]


@dataclass(frozen=True, slots=True)
class PartialSuccess:
    """What of a request is refused.

    Attributes:
        rejected: How many data points.
        message: Why; empty if none.
    """

    rejected: int
    message: str


class OtlpReceiver:
    """Takes the bodies of OTLP requests."""

    def __init__(
        self,
        *,
        sink: BatchSink,
        exemplars: ExemplarStore,
        metadata: MetadataStore,
        telemetry: PushTelemetry,
        config: PushConfig,
        limits: LabelLimits,
        clock: Clock,
    ) -> None:
        self._sink = sink
        self._exemplars = exemplars
        self._metadata = metadata
        self._telemetry = telemetry
        self._deltas = DeltaSums(
            clock=clock, max_series=config.max_delta_series, expiry=config.delta_expiry
        )
        self._converter = Converter(
            limits, self._deltas, promoted=config.promote_resource_attributes
        )
        self._converting = asyncio.Lock()

    async def take(self, body: bytes, *, is_json: bool) -> PartialSuccess:
        """Store what a request holds and return what is refused; durable when it returns.

        Args:
            body: The unpacked `ExportMetricsServiceRequest`.
            is_json: Whether it is JSON and not protobuf.

        Raises:
            MalformedOtlpError: If it is none; nothing is stored.
            StoreFullError: If the store refuses the write as a whole; it may be sent again.
        """
        parse = parse_json if is_json else parse_protobuf
        try:
            # Deltas of one series must not be summed up by two threads.
            async with self._converting:
                if len(body) > _LARGEST_PARSED_AT_ONCE:
                    prepared = await asyncio.to_thread(self._prepare, parse, body)
                else:
                    prepared = self._prepare(parse, body)
        except MalformedOtlpError:
            self._telemetry.rejected.labels("metrics", "malformed").inc()
            raise
        converted, batch, exemplars = prepared
        if converted.metadata:
            self._metadata.merge(_SOURCE, converted.metadata)
        problems = converted.problems
        stored = await store_batch(self._sink, batch, problems)
        self._telemetry.samples.labels("otlp").inc(stored)
        if exemplars:
            await self._exemplars.append(exemplars)
            count = sum(len(each.exemplars) for each in exemplars)
            self._telemetry.exemplars.labels("otlp").inc(count)
        if problems.count:
            self._telemetry.rejected.labels("metrics", "refused").inc(problems.count)
        # The store counts samples, of which a histogram's point has several.
        return PartialSuccess(min(problems.count, converted.points), str(problems))

    def _prepare(
        self, parse: Parse, body: bytes
    ) -> tuple[Converted, SampleBatch, list[SeriesExemplars]]:
        converted = self._converter.convert(parse(body))
        collected = converted.collected
        return converted, collected.build_batch(), collected.build_exemplars()

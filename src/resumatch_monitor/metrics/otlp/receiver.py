"""Takes OTLP requests: everything of them that can be stored."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.metrics.exemplars import ExemplarStore, SeriesExemplars
from resumatch_monitor.metrics.label_limits import LabelLimits
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.otlp.deltas import DeltaSums
from resumatch_monitor.metrics.otlp.problems import MalformedOtlpError
from resumatch_monitor.metrics.push_config import PushConfig
from resumatch_monitor.metrics.receiver import PushTelemetry, store_batch
from resumatch_monitor.metrics.samples import BatchSink, SampleBatch

if TYPE_CHECKING:
    from resumatch_monitor.metrics.otlp.convert import Converted, Converter

_LARGEST_PARSED_AT_ONCE = 16 * 1024
_SOURCE = "otlp"


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
        self._limits = limits
        self._promoted = config.promote_resource_attributes
        self._converter: Converter | None = None
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
        try:
            # Deltas of one series must not be summed up by two threads.
            async with self._converting:
                if self._converter is None or len(body) > _LARGEST_PARSED_AT_ONCE:
                    prepared = await asyncio.to_thread(self._prepare, body, is_json=is_json)
                else:
                    prepared = self._prepare(body, is_json=is_json)
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
        self, body: bytes, *, is_json: bool
    ) -> "tuple[Converted, SampleBatch, list[SeriesExemplars]]":
        # Protobuf and the messages' classes take five mebibytes and a fifth of a second; many a
        # monitor is never sent any.
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (  # noqa: PLC0415
            ExportMetricsServiceRequest,
        )

        from resumatch_monitor.metrics.otlp.body import (  # noqa: PLC0415
            parse_json,
            parse_protobuf,
        )
        from resumatch_monitor.metrics.otlp.convert import Converter  # noqa: PLC0415

        converter = self._converter
        if converter is None:
            converter = Converter(self._limits, self._deltas, promoted=self._promoted)
            self._converter = converter
        parse = parse_json if is_json else parse_protobuf
        converted = converter.convert(parse(body, ExportMetricsServiceRequest))
        collected = converted.collected
        return converted, collected.build_batch(), collected.build_exemplars()

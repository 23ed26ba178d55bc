"""The door of OpenTelemetry's spans: what is taken goes into the spool as it came."""

import asyncio

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.kit.spool import SpoolFullError, SpoolWriter
from resumatch_monitor.metrics.otlp.problems import MalformedOtlpError
from resumatch_monitor.metrics.otlp.receiver import PartialSuccess
from resumatch_monitor.sentry.items import ItemKind, ItemRecord, encode_record
from resumatch_monitor.tracing.metrics import TracingMetrics
from resumatch_monitor.tracing.reading import OTLP_HEADER

_LARGEST_PARSED_AT_ONCE = 16 * 1024
_SIGNAL = "traces"


class OtlpTraceReceiver:
    """Takes the bodies of `/v1/traces`."""

    def __init__(
        self, *, spool: SpoolWriter, metrics: TracingMetrics, clock: Clock, ids: Ids
    ) -> None:
        self._spool = spool
        self._metrics = metrics
        self._clock = clock
        self._ids = ids

    async def take(self, body: bytes, *, is_json: bool) -> PartialSuccess:
        """Keep what a request holds and return what is refused; durable when it returns.

        Args:
            body: The unpacked `ExportTraceServiceRequest`.
            is_json: Whether it is JSON and not protobuf.

        Raises:
            MalformedOtlpError: If it is none; nothing is kept.
            SpoolFullError: If there is no room; it may be sent again.
        """
        try:
            if len(body) > _LARGEST_PARSED_AT_ONCE:
                payload, count, bad = await asyncio.to_thread(_check, body, is_json=is_json)
            else:
                payload, count, bad = _check(body, is_json=is_json)
        except MalformedOtlpError:
            self._metrics.rejected.labels(_SIGNAL, "malformed").inc()
            raise
        if count > bad:
            await self._append(payload)
        if bad:
            self._metrics.rejected.labels(_SIGNAL, "refused").inc(bad)
            return PartialSuccess(bad, f"{bad} of {count} spans have no trace id or no span id")
        return PartialSuccess(0, "")

    async def _append(self, payload: bytes) -> None:
        record = ItemRecord(
            kind=ItemKind.SPAN,
            # Whose it is, the service's name says.
            project_id=0,
            item_id=self._ids.uuid(),
            received_at=self._clock.now(),
            payload=payload,
            headers={OTLP_HEADER: "protobuf"},
        )
        try:
            await self._spool.append(encode_record(record))
        except SpoolFullError as error:
            self._metrics.rejected.labels(_SIGNAL, error.reason).inc()
            raise


def _check(body: bytes, *, is_json: bool) -> tuple[bytes, int, int]:
    """Return the request in protobuf, how many spans it has, and how many are refused."""
    # Protobuf and the messages' classes take five mebibytes and a fifth of a second; many a
    # monitor is never sent any.
    from resumatch_monitor.tracing.otlp import (  # noqa: PLC0415
        count_spans,
        parse_json,
        parse_protobuf,
    )

    request = parse_json(body) if is_json else parse_protobuf(body)
    return request.SerializeToString() if is_json else body, *count_spans(request)

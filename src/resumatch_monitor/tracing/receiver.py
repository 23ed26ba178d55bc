"""The door of OpenTelemetry's spans: what is taken goes into the spool as it came."""

import asyncio
from dataclasses import dataclass
from functools import partial

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
        self,
        *,
        spool: SpoolWriter,
        metrics: TracingMetrics,
        clock: Clock,
        ids: Ids,
        spans_max: int,
    ) -> None:
        """Build it; of a request at most `spans_max` spans are taken."""
        self._spans_max = spans_max
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
        check = partial(_check, body, is_json=is_json, most=self._spans_max)
        try:
            is_large = len(body) > _LARGEST_PARSED_AT_ONCE
            checked = await asyncio.to_thread(check) if is_large else check()
        except MalformedOtlpError:
            self._metrics.rejected.labels(_SIGNAL, "malformed").inc()
            raise
        if checked.count > checked.bad:
            await self._append(checked.payload)
        refused = checked.bad + checked.surplus
        if refused:
            self._metrics.rejected.labels(_SIGNAL, "refused").inc(refused)
        return PartialSuccess(refused, checked.describe(self._spans_max))

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


@dataclass(frozen=True, slots=True)
class _Checked:
    """A request as it is kept.

    Attributes:
        payload: In protobuf.
        count: How many spans it has.
        bad: How many of these have no ids, and so no place.
        surplus: How many it had beyond them.
    """

    payload: bytes
    count: int
    bad: int
    surplus: int

    def describe(self, most: int) -> str:
        """Say what is refused; empty if nothing is."""
        said: list[str] = []
        if self.bad:
            said.append(f"{self.bad} of {self.count} spans have no trace id or no span id")
        if self.surplus:
            said.append(
                f"of {self.count + self.surplus} spans the first {most} are taken, and no more in"
                " one request (tracing.limits.spans_per_request)"
            )
        return "; ".join(said)


def _check(body: bytes, *, is_json: bool, most: int) -> _Checked:
    # Protobuf and the messages' classes take five mebibytes and a fifth of a second; many a
    # monitor is never sent any.
    from resumatch_monitor.tracing.otlp import (  # noqa: PLC0415
        count_spans,
        drop_surplus,
        parse_request,
    )

    request = parse_request(body, is_json=is_json)
    surplus = drop_surplus(request, most)
    payload = request.SerializeToString() if is_json or surplus else body
    return _Checked(payload, *count_spans(request), surplus)

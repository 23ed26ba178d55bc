"""The door of OpenTelemetry's log records: what is taken goes into the spool as it came."""

import asyncio
from functools import partial

from resumatch_monitor.logs.formats.otlp import OTLP, drop_surplus
from resumatch_monitor.logs.metrics import LogMetrics
from resumatch_monitor.logs.receiver import LogReceiver
from resumatch_monitor.metrics.otlp.problems import MalformedOtlpError
from resumatch_monitor.metrics.otlp.receiver import PartialSuccess

_LARGEST_PARSED_AT_ONCE = 16 * 1024
_MOST_RECORDS = 50_000


class OtlpLogReceiver:
    """Takes the bodies of `/v1/logs`."""

    def __init__(
        self, *, receiver: LogReceiver, metrics: LogMetrics, most_records: int = _MOST_RECORDS
    ) -> None:
        """Build it; of a request at most `most_records` are taken."""
        self._receiver = receiver
        self._metrics = metrics
        self._most_records = most_records

    async def take(self, body: bytes, *, is_json: bool) -> PartialSuccess:
        """Keep what a request holds and return what is refused; durable when it returns.

        Args:
            body: The unpacked `ExportLogsServiceRequest`.
            is_json: Whether it is JSON and not protobuf.

        Raises:
            MalformedOtlpError: If it is none; nothing is kept.
            SpoolFullError: If there is no room; it may be sent again.
        """
        check = partial(_check, body, is_json=is_json, most=self._most_records)
        try:
            is_large = len(body) > _LARGEST_PARSED_AT_ONCE
            payload, count, surplus = await asyncio.to_thread(check) if is_large else check()
        except MalformedOtlpError:
            self._metrics.rejected.labels(OTLP, "malformed").inc()
            raise
        if count:
            await self._receiver.take([payload], format_name=OTLP, hints={"source": OTLP})
        if not surplus:
            return PartialSuccess(0, "")
        self._metrics.rejected.labels(OTLP, "refused").inc(surplus)
        return PartialSuccess(
            surplus,
            f"of {count + surplus} records the first {count} are taken, and no more in one request",
        )


def _check(body: bytes, *, is_json: bool, most: int) -> tuple[bytes, int, int]:
    """Return a request as it is kept, how many records that has, and how many are refused."""
    # Protobuf and the messages' classes take five mebibytes and a fifth of a second; many a
    # monitor is never sent any.
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (  # noqa: PLC0415
        ExportLogsServiceRequest,
    )

    from resumatch_monitor.metrics.otlp.body import (  # noqa: PLC0415
        parse_json,
        parse_protobuf,
    )

    if is_json:
        request = parse_json(body, ExportLogsServiceRequest, drops_bad_ids=True)
    else:
        request = parse_protobuf(body, ExportLogsServiceRequest)
    count, surplus = drop_surplus(request, most)
    return request.SerializeToString() if is_json or surplus else body, count, surplus

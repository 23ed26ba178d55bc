"""What was logged in a trace, out of the store of logs."""

from collections.abc import Sequence
from itertools import islice

from resumatch_monitor.logs.fields import Field
from resumatch_monitor.logs.query.tree import Equals
from resumatch_monitor.logs.record import LogRecord, name_severity
from resumatch_monitor.logs.store import LogQuery, LogReader
from resumatch_monitor.tracing.beside import TraceLog

# Beside a trace a line is read in passing; the record itself is in the store of logs.
_LONGEST_MESSAGE = 2_000
_LONGEST_VALUE = 500
_ATTRIBUTES = 30


class TraceLogs:
    """A `TraceLogReader`."""

    def __init__(self, logs: LogReader) -> None:
        self._logs = logs

    async def find_logs(self, trace_id: str, *, limit: int) -> Sequence[TraceLog]:
        """See `TraceLogReader`."""
        query = LogQuery(Equals(Field.TRACE_ID, trace_id))
        page = await self._logs.search(query, limit=limit, is_newest_first=False)
        return [_as_trace_log(item.record) for item in page.items]


def _as_trace_log(record: LogRecord) -> TraceLog:
    return TraceLog(
        span_id=record.span_id,
        at_us=record.timestamp_us,
        severity=name_severity(record.severity),
        message=record.body[:_LONGEST_MESSAGE],
        attributes={
            name: value[:_LONGEST_VALUE] if isinstance(value, str) else value
            for name, value in islice(record.attributes.items(), _ATTRIBUTES)
            if not isinstance(value, list)
        },
    )

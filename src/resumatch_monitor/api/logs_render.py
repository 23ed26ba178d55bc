"""Records of logs as the API shows them."""

from datetime import UTC, datetime
from typing import Any

from resumatch_monitor.logs.record import LogRecord, name_severity
from resumatch_monitor.logs.store import LogPage, StoredRecord


def render_record(stored: StoredRecord) -> dict[str, Any]:
    """Return a record; its `seq` is a text, for a browser's numbers end at 2**53."""
    return {"seq": str(stored.seq), **render_fields(stored.record)}


def render_fields(record: LogRecord) -> dict[str, Any]:
    """Return a record without its place."""
    return {
        "timestamp": render_time(record.timestamp_us),
        "observed_at": render_time(record.observed_us),
        "severity": name_severity(record.severity),
        "severity_number": record.severity,
        "severity_text": record.severity_text,
        "message": record.body,
        "service": record.service,
        "environment": record.environment,
        "release": record.release,
        "host": record.host,
        "logger": record.logger,
        "trace_id": record.trace_id,
        "span_id": record.span_id,
        "source": record.source,
        "attributes": dict(record.attributes),
    }


def render_page(page: LogPage) -> dict[str, Any]:
    """Return a page of records, and where the next begins."""
    return {
        "items": [render_record(item) for item in page.items],
        "next_cursor": None if page.next_seq is None else str(page.next_seq),
        "is_complete": page.is_complete,
        "searched_until": None if page.is_complete else render_time(page.searched_us),
        "missing": page.missing,
    }


def render_time(microseconds: int) -> str:
    """Render a moment as RFC 3339 in UTC with microseconds."""
    seconds, rest = divmod(microseconds, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")

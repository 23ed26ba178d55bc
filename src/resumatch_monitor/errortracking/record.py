"""How an event lies in the spool between the door and the digest."""

from dataclasses import dataclass
from datetime import datetime

import orjson

from resumatch_monitor.errortracking.values import as_dict, as_int, as_text
from resumatch_monitor.kit.clock import from_milliseconds, to_milliseconds

_VERSION = 1


class RecordError(Exception):
    """The record is not one that this version wrote."""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event as it came, with what only the door knows.

    Attributes:
        event_id: 32 hexadecimal digits.
        sent_at: The client's clock when it sent; None if it did not say.
        payload: The event's JSON, unread and not yet scrubbed.
    """

    project_id: int
    event_id: str
    received_at: datetime
    sent_at: datetime | None
    payload: bytes


def encode_record(record: EventRecord) -> bytes:
    """Render a record for the spool."""
    sent_at = record.sent_at
    header = {
        "v": _VERSION,
        "project": record.project_id,
        "event_id": record.event_id,
        "received_ms": to_milliseconds(record.received_at),
        "sent_ms": None if sent_at is None else to_milliseconds(sent_at),
    }
    return orjson.dumps(header) + b"\n" + record.payload


def decode_record(data: bytes) -> EventRecord:
    """Read what `encode_record` wrote.

    Raises:
        RecordError: If it did not.
    """
    line, separator, payload = data.partition(b"\n")
    try:
        header = as_dict(orjson.loads(line))
    except orjson.JSONDecodeError as error:
        raise RecordError("the record has no header") from error
    project_id, received_ms = as_int(header.get("project")), as_int(header.get("received_ms"))
    if not separator or header.get("v") != _VERSION or project_id is None or received_ms is None:
        raise RecordError("the record's header is not one of this version")
    sent_ms = as_int(header.get("sent_ms"))
    return EventRecord(
        project_id=project_id,
        event_id=as_text(header.get("event_id")),
        received_at=from_milliseconds(received_ms),
        sent_at=None if sent_ms is None else from_milliseconds(sent_ms),
        payload=payload,
    )

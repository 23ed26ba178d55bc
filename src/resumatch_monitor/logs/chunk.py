"""How what came through a door lies in the spool: as it came, with what only the door knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from resumatch_monitor.kit.clock import from_milliseconds, to_milliseconds
from resumatch_monitor.sentry.items import ItemRecord, RecordError, decode_record

SENTRY = "sentry"
"""The format of the items of Sentry's SDKs."""
_VERSION = 1
_HEAD = b'{"log":'


class ChunkError(Exception):
    """The record of the spool is none that this version can read."""


@dataclass(frozen=True, slots=True)
class LogChunk:
    """Records of one request, connection or file.

    Attributes:
        format: Which reader makes records of the payload, a key of its registry.
        received_at: When the door took it.
        project_id: Whose scrubbing holds; 0 for none's in particular.
        hints: What the door knows beside the payload: names and short texts.
        payload: Not yet scrubbed.
    """

    format: str
    received_at: datetime
    payload: bytes
    project_id: int = 0
    hints: Mapping[str, Any] = field(default_factory=dict[str, Any])


def encode_chunk(chunk: LogChunk) -> bytes:
    """Return a chunk as it lies in the spool."""
    head = {
        "log": _VERSION,
        "format": chunk.format,
        "received_ms": to_milliseconds(chunk.received_at),
        "project": chunk.project_id,
        "hints": chunk.hints,
    }
    return orjson.dumps(head) + b"\n" + chunk.payload


def decode_chunk(data: bytes) -> LogChunk:
    """Read what `encode_chunk` wrote, or an item of Sentry's SDKs as its door keeps it.

    Raises:
        ChunkError: If it is neither.
    """
    head, _, payload = data.partition(b"\n")
    try:
        if not head.startswith(_HEAD):
            return _from_item(decode_record(data))
        values = orjson.loads(head)
        if values["log"] != _VERSION:
            raise ChunkError(f"version {values['log']} of logs in the spool is not known")
        return LogChunk(
            values["format"],
            from_milliseconds(values["received_ms"]),
            payload,
            values["project"],
            values["hints"],
        )
    except (ValueError, KeyError, TypeError, RecordError) as error:
        raise ChunkError("what lies in the spool of logs is damaged") from error


def _from_item(item: ItemRecord) -> LogChunk:
    return LogChunk(
        SENTRY, item.received_at, item.payload, item.project_id, hints={"source": SENTRY}
    )

"""How what came through a door lies in the spool: as it came, with what only the door knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from resumatch_monitor.kit.clock import from_milliseconds, to_milliseconds

_VERSION = 1


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
        "v": _VERSION,
        "format": chunk.format,
        "received_ms": to_milliseconds(chunk.received_at),
        "project": chunk.project_id,
        "hints": chunk.hints,
    }
    return orjson.dumps(head) + b"\n" + chunk.payload


def decode_chunk(data: bytes) -> LogChunk:
    """Read what `encode_chunk` wrote.

    Raises:
        ChunkError: If it did not.
    """
    head, _, payload = data.partition(b"\n")
    try:
        values = orjson.loads(head)
        if values["v"] != _VERSION:
            raise ChunkError(f"version {values['v']} of logs in the spool is not known")
        return LogChunk(
            values["format"],
            from_milliseconds(values["received_ms"]),
            payload,
            values["project"],
            values["hints"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ChunkError("what lies in the spool of logs is damaged") from error

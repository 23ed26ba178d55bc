"""Minified frames get their original places before their events are prepared."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import orjson

from resumatch_monitor.sentry.items import (
    ItemKind,
    RecordError,
    decode_record,
    encode_record,
)
from resumatch_monitor.sentry.values import as_dict

_SIGNS = (b'"javascript"', b'"node"', b'"debug_meta"')
"""One of them is in every event that may have minified frames."""


class FrameResolver(Protocol):
    """Knows where minified code came from."""

    def resolve(self, project_id: int, raw: dict[str, Any]) -> bool:
        """Give the frames of an event their original places, and tell whether any has one.

        It blocks, for a bounded time, and raises nothing.
        """
        ...


def resolve_records(records: Sequence[bytes], resolver: FrameResolver) -> list[bytes]:
    """Return the records of the spool with original places in the events that have some.

    What it adds is then scrubbed with the event, and what different builds make of the same code
    is grouped together. It blocks; records without minified frames cost a look at their bytes, and
    one that cannot be read stays as it is.
    """
    return [_resolve(data, resolver) if _may_be_minified(data) else data for data in records]


def _may_be_minified(data: bytes) -> bool:
    return any(sign in data for sign in _SIGNS)


def _resolve(data: bytes, resolver: FrameResolver) -> bytes:
    try:
        record = decode_record(data)
        if record.kind is not ItemKind.EVENT:
            return data
        raw = as_dict(orjson.loads(record.payload))
    except (RecordError, orjson.JSONDecodeError):
        return data
    if not resolver.resolve(record.project_id, raw):
        return data
    return encode_record(replace(record, payload=orjson.dumps(raw)))

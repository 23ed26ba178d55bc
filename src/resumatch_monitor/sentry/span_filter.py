"""Takes the spans of health checks out of an item of streamed spans."""

import re
from dataclasses import replace
from typing import Any

import orjson

from resumatch_monitor.sentry.filters import EventFilter
from resumatch_monitor.sentry.items import ItemRecord
from resumatch_monitor.sentry.lenient import parse_json
from resumatch_monitor.sentry.values import as_dict, as_list, as_text

_NAME_MAX = 2_000
# Most items mention none, and need not be parsed.
_HINT = re.compile(rb"health|heart.?beat|live|ready|ping|/up", re.IGNORECASE)


def drop_health_checks(record: ItemRecord, chosen: EventFilter) -> tuple[ItemRecord | None, int]:
    """Return an item without the spans of segments that are filtered, and how many those were.

    Args:
        record: Of spans, as they came.
        chosen: The filters of the project.

    Returns:
        None for the item if nothing of it is left.
    """
    if not chosen.settings.health_checks or _HINT.search(record.payload) is None:
        return record, 0
    try:
        payload = as_dict(parse_json(record.payload)[0])
    except orjson.JSONDecodeError:
        return record, 0
    spans = as_list(payload.get("items"))
    kept = [span for span in spans if chosen.find_reason_of_name(_find_segment(span)) is None]
    dropped = len(spans) - len(kept)
    if not dropped:
        return record, 0
    if not kept:
        return None, dropped
    try:
        body = orjson.dumps({**payload, "items": kept})
    except TypeError:
        # Nested more deeply than can be written; whoever digests it decides.
        return record, 0
    headers = {**record.headers, "item_count": len(kept), "length": len(body)}
    return replace(record, payload=body, headers=headers), dropped


def _find_segment(span: Any) -> str:
    """Return the name of the segment that a span belongs to; empty if it does not say."""
    said = as_dict(span)
    attributes = as_dict(said.get("attributes"))
    segment = as_text(as_dict(attributes.get("sentry.segment.name")).get("value"))
    if not segment and said.get("is_segment") is True:
        segment = as_text(said.get("name"))
    return segment[:_NAME_MAX]

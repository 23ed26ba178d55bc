"""Items of type `trace_metric`: what applications measure by their SDK."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson

from resumatch_monitor.sentry.lenient import parse_json
from resumatch_monitor.sentry.values import as_dict, as_list, is_dict, is_list

_MOST_IN_AN_ITEM = 10_000


class MeasurementSink(Protocol):
    """Stores measurements."""

    async def take(self, project: str, items: Sequence[Mapping[str, Any]]) -> int:
        """Store measurements of the project of that slug; return how many are refused.

        Raises:
            SpoolFullError: If nothing can be stored at the moment.
        """
        ...


def read_measurements(payload: bytes) -> list[dict[str, Any]]:
    """Return the measurements in an item, at most 10,000; none if it cannot be read."""
    try:
        value = parse_json(payload)[0]
    except orjson.JSONDecodeError:
        return []
    if is_list(value):
        found = as_list(value)
    else:
        whole = as_dict(value)
        found = as_list(whole["items"]) if is_list(whole.get("items")) else [whole]
    return [as_dict(each) for each in found[:_MOST_IN_AN_ITEM] if is_dict(each) and each]

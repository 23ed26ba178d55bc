from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from resumatch_monitor.sentry.filters import EventFilter
from resumatch_monitor.sentry.items import ItemKind, ItemRecord
from resumatch_monitor.sentry.settings import FilterSettings
from resumatch_monitor.sentry.span_filter import drop_health_checks

_ON = EventFilter(FilterSettings())


def make_record(payload: bytes, count: int = 0) -> ItemRecord:
    return ItemRecord(
        kind=ItemKind.SPAN,
        project_id=1,
        item_id="1" * 32,
        received_at=datetime(2026, 11, 26, tzinfo=UTC),
        payload=payload,
        headers={"item_count": count, "length": len(payload)},
    )


def make_span(segment: str, **over: Any) -> dict[str, Any]:
    attributes = {"sentry.segment.name": {"value": segment, "type": "string"}}
    return {"name": "SELECT", "attributes": attributes, **over}


def filter_spans(*spans: Any, chosen: EventFilter = _ON) -> tuple[list[Any] | None, int]:
    record = make_record(orjson.dumps({"version": 2, "items": list(spans)}), len(spans))
    kept, dropped = drop_health_checks(record, chosen)
    if kept is None:
        return None, dropped
    if dropped:
        assert kept.headers["item_count"] == len(spans) - dropped
        assert kept.headers["length"] == len(kept.payload)
    return orjson.loads(kept.payload)["items"], dropped


def test_spans_of_health_checks_are_taken_out_of_an_item() -> None:
    check, work = make_span("GET /healthz"), make_span("GET /cart")
    root = {"name": "GET /ready", "is_segment": True}

    assert filter_spans(check, work, root) == ([work], 2)
    assert filter_spans(check, root) == (None, 2)
    assert filter_spans(work) == ([work], 0)


def test_a_project_may_keep_them() -> None:
    off = EventFilter(FilterSettings(health_checks=False))

    assert filter_spans(make_span("GET /healthz"), chosen=off)[1] == 0


@pytest.mark.parametrize(
    "payload",
    [
        b"health",
        b'{"items": "health"}',
        b'["health"]',
        b'{"items":[1,null,"health",{"attributes":[]},{"is_segment":1,"name":{}}]}',
        b'{"a":"health","items":['
        + b"[" * 500
        + b"]" * 500
        + b',{"is_segment":true,"name":"/up"}]}',
        b'{"version":1,"op":"ping","name":"x"}',
    ],
)
def test_what_cannot_be_read_is_left_to_whoever_digests_it(payload: bytes) -> None:
    record = make_record(payload)

    assert drop_health_checks(record, _ON) == (record, 0)

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import METRIC_NAME
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.samples import SampleBatch
from resumatch_monitor.metrics.trace_metrics import BOUNDS, TraceMetricReceiver
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio


class Sink:
    """Keeps the last value of each series, and refuses a moment twice, as the store does."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.labels: dict[str, dict[str, str]] = {}
        self.times: dict[object, int] = {}

    async def append_batch(self, batch: SampleBatch) -> None:
        for index, series in enumerate(batch.labels):
            labels = dict(series)
            name = labels.pop(METRIC_NAME)
            le = labels.get("le")
            for position in range(batch.offsets[index], batch.offsets[index + 1]):
                assert batch.times[position] > self.times.get(series, -1)
                self.times[series] = int(batch.times[position])
                self.values[f"{name}[{le}]" if le else name] = float(batch.values[position])
                self.labels[name] = labels


def build_receiver(clock: FakeClock) -> tuple[TraceMetricReceiver, Sink, MetadataStore]:
    sink, metadata = Sink(), MetadataStore()
    receiver = TraceMetricReceiver(sink=sink, metadata=metadata, telemetry=Telemetry(), clock=clock)
    return receiver, sink, metadata


def make_item(kind: str, value: object, name: str = "cart.items", **over: Any) -> dict[str, Any]:
    return {"type": kind, "name": name, "value": value, "timestamp": 1.0, **over}


async def test_a_counter_s_increments_are_summed_up(clock: FakeClock) -> None:
    receiver, sink, metadata = build_receiver(clock)

    await receiver.take("shop", [make_item("counter", 2), make_item("counter", 3)])
    await receiver.take("shop", [make_item("counter", 1), make_item("counter", -9)])

    assert sink.values == {"cart_items_total": 6.0}
    assert metadata.read("cart_items_total")[0]["type"] == "counter"


async def test_a_gauge_is_its_latest_value(clock: FakeClock) -> None:
    receiver, sink, _ = build_receiver(clock)

    await receiver.take(
        "shop",
        [make_item("gauge", 7, timestamp=9.0), make_item("gauge", 5, timestamp=3.0)],
    )

    assert sink.values == {"cart_items": 7.0}


async def test_a_distribution_is_a_histogram_that_grows(clock: FakeClock) -> None:
    receiver, sink, _ = build_receiver(clock)
    items = [make_item("distribution", value, "load", unit="millisecond") for value in (1, 30, 7e9)]

    await receiver.take("shop", items)
    await receiver.take("shop", items[:1])

    assert sink.values["load_milliseconds_count"] == 4
    assert sink.values["load_milliseconds_sum"] == 7e9 + 32
    assert sink.values["load_milliseconds_bucket[1.0]"] == 2
    assert sink.values["load_milliseconds_bucket[25.0]"] == 2
    assert sink.values["load_milliseconds_bucket[50.0]"] == 3
    assert sink.values["load_milliseconds_bucket[+Inf]"] == 4
    assert len(sink.values) == len(BOUNDS) + 3


@pytest.mark.parametrize(
    ("name", "unit", "kind", "expected"),
    [
        ("queue.size", "", "gauge", "queue_size"),
        ("response-time", "second", "gauge", "response_time_seconds"),
        ("body", "byte", "gauge", "body_bytes"),
        ("hits", "ratio", "gauge", "hits_ratio"),
        ("mails", "mail", "counter", "mails_mail_total"),
        ("2nd.try", "none", "gauge", "_2nd_try"),
    ],
)
async def test_names_and_units_are_those_of_prometheus(
    clock: FakeClock, name: str, unit: str, kind: str, expected: str
) -> None:
    receiver, sink, _ = build_receiver(clock)

    await receiver.take("shop", [make_item(kind, 1, name, unit=unit)])

    assert list(sink.values) == [expected]


async def test_attributes_are_labels_but_of_no_single_person(clock: FakeClock) -> None:
    receiver, sink, _ = build_receiver(clock)
    attributes = {
        "endpoint": {"value": "/cart", "type": "string"},
        "paid": {"value": True, "type": "boolean"},
        "sentry.environment": {"value": "production", "type": "string"},
        "sentry.sdk.name": {"value": "sentry.python", "type": "string"},
        "user.id": {"value": "17", "type": "string"},
        "server.address": {"value": "web-1", "type": "string"},
        "project": {"value": "other", "type": "string"},
        "__name__": {"value": "evil", "type": "string"},
        "le": "7",
        "list": {"value": [1], "type": "array"},
        **{f"z{number}": "x" * 900 for number in range(90)},
    }

    await receiver.take("shop", [make_item("gauge", 1, attributes=attributes)])

    labels = sink.labels["cart_items"]
    assert {key: value for key, value in labels.items() if not key.startswith("z")} == {
        "endpoint": "/cart",
        "paid": "true",
        "environment": "production",
        "server_address": "web-1",
        "project": "shop",
    }
    assert len(labels) <= 21
    assert max(map(len, labels.values())) == 200


async def test_many_requests_in_one_millisecond_keep_their_order(clock: FakeClock) -> None:
    receiver, sink, _ = build_receiver(clock)

    for _ in range(20):
        await receiver.take("shop", [make_item("counter", 1)])

    assert sink.values == {"cart_items_total": 20.0}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=5,
)
_ITEM = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["counter", "gauge", "distribution", "set"]) | _JSON,
        "name": st.text(max_size=9) | _JSON,
        "value": st.floats() | st.integers() | _JSON,
        "unit": st.text(max_size=9) | _JSON,
        "attributes": _JSON,
        "timestamp": _JSON,
    },
)


@given(st.lists(_ITEM, max_size=5))
async def test_nothing_that_is_sent_breaks_it(items: Sequence[Mapping[str, Any]]) -> None:
    receiver, _, _ = build_receiver(FakeClock())

    problems = await receiver.take("shop", items)

    assert problems.count <= len(items)

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from resumatch_monitor.metrics.label_limits import LabelLimits
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.otlp.body import parse_json, parse_protobuf
from resumatch_monitor.metrics.otlp.convert import Converter
from resumatch_monitor.metrics.otlp.deltas import DeltaSums
from resumatch_monitor.metrics.otlp.points import format_bound
from resumatch_monitor.metrics.otlp.problems import MalformedOtlpError
from resumatch_monitor.metrics.otlp.receiver import PartialSuccess
from resumatch_monitor.metrics.push_config import PushConfig
from resumatch_monitor.metrics.samples import STALE_BITS
from tests.support.clock import FakeClock
from tests.support.push import PushStack, open_stack

pytestmark = pytest.mark.anyio

SHOP = {"service.name": "shop", "service.namespace": "eu", "service.instance.id": "a"}
TARGET = {"job": "eu/shop", "instance": "a"}
CUMULATIVE, DELTA = 2, 1
FINE = PartialSuccess(0, "")


@pytest.fixture
def stack(tmp_path: Path, clock: FakeClock) -> Iterator[PushStack]:
    with open_stack(tmp_path, clock=clock) as stack:
        yield stack


def attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]


def build(
    *metrics: Mapping[str, Any], resource: Mapping[str, Any] = SHOP
) -> ExportMetricsServiceRequest:
    document = {
        "resourceMetrics": [
            {
                "resource": {"attributes": attributes(resource)},
                "scopeMetrics": [{"scope": {"name": "test"}, "metrics": list(metrics)}],
            }
        ]
    }
    return json_format.ParseDict(document, ExportMetricsServiceRequest())


def point(stack: PushStack, *, ago_ms: int = 0, **over: Any) -> dict[str, Any]:
    labels = over.pop("labels", {})
    time = (stack.now_ms - ago_ms) * 1_000_000
    return {"timeUnixNano": time, "attributes": attributes(labels), **over}


def gauge(name: str, *points: Any, unit: str = "") -> dict[str, Any]:
    return {"name": name, "unit": unit, "gauge": {"dataPoints": list(points)}}


def counter(
    name: str, *points: Any, temporality: int = CUMULATIVE, is_monotonic: bool = True
) -> dict[str, Any]:
    return {
        "name": name,
        "description": "How many.",
        "sum": {
            "dataPoints": list(points),
            "aggregationTemporality": temporality,
            "isMonotonic": is_monotonic,
        },
    }


def histogram(name: str, *points: Any, temporality: int = CUMULATIVE) -> dict[str, Any]:
    return {
        "name": name,
        "unit": "s",
        "histogram": {"dataPoints": list(points), "aggregationTemporality": temporality},
    }


async def take(stack: PushStack, request: ExportMetricsServiceRequest) -> PartialSuccess:
    return await stack.otlp.take(request.SerializeToString(), is_json=False)


def series(name: str, **labels: str) -> Labels:
    return Labels.of({**TARGET, **labels}, __name__=name)


async def test_gauges_and_sums_are_stored_under_prometheus_names(stack: PushStack) -> None:
    request = build(
        gauge("cpu.use", point(stack, asDouble=0.5, labels={"cpu.core": "1"}), unit="1"),
        counter("requests", point(stack, asInt=7)),
        counter("in.flight", point(stack, asInt=-3), is_monotonic=False),
    )

    assert await take(stack, request) == FINE

    now = stack.now_ms
    assert stack.samples("cpu_use_ratio") == {series("cpu_use_ratio", cpu_core="1"): {now: 0.5}}
    assert stack.samples("requests_total") == {series("requests_total"): {now: 7.0}}
    assert stack.samples("in_flight") == {series("in_flight"): {now: -3.0}}
    assert stack.metadata.read("requests_total") == [
        {"type": "counter", "help": "How many.", "unit": ""}
    ]
    assert stack.metadata.read("in_flight")[0]["type"] == "gauge"
    assert stack.own_metric("pushed_samples_total", protocol="otlp") == 3


async def test_a_histogram_becomes_a_classic_one(stack: PushStack) -> None:
    one = point(
        stack, count=6, sum=2.5, bucketCounts=[1, 2, 3], explicitBounds=[0.005, 1.0], min=0.0
    )

    assert await take(stack, build(histogram("latency", one))) == FINE

    now = stack.now_ms
    name = "latency_seconds"
    assert stack.samples(f"{name}_bucket") == {
        series(f"{name}_bucket", le="0.005"): {now: 1.0},
        series(f"{name}_bucket", le="1"): {now: 3.0},
        series(f"{name}_bucket", le="+Inf"): {now: 6.0},
    }
    assert stack.samples(f"{name}_count") == {series(f"{name}_count"): {now: 6.0}}
    assert stack.samples(f"{name}_sum") == {series(f"{name}_sum"): {now: 2.5}}


async def test_a_histogram_without_buckets_or_sum_has_what_is_there(stack: PushStack) -> None:
    await take(stack, build(histogram("latency", point(stack, count=6))))

    name = "latency_seconds"
    assert stack.samples(f"{name}_bucket") == {
        series(f"{name}_bucket", le="+Inf"): {stack.now_ms: 6.0}
    }
    assert stack.samples(f"{name}_sum") == {}


async def test_a_summary_has_its_quantiles(stack: PushStack) -> None:
    quantiles = [{"quantile": 0.5, "value": 1.5}, {"quantile": 1.0, "value": 9.0}]
    one = point(stack, count=2, sum=3.0, quantileValues=quantiles)

    await take(stack, build({"name": "size", "summary": {"dataPoints": [one]}}))

    now = stack.now_ms
    assert stack.samples("size") == {
        series("size", quantile="0.5"): {now: 1.5},
        series("size", quantile="1"): {now: 9.0},
    }
    assert stack.samples("size_count") == {series("size_count"): {now: 2.0}}
    assert stack.samples("size_sum") == {series("size_sum"): {now: 3.0}}


async def test_a_point_without_a_recorded_value_ends_its_series(stack: PushStack) -> None:
    await take(stack, build(gauge("gone", point(stack, flags=1))))

    [block] = [each for each in stack.store.select([], 0, stack.now_ms) if each.labels[0]["job"]]
    assert block.values.view(np.uint64).tolist() == [[STALE_BITS]]


async def test_target_info_tells_the_rest_of_the_resource(stack: PushStack) -> None:
    resource = {**SHOP, "host.name": "h1", "service.version": "2"}
    await take(stack, build(gauge("g", point(stack, asInt=1)), resource=resource))
    await take(stack, build(gauge("h", point(stack, asInt=1)), resource={"host.name": "nameless"}))

    assert stack.samples("target_info") == {
        series("target_info", host_name="h1", service_version="2"): {stack.now_ms: 1.0}
    }
    assert stack.samples("h") == {Labels.of(__name__="h"): {stack.now_ms: 1.0}}


async def test_chosen_attributes_of_the_resource_are_labels_of_its_series(
    tmp_path: Path, clock: FakeClock
) -> None:
    config = PushConfig(promote_resource_attributes=["deployment.environment.name", "absent"])
    resource = {**SHOP, "deployment.environment.name": "staging"}
    with open_stack(tmp_path, clock=clock, config=config) as stack:
        await take(stack, build(gauge("g", point(stack, asInt=1)), resource=resource))

        assert list(stack.samples("g")) == [series("g", deployment_environment_name="staging")]


async def test_attributes_that_share_a_label_are_joined(stack: PushStack) -> None:
    labels = {"a.b": "1", "a_b": "2", "job": "mine", "...": "nothing"}
    await take(stack, build(gauge("g", point(stack, asInt=1, labels=labels))))

    assert list(stack.samples("g")) == [series("g", a_b="1;2")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"stringValue": "x"}, "x"),
        ({"boolValue": True}, "true"),
        ({"intValue": "12"}, "12"),
        ({"doubleValue": 1.0}, "1"),
        ({"doubleValue": 0.25}, "0.25"),
        ({"bytesValue": "AQI="}, "AQI="),
        ({"arrayValue": {"values": [{"intValue": 1}, {"stringValue": "b"}]}}, '[1,"b"]'),
        (
            {"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": False}}]}},
            '{"k":false}',
        ),
    ],
)
async def test_attributes_of_any_type_are_texts(
    stack: PushStack, value: dict[str, Any], text: str
) -> None:
    one = {**point(stack, asInt=1), "attributes": [{"key": "k", "value": value}]}

    await take(stack, build(gauge("g", one)))

    assert list(stack.samples("g")) == [series("g", k=text)]


async def test_exemplars_are_kept_of_counters_and_buckets(stack: PushStack) -> None:
    def exemplar(value: float) -> dict[str, Any]:
        return {
            "timeUnixNano": stack.now_ms * 1_000_000,
            "asDouble": value,
            "traceId": "AQIDBAUGBwgJCgsMDQ4PEA==",
            "spanId": "AQIDBAUGBwg=",
            "filteredAttributes": attributes({"user.id": "7"}),
        }

    one = point(
        stack,
        count=2,
        sum=1.0,
        bucketCounts=[1, 1, 0],
        explicitBounds=[0.5, 1.0],
        exemplars=[exemplar(0.5), exemplar(5.0)],
    )
    two = point(stack, asInt=1, exemplars=[exemplar(1.0)])
    three = point(stack, asInt=1, exemplars=[exemplar(1.0)])

    await take(stack, build(histogram("h", one), counter("c", two), gauge("g", three)))

    found = {
        each.series: [(one.value, dict(one.labels)) for one in each.exemplars]
        for each in stack.exemplars.find([], 0, stack.now_ms, limit=10)
    }
    labels = {
        "trace_id": "0102030405060708090a0b0c0d0e0f10",
        "span_id": "0102030405060708",
        "user.id": "7",
    }
    assert found == {
        series("c_total"): [(1.0, labels)],
        series("h_seconds_bucket", le="0.5"): [(0.5, labels)],
        series("h_seconds_bucket", le="+Inf"): [(5.0, labels)],
    }


async def test_deltas_are_summed_up(stack: PushStack, clock: FakeClock) -> None:
    for value in (3, 4, 5):
        await take(stack, build(counter("c", point(stack, asInt=value), temporality=DELTA)))
        await clock.advance(10)

    assert list(stack.samples("c_total")[series("c_total")].values()) == [3.0, 7.0, 12.0]


async def test_a_delta_that_is_sent_again_is_not_added_again(stack: PushStack) -> None:
    request = build(counter("c", point(stack, asInt=3), temporality=DELTA))
    stack.disk.is_full = True
    with pytest.raises(Exception, match="bytes of disk are free"):
        await take(stack, request)
    stack.disk.is_full = False

    assert await take(stack, request) == FINE
    assert await take(stack, request) == FINE

    assert stack.samples("c_total") == {series("c_total"): {stack.now_ms: 3.0}}


async def test_an_old_delta_is_refused(stack: PushStack) -> None:
    await take(stack, build(counter("c", point(stack, asInt=3), temporality=DELTA)))

    late = build(counter("c", point(stack, asInt=3, ago_ms=5000), temporality=DELTA))
    refused = await take(stack, late)

    assert refused.rejected == 1
    assert "'c': a later delta of the series was added before" in refused.message


async def test_delta_histograms_are_summed_up_bucket_by_bucket(
    stack: PushStack, clock: FakeClock
) -> None:
    async def send(counts: Sequence[int], bounds: Sequence[float]) -> None:
        one = point(stack, count=sum(counts), sum=1.5, bucketCounts=counts, explicitBounds=bounds)
        await take(stack, build(histogram("h", one, temporality=DELTA)))
        await clock.advance(10)

    await send([1, 2, 3], [0.5, 1.0])
    await send([1, 1, 1], [0.5, 1.0])
    await send([5, 0], [0.5])
    await send([2], [])
    await send([], [])

    counts = stack.samples("h_seconds_count")[series("h_seconds_count")]
    buckets = stack.samples("h_seconds_bucket")
    sums = stack.samples("h_seconds_sum")[series("h_seconds_sum")]
    assert list(counts.values()) == [6.0, 9.0, 5.0, 2.0, 0.0]
    assert list(buckets[series("h_seconds_bucket", le="0.5")].values()) == [1.0, 2.0, 5.0]
    assert list(buckets[series("h_seconds_bucket", le="1")].values()) == [3.0, 5.0]
    assert list(sums.values()) == [1.5, 3.0, 1.5, 1.5, 1.5]


async def test_series_of_deltas_are_bounded_and_expire(tmp_path: Path, clock: FakeClock) -> None:
    config = PushConfig(max_delta_series=2)
    with open_stack(tmp_path, clock=clock, config=config) as stack:

        async def send(*names: str) -> PartialSuccess:
            metrics = [counter(name, point(stack, asInt=1), temporality=DELTA) for name in names]
            return await take(stack, build(*metrics))

        assert await send("a", "b") == FINE
        refused = await send("c")
        assert "'c': more than 2 series are sent as deltas" in refused.message

        await clock.advance(3000)
        assert await send("b") == FINE
        await clock.advance(1000)
        assert await send("b", "c") == FINE
        assert list(stack.samples("b_total")[series("b_total")].values()) == [1.0, 2.0, 3.0]


def exponential(name: str, *points: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "exponentialHistogram": {"dataPoints": list(points)}}


@pytest.mark.parametrize(
    ("metric", "complaint"),
    [
        (exponential("e", {}, {}, {}), "'e': exponential histograms are not supported"),
        (gauge("...", {}, {}, {}), "nothing is left of its name"),
        (counter("u", {}, {}, {}, temporality=0), "neither delta nor cumulative"),
        (gauge("n", *[{"timeUnixNano": 1}] * 3), "'n': the point has no value"),
        (gauge("t", *[{"asInt": 1}] * 3), "'t': the point has no time"),
        (gauge("x" * 20_000, *[{"asInt": 1, "timeUnixNano": 1}] * 3), "its name is too long"),
        (
            histogram("b", *[{"timeUnixNano": 1, "bucketCounts": [1]}] * 3, temporality=0),
            "neither delta nor cumulative",
        ),
        (
            histogram("b", *[{"timeUnixNano": 1, "explicitBounds": [1.0, 2.0]}] * 3),
            "'b': 0 bucket counts do not fit 2 bounds",
        ),
        (
            histogram(
                "b",
                *[{"timeUnixNano": 1, "bucketCounts": [1, 2, 3], "explicitBounds": [2, 1]}] * 3,
            ),
            "do not ascend",
        ),
        (
            gauge(
                "l",
                *[{"asInt": 1, "timeUnixNano": 1, "attributes": attributes({"k": "v" * 20_000})}]
                * 3,
            ),
            "the value of label k is longer than 16384 bytes",
        ),
        (gauge("old", *[{"asInt": 1, "timeUnixNano": n} for n in (1, 10**15, 10**16)]), "older"),
    ],
)
async def test_says_which_points_it_refuses_and_stores_the_rest(
    stack: PushStack, metric: dict[str, Any], complaint: str
) -> None:
    refused = await take(stack, build(metric, gauge("fine", point(stack, asInt=1))))

    assert refused.rejected == 3
    assert complaint in refused.message
    assert len(refused.message) < 600
    assert stack.samples("fine") == {series("fine"): {stack.now_ms: 1.0}}


def test_reads_json_as_javascript_exporters_send_it() -> None:
    body = b"""{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"c","unknown":[1],
        "sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[
          {"timeUnixNano":"1767614400000000000","asInt":"7","exemplars":[
            {"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708"}]},
          {"timeUnixNano":{"low":1,"high":2}.0}]}}]}]}]}""".replace(
        b'{"low":1,"high":2}.0', b"1767614400000000000"
    )

    request = parse_json(body, ExportMetricsServiceRequest)

    [metric] = request.resource_metrics[0].scope_metrics[0].metrics
    first, second = metric.sum.data_points
    assert (first.as_int, first.time_unix_nano) == (7, 1767614400000000000)
    assert second.time_unix_nano == 1767614400000000000
    assert first.exemplars[0].trace_id.hex() == "0102030405060708090a0b0c0d0e0f10"
    assert first.exemplars[0].span_id.hex() == "0102030405060708"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"resourceMetrics": 1}', "not an ExportMetricsServiceRequest"),
        (b'{"resourceMetrics":[{"traceId": "xyz"}]}', "'xyz' is not hexadecimal"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, ""),
        (b"[" * 5000, "not JSON"),
    ],
)
def test_says_that_json_is_malformed(body: bytes, complaint: str) -> None:
    if not complaint:
        parse_json(body, ExportMetricsServiceRequest)
        return
    with pytest.raises(MalformedOtlpError, match=complaint):
        parse_json(body, ExportMetricsServiceRequest)


def test_says_that_protobuf_is_malformed() -> None:
    with pytest.raises(MalformedOtlpError, match="not an ExportMetricsServiceRequest"):
        parse_protobuf(b"\x0a\xff", ExportMetricsServiceRequest)


@pytest.mark.parametrize(
    ("bound", "text"),
    [
        (0.005, "0.005"),
        (1.0, "1"),
        (1e21, "1000000000000000000000"),
        (-0.5, "-0.5"),
        (1e-7, "0.0000001"),
    ],
)
def test_writes_bounds_without_exponents(bound: float, text: str) -> None:
    assert format_bound(bound) == text


numbers = st.one_of(st.integers(0, 2**63), st.just(1767614400000000000))
small = st.integers(0, 5)
floats = st.floats(width=64)
points = st.fixed_dictionaries(
    {"time_unix_nano": numbers, "flags": st.integers(0, 1)},
    optional={
        "count": small,
        "sum": floats,
        "bucket_counts": st.lists(small, max_size=4),
        "explicit_bounds": st.lists(floats, max_size=4),
    },
)


@given(st.lists(points, max_size=5), st.sampled_from([0, 1, 2, 9]))
@settings(max_examples=80, deadline=None)
def test_no_histogram_raises(found: list[dict[str, Any]], temporality: int) -> None:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="h")
    metric.histogram.aggregation_temporality = temporality  # pyright: ignore[reportAttributeAccessIssue]
    for each in found:
        metric.histogram.data_points.add(**each)
    config = PushConfig()
    deltas = DeltaSums(clock=FakeClock(), max_series=5, expiry=config.delta_expiry)

    converted = Converter(LabelLimits(), deltas).convert(request)

    assert converted.points == len(found)
    converted.collected.build_batch()


@given(st.binary(max_size=100))
@settings(max_examples=80, deadline=None)
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    config = PushConfig()
    deltas = DeltaSums(clock=FakeClock(), max_series=5, expiry=config.delta_expiry)
    for parse in (parse_json, parse_protobuf):
        try:
            Converter(LabelLimits(), deltas).convert(parse(body, ExportMetricsServiceRequest))
        except MalformedOtlpError:
            continue

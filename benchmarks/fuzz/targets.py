"""What is fuzzed: a target takes bytes, and raises nothing unless there is a bug."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from benchmarks.fuzz.digesting import Digester
from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.exemplars import SeriesExemplars
from resumatch_monitor.metrics.label_limits import LabelLimits
from resumatch_monitor.metrics.labels import Matcher
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.otlp.problems import MalformedOtlpError
from resumatch_monitor.metrics.otlp.receiver import OtlpReceiver
from resumatch_monitor.metrics.push_config import PushConfig
from resumatch_monitor.metrics.receiver import PushTelemetry, RefusedError, RemoteWriteReceiver
from resumatch_monitor.metrics.remote_write import MalformedWriteError
from resumatch_monitor.metrics.samples import SampleBatch
from resumatch_monitor.metrics.trace_metrics import TraceMetricReceiver
from resumatch_monitor.sentry.items import decode_record
from resumatch_monitor.sentry.measurements import read_measurements
from resumatch_monitor.tracing.config import SpanLimits
from resumatch_monitor.tracing.metrics import TracingMetrics
from resumatch_monitor.tracing.receiver import OtlpTraceReceiver
from tests.clients.mutation import split

Call = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that is fuzzed.

    Attributes:
        items: Of which types the payloads of the corpus are to begin with; None for whole
            envelopes, nothing for what is in `seeds`.
    """

    items: frozenset[str] | None = frozenset()
    seeds: Sequence[bytes] = ()


_SPAN: dict[str, Any] = {
    "traceId": "5b8efff798038103d269b633813fc60c",
    "spanId": "eee19b7ec3c1b174",
    "name": "SELECT 1",
    "kind": 3,
    "startTimeUnixNano": "1795438160212000000",
    "endTimeUnixNano": 1795438160219000000,
    "attributes": [
        {"key": "db.system", "value": {"stringValue": "postgresql"}},
        {"key": "rows", "value": {"intValue": "3"}},
        {"key": "tags", "value": {"arrayValue": {"values": [{"boolValue": True}]}}},
    ],
    "events": [{"name": "exception", "timeUnixNano": "1795438160215000000"}],
    "status": {"code": 2, "message": "no"},
}
_RESOURCE: dict[str, Any] = {
    "attributes": [{"key": "service.name", "value": {"stringValue": "web"}}]
}
_OTLP_TRACES: dict[str, Any] = {
    "resourceSpans": [{"resource": _RESOURCE, "scopeSpans": [{"scope": {}, "spans": [_SPAN]}]}]
}
_POINT: dict[str, Any] = {
    "timeUnixNano": "1795438160219000000",
    "startTimeUnixNano": "1",
    "asDouble": 1.5,
}
_OTLP_METRICS: dict[str, Any] = {
    "resourceMetrics": [
        {
            "resource": _RESOURCE,
            "scopeMetrics": [
                {
                    "metrics": [
                        {"name": "a", "gauge": {"dataPoints": [_POINT]}},
                        {
                            "name": "b",
                            "unit": "By",
                            "sum": {
                                "dataPoints": [_POINT],
                                "aggregationTemporality": 1,
                                "isMonotonic": True,
                            },
                        },
                        {
                            "name": "c",
                            "histogram": {
                                "aggregationTemporality": 2,
                                "dataPoints": [
                                    {
                                        "timeUnixNano": "1795438160219000000",
                                        "count": "3",
                                        "sum": 4,
                                        "explicitBounds": [1, 2],
                                        "bucketCounts": ["1", "1", "1"],
                                    }
                                ],
                            },
                        },
                    ]
                }
            ],
        }
    ]
}
_CSP: dict[str, Any] = {
    "csp-report": {
        "document-uri": "https://shop.example/cart?x=1",
        "effective-directive": "script-src-elem",
        "violated-directive": "script-src 'self'",
        "blocked-uri": "https://evil.example/a.js",
        "source-file": "https://shop.example/app.js",
        "line-number": 12,
    }
}
_REPORTING: list[dict[str, Any]] = [
    {"type": "csp-violation", "age": 1, "url": "https://shop.example", "body": {
        "documentURL": "https://shop.example", "blockedURL": "inline",
        "effectiveDirective": "style-src"}},
    {"type": "deprecation", "body": {}},
]  # fmt: skip
_HPKP: dict[str, Any] = {
    "date-time": "2026-11-26T06:00:00Z",
    "hostname": "shop.example",
    "known-pins": ["a"],
}
_TLS: dict[str, Any] = {"expect-ct-report": _HPKP}
_CHECK_IN: dict[str, Any] = {
    "status": "ok",
    "duration": 1.5,
    "monitor_config": {"schedule": {"type": "crontab", "value": "0 3 * * 1-5"}, "timezone": "UTC"},
}
# WriteRequest{timeseries{labels{__name__=a, job=b} samples{1.5 @ 1795438160219}} metadata{a}}
_WRITE = bytes.fromhex(
    "0a2c0a0d0a085f5f6e616d655f5f1201610a080a036a6f62120162120f"
    "09000000000000f83f10dba0e6ba9f34"
    "1a0812016118010a0162"
)

TARGETS: Mapping[str, Target] = {
    "envelope": Target(items=None),
    "event": Target(items=frozenset({"event"})),
    "spans": Target(items=frozenset({"transaction", "span"})),
    "sessions": Target(items=frozenset({"session", "sessions"})),
    "check-ins": Target(items=frozenset({"check_in"}), seeds=(orjson.dumps(_CHECK_IN),)),
    "sdk-metrics": Target(items=frozenset({"trace_metric"})),
    "reports": Target(seeds=tuple(map(orjson.dumps, (_CSP, _REPORTING, _HPKP, _TLS)))),
    "otlp-traces": Target(seeds=(b"j" + orjson.dumps(_OTLP_TRACES),)),
    "otlp-metrics": Target(seeds=(b"j" + orjson.dumps(_OTLP_METRICS),)),
    "remote-write": Target(seeds=(_WRITE,)),
}


class _Nowhere:
    """Takes samples, exemplars and records, and keeps none."""

    async def append_batch(self, batch: SampleBatch) -> None:
        assert len(batch.times) >= 0

    async def append(self, found: Sequence[SeriesExemplars]) -> None:
        assert found

    def find(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, limit: int
    ) -> list[SeriesExemplars]:
        return []


class _Spool:
    """Keeps the last record."""

    def __init__(self) -> None:
        self.last = b""

    async def append(self, payload: bytes) -> None:
        self.last = payload


def build(name: str, loop: asyncio.AbstractEventLoop) -> Call:
    """Return the target of that name, ready to be called; what it awaits runs in `loop`."""
    digester = Digester(loop)
    simple: Mapping[str, Call] = {
        "envelope": digester.take_envelope,
        "event": lambda data: digester.take_item(b"event", data),
        "spans": lambda data: _take_spans(digester, data),
        "sessions": lambda data: _take_sessions(digester, data),
        "check-ins": lambda data: _take_check_ins(digester, data),
        "reports": digester.take_reports,
    }
    if name in simple:
        return simple[name]
    taking = _build_metrics(name, digester)

    def call(data: bytes) -> None:
        with contextlib.suppress(MalformedOtlpError, MalformedWriteError, RefusedError):
            loop.run_until_complete(taking(data))

    return call


def _take_spans(digester: Digester, data: bytes) -> None:
    digester.take_item(b"transaction", data)
    digester.take_item(b"span", data)


def _take_sessions(digester: Digester, data: bytes) -> None:
    digester.take_item(b"session", data)
    digester.take_item(b"sessions", data)


def _take_check_ins(digester: Digester, data: bytes) -> None:
    digester.take_item(b"check_in", data)
    digester.take_check_in({}, data)
    digester.take_check_in({"status": data[:40].decode(errors="replace")}, b"")


def _build_metrics(name: str, digester: Digester) -> Callable[[bytes], Coroutine[Any, Any, object]]:
    clock, telemetry, nowhere = SystemClock(), Telemetry(), _Nowhere()
    metadata = MetadataStore()
    if name == "sdk-metrics":
        receiver = TraceMetricReceiver(
            sink=nowhere, metadata=metadata, telemetry=telemetry, clock=clock
        )
        return lambda data: receiver.take("web", read_measurements(data))
    push = PushTelemetry(telemetry)
    if name == "remote-write":
        writes = RemoteWriteReceiver(
            sink=nowhere,
            exemplars=nowhere,
            metadata=metadata,
            telemetry=push,
            limits=LabelLimits(),
        )
        return writes.take
    if name == "otlp-metrics":
        points = OtlpReceiver(
            sink=nowhere,
            exemplars=nowhere,
            metadata=metadata,
            telemetry=push,
            config=PushConfig(),
            limits=LabelLimits(),
            clock=clock,
        )
        return lambda data: points.take(data[1:], is_json=data[:1] == b"j")
    return _build_otlp_traces(digester, telemetry)


def _build_otlp_traces(
    digester: Digester, telemetry: Telemetry
) -> Callable[[bytes], Coroutine[Any, Any, object]]:
    spool = _Spool()
    receiver = OtlpTraceReceiver(
        spool=spool,
        metrics=TracingMetrics(telemetry),
        clock=SystemClock(),
        ids=RandomIds(),
        spans_max=SpanLimits().spans_per_request,
    )

    async def take(data: bytes) -> None:
        spool.last = b""
        await receiver.take(data[1:], is_json=data[:1] == b"j")
        if spool.last:
            digester.digest_spans(decode_record(spool.last))

    return take


def find_seeds(target: Target, envelopes: Iterable[bytes]) -> list[bytes]:
    """Return what fuzzing a target begins with."""
    found = list(target.seeds)
    for body in envelopes:
        if target.items is None:
            found.append(body)
            continue
        _, items = split(body)
        found += [payload for header, payload in items if header.get("type") in target.items]
    return list(dict.fromkeys(found))

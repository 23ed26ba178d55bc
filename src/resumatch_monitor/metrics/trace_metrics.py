"""Metrics that Sentry's SDKs send: single measurements, made series as Prometheus has them.

A counter's items are increments and a distribution's are observations; both are summed up in
memory, as OTLP's deltas are. Their time is that of arrival: many processes send parts of one series
out of order, and none sends anything twice.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from prometheus_client import Counter

from resumatch_monitor.kit.clock import Clock, to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.exposition_lines import Metadata
from resumatch_monitor.metrics.labels import METRIC_NAME, Labels
from resumatch_monitor.metrics.metadata import MetadataStore
from resumatch_monitor.metrics.otlp.collected import Collected
from resumatch_monitor.metrics.otlp.deltas import DeltaError, DeltaSums
from resumatch_monitor.metrics.otlp.names import name_label, name_metric
from resumatch_monitor.metrics.problems import Problems
from resumatch_monitor.metrics.receiver import store_batch
from resumatch_monitor.metrics.samples import BatchSink

BOUNDS = tuple(float(f"{digit}e{power}") for power in range(-3, 6) for digit in (1, 2.5, 5))
"""Of every distribution's buckets: what is measured may be seconds as well as bytes."""
_SOURCE = "sentry"
_MOST_SERIES = 20_000
_EXPIRY = timedelta(hours=1)
_MOST_LABELS = 20
_LONGEST_NAME = 200
_LONGEST_VALUE = 200
_LARGEST = 1e300
# https://develop.sentry.dev/sdk/telemetry/attributes/#units, by the codes that OpenTelemetry uses.
_UNITS: Mapping[str, str] = {
    "nanosecond": "ns",
    "microsecond": "us",
    "millisecond": "ms",
    "second": "s",
    "minute": "min",
    "hour": "h",
    "day": "d",
    "week": "weeks",
    "bit": "bits",
    "byte": "By",
    "kilobyte": "KBy",
    "kibibyte": "KiBy",
    "megabyte": "MBy",
    "mebibyte": "MiBy",
    "gigabyte": "GBy",
    "gibibyte": "GiBy",
    "terabyte": "TBy",
    "tebibyte": "TiBy",
    "ratio": "1",
    "percent": "%",
    "none": "",
}
_RENAMED = {
    "sentry.environment": "environment",
    "sentry.release": "release",
    "server.address": "server_address",
}
# What would make a series of every person, request or process.
_LEFT_OUT = ("sentry.", "user.", "client.", "browser.", "device.", "os.", "process.")
_TYPES = {"counter": "counter", "gauge": "gauge", "distribution": "histogram"}


@dataclass(slots=True)
class _Gathered:
    """What a request adds to one series, or says of it."""

    kind: str
    name: str
    labels: dict[str, str]
    total: float = 0.0
    latest_at: float = -math.inf
    buckets: list[float] = field(default_factory=lambda: [0.0] * (len(BOUNDS) + 1))


class TraceMetricReceiver:
    """Takes the measurements of a request and stores what becomes of them."""

    def __init__(
        self, *, sink: BatchSink, metadata: MetadataStore, telemetry: Telemetry, clock: Clock
    ) -> None:
        self._sink = sink
        self._metadata = metadata
        self._clock = clock
        self._deltas = DeltaSums(clock=clock, max_series=_MOST_SERIES, expiry=_EXPIRY)
        self._last_ms = 0
        self._stored = Counter(
            "resumatch_monitor_sentry_metric_samples_total",
            "Samples that became of what Sentry's SDKs measured.",
            registry=telemetry.registry,
        )

    async def take(self, project: str, items: Sequence[Mapping[str, Any]]) -> Problems:
        """Store measurements of a project; durable when it returns.

        Args:
            project: Its slug, which becomes a label.
            items: As SDKs write them: `name`, `type`, `value`, and possibly `unit`,
                `attributes` and `timestamp`.

        Returns:
            What of it is refused.

        Raises:
            StoreFullError: If the store refuses the write as a whole.
        """
        problems = Problems()
        gathered: dict[Labels, _Gathered] = {}
        metadata: dict[str, Metadata] = {}
        for item in items:
            self._gather(project, item, gathered, metadata, problems)
        collected = Collected()
        # Samples of one series need moments of their own, however fast requests follow each other.
        self._last_ms = time_ms = max(to_milliseconds(self._clock.now()), self._last_ms + 1)
        for series, each in gathered.items():
            try:
                self._collect(collected, series, each, time_ms)
            except DeltaError as error:
                problems.add(str(error))
        if metadata:
            self._metadata.merge(_SOURCE, metadata)
        self._stored.inc(await store_batch(self._sink, collected.build_batch(), problems))
        return problems

    def _gather(
        self,
        project: str,
        item: Mapping[str, Any],
        gathered: dict[Labels, _Gathered],
        metadata: dict[str, Metadata],
        problems: Problems,
    ) -> None:
        kind, name, value = item.get("type"), item.get("name"), _read_number(item.get("value"))
        if (
            not isinstance(kind, str)
            or kind not in _TYPES
            or not isinstance(name, str)
            or value is None
        ):
            problems.add("a measurement without a name, a known type or a number")
            return
        unit = item.get("unit")
        unit = unit if isinstance(unit, str) else ""
        metric = name_metric(
            name[:_LONGEST_NAME],
            _UNITS.get(unit, unit[:_LONGEST_NAME]),
            is_counter=kind == "counter",
            is_gauge=kind == "gauge",
        )
        if not metric:
            problems.add("a measurement whose name has no letters")
            return
        labels = {**_read_labels(item.get("attributes")), "project": project}
        series = Labels({**labels, METRIC_NAME: metric}.items())
        found = gathered.setdefault(series, _Gathered(kind, metric, labels))
        if found.kind != kind:
            problems.add(f"{metric} is of two types")
            return
        metadata[metric] = Metadata(_TYPES[kind], "", unit[:_LONGEST_NAME])
        _add(found, value, _read_number(item.get("timestamp")) or 0.0)

    def _collect(self, collected: Collected, series: Labels, each: _Gathered, time_ms: int) -> None:
        if each.kind == "gauge":
            collected.add(each.name, each.labels, time_ms, each.total)
            return
        time_ns = time_ms * 1_000_000
        if each.kind == "counter":
            (total,) = self._deltas.add(series, [each.total], time_ns=time_ns)
            collected.add(each.name, each.labels, time_ms, total)
            return
        sums = self._deltas.add(series, [each.total, *each.buckets], time_ns=time_ns, bounds=BOUNDS)
        running = 0.0
        for bound, count in zip((*BOUNDS, math.inf), sums[1:], strict=True):
            running += count
            le = "+Inf" if math.isinf(bound) else repr(bound)
            collected.add(f"{each.name}_bucket", each.labels, time_ms, running, le=le)
        collected.add(f"{each.name}_sum", each.labels, time_ms, sums[0])
        collected.add(f"{each.name}_count", each.labels, time_ms, running)


def _read_number(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _LARGEST:
        return None
    return float(value)


def _add(found: _Gathered, value: float, at: float) -> None:
    if found.kind == "gauge":
        if at >= found.latest_at:
            found.latest_at, found.total = at, value
    elif found.kind == "counter":
        # Less than nothing cannot be counted; a counter that falls would read as a restart.
        found.total += max(0.0, value)
    else:
        found.total += value
        found.buckets[bisect_left(BOUNDS, value)] += 1


def _read_labels(attributes: object) -> dict[str, str]:
    """Return the attributes that are of use as labels: few, short, and of no single person."""
    labels: dict[str, str] = {}
    if not isinstance(attributes, dict):
        return labels
    named: Mapping[str, Any] = {str(key): value for key, value in attributes.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    for key in sorted(named):
        if len(labels) >= _MOST_LABELS:
            break
        name = _RENAMED.get(key) or ("" if key.startswith(_LEFT_OUT) else name_label(key))
        text = _render(named[key])
        if name and text and name not in ("le", METRIC_NAME):
            labels[name[:_LONGEST_NAME]] = text[:_LONGEST_VALUE]
    return labels


def _render(attribute: object) -> str:
    value: object = attribute
    if isinstance(attribute, dict):
        value = attribute.get("value")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""

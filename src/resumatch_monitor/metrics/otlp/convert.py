"""An OTLP request as samples, exemplars and metadata."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from resumatch_monitor.metrics.exposition_lines import Metadata
from resumatch_monitor.metrics.label_limits import LabelLimits
from resumatch_monitor.metrics.otlp.attributes import (
    Attributes,
    check_length,
    read_attributes,
    to_labels,
)
from resumatch_monitor.metrics.otlp.collected import Collected, TooManySeriesError
from resumatch_monitor.metrics.otlp.deltas import DeltaError, DeltaSums
from resumatch_monitor.metrics.otlp.names import name_metric
from resumatch_monitor.metrics.otlp.points import (
    Instrument,
    Point,
    PointError,
    PointReader,
    find_time_ms,
)
from resumatch_monitor.metrics.problems import Problems
from resumatch_monitor.metrics.remote_series import LabelsError

_IDENTIFYING = ("service.namespace", "service.name", "service.instance.id")
_LONGEST_TEXT = 1024
_LONGEST_NAME_SHOWN = 100
_TARGET_INFO = "target_info"
_DELTA = pb.AGGREGATION_TEMPORALITY_DELTA
_CUMULATIVE = pb.AGGREGATION_TEMPORALITY_CUMULATIVE

PointT = TypeVar("PointT", pb.NumberDataPoint, pb.HistogramDataPoint, pb.SummaryDataPoint)


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """What a request holds.

    Attributes:
        collected: Its samples and exemplars.
        metadata: By metric.
        problems: The points that are refused.
        points: How many there are, the refused ones included.
    """

    collected: Collected
    metadata: dict[str, Metadata]
    problems: Problems
    points: int


class Converter:
    """Converts requests; remembers the sums of deltas, so not for concurrent use."""

    def __init__(
        self, limits: LabelLimits, deltas: DeltaSums, *, promoted: Sequence[str] = ()
    ) -> None:
        """Build a converter.

        Args:
            limits: Beyond these a point is refused.
            deltas: Sums up what is sent as deltas.
            promoted: Attributes of resources that become labels of every series.
        """
        self._limits = limits
        self._deltas = deltas
        self._promoted = promoted

    def convert(self, request: ExportMetricsServiceRequest) -> Converted:
        """Return what can be taken of a request, and what cannot."""
        conversion = _Conversion(self._limits, self._deltas, self._promoted)
        for resource_metrics in request.resource_metrics:
            conversion.take_resource(resource_metrics)
        return conversion.finish()


class _Conversion:
    """One request while it is converted."""

    def __init__(self, limits: LabelLimits, deltas: DeltaSums, promoted: Sequence[str]) -> None:
        self._limits = limits
        self._promoted = promoted
        self._collected = Collected()
        self._reader = PointReader(self._collected, deltas)
        self._metadata: dict[str, Metadata] = {}
        self._problems = Problems()
        self._points = 0
        self._shared: dict[str, str] = {}
        self._latest_ms = 0

    def take_resource(self, resource_metrics: pb.ResourceMetrics) -> None:
        """Take all metrics of a resource, and `target_info`."""
        resource = read_attributes(resource_metrics.resource.attributes)
        self._latest_ms = 0
        try:
            self._shared = self._find_shared(resource)
        except LabelsError as error:
            self._refuse_all(resource_metrics, str(error))
            return
        for scope in resource_metrics.scope_metrics:
            for metric in scope.metrics:
                self._take_metric(metric)
        if self._latest_ms:
            self._add_target_info(resource)

    def finish(self) -> Converted:
        """Return everything."""
        return Converted(self._collected, self._metadata, self._problems, self._points)

    def _find_shared(self, resource: Attributes) -> dict[str, str]:
        """Return the labels that a resource gives to all of its series."""
        promoted = {name: resource[name] for name in self._promoted if name in resource}
        shared = to_labels(promoted, self._limits)
        namespace, name, instance = (resource.get(each, "") for each in _IDENTIFYING)
        if name:
            shared["job"] = f"{namespace}/{name}" if namespace else name
        if instance:
            shared["instance"] = instance
        for name, value in shared.items():
            check_length(name, value, self._limits)
        return shared

    def _take_metric(self, metric: pb.Metric) -> None:
        kind = metric.WhichOneof("data")
        if kind is None:
            return
        data: Any = getattr(metric, kind)
        temporality = getattr(data, "aggregation_temporality", _CUMULATIVE)
        is_counter = kind == "sum" and metric.sum.is_monotonic
        name = name_metric(
            metric.name, metric.unit, is_counter=is_counter, is_gauge=kind == "gauge"
        )
        problem = _find_problem(kind, name, temporality)
        if len(name) > self._limits.value_bytes:
            problem = "its name is too long"
        if problem:
            self._refuse(metric.name, problem, count=len(data.data_points))
            return
        self._metadata[name] = Metadata(
            "counter" if is_counter else _TYPES[kind],
            metric.description[:_LONGEST_TEXT],
            metric.unit[:_LONGEST_TEXT],
        )
        instrument = Instrument(name, temporality == _DELTA, has_exemplars=is_counter)
        if kind == "histogram":
            self._take_points(metric, instrument, data.data_points, self._reader.take_histogram)
        elif kind == "summary":
            self._take_points(metric, instrument, data.data_points, self._reader.take_summary)
        else:
            self._take_points(metric, instrument, data.data_points, self._reader.take_number)

    def _take_points(
        self,
        metric: pb.Metric,
        instrument: Instrument,
        points: Iterable[PointT],
        take: Callable[[Instrument, PointT, Mapping[str, str]], None],
    ) -> None:
        for point in points:
            try:
                labels = to_labels(read_attributes(point.attributes), self._limits)
                labels.update(self._shared)
                take(instrument, point, labels)
                self._latest_ms = max(self._latest_ms, find_time_ms(cast("Point", point)))
                self._points += 1
            except (LabelsError, PointError, DeltaError, TooManySeriesError) as error:
                self._refuse(metric.name, str(error))

    def _add_target_info(self, resource: Attributes) -> None:
        described = {name: text for name, text in resource.items() if name not in _IDENTIFYING}
        is_identified = "job" in self._shared or "instance" in self._shared
        if not described or not is_identified:
            return
        try:
            labels = {**to_labels(described, self._limits), **self._shared}
            self._collected.add(_TARGET_INFO, labels, self._latest_ms, 1.0)
        except (LabelsError, TooManySeriesError) as error:
            self._problems.add(f"{_TARGET_INFO}: {error}")
            return
        self._metadata[_TARGET_INFO] = Metadata("info", "Target metadata")

    def _refuse(self, name: str, problem: str, *, count: int = 1) -> None:
        self._points += count
        shown = name[:_LONGEST_NAME_SHOWN]
        self._problems.add(f"{shown!r}: {problem}", count=count)

    def _refuse_all(self, resource_metrics: pb.ResourceMetrics, problem: str) -> None:
        for scope in resource_metrics.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                if kind is not None:
                    count = len(getattr(metric, kind).data_points)
                    self._refuse(metric.name, problem, count=count)


_TYPES = {"gauge": "gauge", "sum": "gauge", "histogram": "histogram", "summary": "summary"}


def _find_problem(kind: str, name: str, temporality: int) -> str:
    """Return why no point of a metric can be taken; nothing if they can."""
    if not name:
        return "nothing is left of its name"
    if kind not in _TYPES:
        return "exponential histograms are not supported; use explicit bucket bounds"
    if temporality not in (_DELTA, _CUMULATIVE):
        return "its aggregation temporality is neither delta nor cumulative"
    return ""

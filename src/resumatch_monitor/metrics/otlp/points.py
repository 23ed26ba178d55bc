"""Data points of OTLP as samples of Prometheus."""

import bisect
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from resumatch_monitor.metrics.exemplars import LONGEST_LABELS, Exemplar, Pairs
from resumatch_monitor.metrics.labels import METRIC_NAME, Labels
from resumatch_monitor.metrics.otlp.attributes import read_attributes
from resumatch_monitor.metrics.otlp.collected import Collected
from resumatch_monitor.metrics.otlp.deltas import DeltaSums
from resumatch_monitor.metrics.samples import STALE

_NO_VALUE = pb.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
_NANOSECONDS = 1_000_000
_LATEST_NS = (1 << 63) - 1

Point = pb.NumberDataPoint | pb.HistogramDataPoint | pb.SummaryDataPoint


class PointError(ValueError):
    """A data point cannot be taken; the message says why."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """What the points of a metric have in common.

    Attributes:
        name: The metric's name as Prometheus has it.
        is_delta: Whether each point is what was added since the one before.
        has_exemplars: Whether those of its points are kept.
    """

    name: str
    is_delta: bool = False
    has_exemplars: bool = False


def find_time_ms(point: Point) -> int:
    """Return the time of a point in milliseconds.

    Raises:
        PointError: If it has none or is beyond all calendars.
    """
    if not 0 < point.time_unix_nano <= _LATEST_NS:
        raise PointError("the point has no time")
    return point.time_unix_nano // _NANOSECONDS


class PointReader:
    """Adds points to what is collected of a request."""

    def __init__(self, collected: Collected, deltas: DeltaSums) -> None:
        self._collected = collected
        self._deltas = deltas

    def take_number(
        self, instrument: Instrument, point: pb.NumberDataPoint, labels: Mapping[str, str]
    ) -> None:
        """Add a point of a gauge or a sum."""
        time_ms = find_time_ms(point)
        value = _read_number(point)
        if point.flags & _NO_VALUE:
            value = STALE
        elif instrument.is_delta:
            (value,) = self._deltas.add(
                _base_of(instrument, labels), [value], time_ns=point.time_unix_nano
            )
        series = self._collected.add(instrument.name, labels, time_ms, value)
        if instrument.has_exemplars:
            for exemplar in _read_exemplars(point.exemplars):
                self._collected.add_exemplar(series, exemplar)

    def take_histogram(
        self, instrument: Instrument, point: pb.HistogramDataPoint, labels: Mapping[str, str]
    ) -> None:
        """Add a point of a histogram with explicit bounds, as a classic histogram."""
        time_ms = find_time_ms(point)
        bounds, counts = tuple(point.explicit_bounds), list(point.bucket_counts)
        _check_buckets(bounds, counts)
        has_sum = point.HasField("sum")
        values = [point.sum, float(point.count), *map(float, counts)]
        if instrument.is_delta and not point.flags & _NO_VALUE:
            values = self._deltas.add(
                _base_of(instrument, labels), values, time_ns=point.time_unix_nano, bounds=bounds
            )
        total_sum, total = values[:2]
        cumulative = np.cumsum(values[2:-1]) if counts else np.empty(0)
        if point.flags & _NO_VALUE:
            total_sum = total = STALE
            cumulative = np.full(len(cumulative), STALE)
        add = self._collected.add
        if has_sum:
            add(f"{instrument.name}_sum", labels, time_ms, total_sum)
        add(f"{instrument.name}_count", labels, time_ms, total)
        bucket = f"{instrument.name}_bucket"
        series = [
            add(bucket, labels, time_ms, value, le=format_bound(bound))
            for bound, value in zip(bounds if counts else (), cumulative.tolist(), strict=True)
        ]
        series.append(add(bucket, labels, time_ms, total, le="+Inf"))
        for exemplar in _read_exemplars(point.exemplars):
            position = bisect.bisect_left(bounds if counts else (), exemplar.value)
            self._collected.add_exemplar(series[position], exemplar)

    def take_summary(
        self, instrument: Instrument, point: pb.SummaryDataPoint, labels: Mapping[str, str]
    ) -> None:
        """Add a point of a summary."""
        time_ms = find_time_ms(point)
        is_stale = bool(point.flags & _NO_VALUE)
        add = self._collected.add
        add(f"{instrument.name}_sum", labels, time_ms, STALE if is_stale else point.sum)
        add(f"{instrument.name}_count", labels, time_ms, STALE if is_stale else float(point.count))
        for each in point.quantile_values:
            value = STALE if is_stale else each.value
            add(instrument.name, labels, time_ms, value, quantile=format_bound(each.quantile))


def format_bound(bound: float) -> str:
    """Return a bucket's bound or a quantile as a label: the shortest digits, no exponent."""
    if not math.isfinite(bound):
        return "NaN" if math.isnan(bound) else ("+Inf" if bound > 0 else "-Inf")
    return np.format_float_positional(bound, trim="-")


def _base_of(instrument: Instrument, labels: Mapping[str, str]) -> Labels:
    return Labels({**labels, METRIC_NAME: instrument.name}.items())


def _check_buckets(bounds: tuple[float, ...], counts: list[int]) -> None:
    if (counts or bounds) and len(counts) != len(bounds) + 1:
        raise PointError(f"{len(counts)} bucket counts do not fit {len(bounds)} bounds")
    if any(not low < high for low, high in itertools.pairwise(bounds)):
        raise PointError("the bounds of the buckets do not ascend")
    if any(not math.isfinite(bound) for bound in bounds):
        raise PointError("a bound of the buckets is not finite")


def _read_number(point: pb.NumberDataPoint | pb.Exemplar) -> float:
    match point.WhichOneof("value"):
        case "as_double":
            return point.as_double
        case "as_int":
            return float(point.as_int)
        case _:
            if isinstance(point, pb.NumberDataPoint) and point.flags & _NO_VALUE:
                return STALE
            raise PointError("the point has no value")


def _read_exemplars(exemplars: Iterable[pb.Exemplar]) -> Iterator[Exemplar]:
    for each in exemplars:
        if each.WhichOneof("value") and 0 < each.time_unix_nano <= _LATEST_NS:
            time_ms = each.time_unix_nano // _NANOSECONDS
            yield Exemplar(_read_pairs(each), _read_number(each), time_ms)


def _read_pairs(exemplar: pb.Exemplar) -> Pairs:
    """Return the labels of an exemplar; its attributes only where there is room for all."""
    ids = {"trace_id": exemplar.trace_id.hex(), "span_id": exemplar.span_id.hex()}
    pairs = {name: value for name, value in ids.items() if value}
    attributes = read_attributes(exemplar.filtered_attributes)
    everything = {**attributes, **pairs}
    if sum(len(name) + len(value) for name, value in everything.items()) <= LONGEST_LABELS:
        pairs = everything
    return tuple(sorted(pairs.items()))

"""Prometheus' remote-write messages for protobuf's own parser, and bodies made with it."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_DOUBLE, _INT64, _INT32 = 1, 3, 5
_STRING, _MESSAGE, _ENUM = 9, 11, 14
_ONE, _MANY = 1, 3

# name: (number, type, label, message)
_MESSAGES: Mapping[str, Mapping[str, tuple[int, int, int, str]]] = {
    "Label": {"name": (1, _STRING, _ONE, ""), "value": (2, _STRING, _ONE, "")},
    "Sample": {"value": (1, _DOUBLE, _ONE, ""), "timestamp": (2, _INT64, _ONE, "")},
    "Exemplar": {
        "labels": (1, _MESSAGE, _MANY, "Label"),
        "value": (2, _DOUBLE, _ONE, ""),
        "timestamp": (3, _INT64, _ONE, ""),
    },
    "Histogram": {"sum": (3, _DOUBLE, _ONE, ""), "timestamp": (15, _INT64, _ONE, "")},
    "TimeSeries": {
        "labels": (1, _MESSAGE, _MANY, "Label"),
        "samples": (2, _MESSAGE, _MANY, "Sample"),
        "exemplars": (3, _MESSAGE, _MANY, "Exemplar"),
        "histograms": (4, _MESSAGE, _MANY, "Histogram"),
    },
    "MetricMetadata": {
        # An enumeration, which is written as a number is.
        "type": (1, _INT32, _ONE, ""),
        "metric_family_name": (2, _STRING, _ONE, ""),
        "help": (4, _STRING, _ONE, ""),
        "unit": (5, _STRING, _ONE, ""),
    },
    "WriteRequest": {
        "timeseries": (1, _MESSAGE, _MANY, "TimeSeries"),
        "metadata": (3, _MESSAGE, _MANY, "MetricMetadata"),
    },
}


def _build_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="remote.proto", package="prometheus", syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind, label, inner) in fields.items():
            message.field.add(
                name=field,
                number=number,
                type=cast("Any", kind),
                label=cast("Any", label),
                type_name=f".prometheus.{inner}" if inner else None,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("prometheus.WriteRequest"))


WriteRequest: Any = _build_class()
"""The class of `prometheus.WriteRequest`."""

Pairs = Mapping[str, str] | Iterable[tuple[str, str]]


def add_series(
    request: Any,
    labels: Pairs,
    samples: Iterable[tuple[int, float]] = (),
    *,
    is_sorted: bool = True,
) -> Any:
    """Add a series with samples by their times to a request, and return it."""
    if isinstance(labels, Mapping):
        labels = cast("Mapping[str, str]", labels).items()
    pairs = list(labels)
    series = request.timeseries.add()
    for name, value in sorted(pairs) if is_sorted else pairs:
        series.labels.add(name=name, value=value)
    for timestamp, value in samples:
        series.samples.add(timestamp=timestamp, value=value)
    return series


def write_request(*series: tuple[Pairs, Iterable[tuple[int, float]]]) -> bytes:
    """Return the body, not packed, of a request with `series`."""
    request = WriteRequest()
    for labels, samples in series:
        add_series(request, labels, samples)
    return cast("bytes", request.SerializeToString())


def pack(body: bytes) -> bytes:
    """Pack a body as senders do."""
    return bytes(cramjam.snappy.compress_raw(body))

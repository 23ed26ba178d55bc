"""Remote-write bodies (protobuf, snappy), made before anything is measured."""

from collections.abc import Iterator
from dataclasses import dataclass

import cramjam
import numpy as np

from benchmarks.metrics.data import Dataset, FloatArray, LabelPairs, TimeArray

_SAMPLE_BYTES = 18
# A varint of six bytes holds from 35 to 42 bits: the milliseconds of the years 1971 to 2109.
_TIME_BYTES = 6


@dataclass(frozen=True, slots=True)
class Body:
    """One request."""

    content: bytes
    samples: int


class Encoder:
    """Encodes slices of one data set."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._labels = [_encode_labels(labels) for labels in dataset.labels]

    def encode(self, rows: range, columns: range) -> Body:
        """Return the samples at `columns` of the series `rows`."""
        dataset = self._dataset
        begin, end = columns.start, columns.stop
        encoded = _encode_samples(
            dataset.times[begin:end], dataset.values[rows.start : rows.stop, begin:end]
        )
        size = len(columns) * _SAMPLE_BYTES
        parts: list[bytes] = []
        for row, position in zip(rows, range(0, len(encoded), size), strict=True):
            labels = self._labels[row]
            parts.append(b"\x0a" + _encode_varint(len(labels) + size) + labels)
            parts.append(encoded[position : position + size])
        content = bytes(cramjam.snappy.compress_raw(b"".join(parts)))
        return Body(content, len(rows) * len(columns))


def slice_in_time_order(
    dataset: Dataset, *, series: int, samples: int, rows: range | None = None
) -> Iterator[Body]:
    """Yield bodies of `series` series with `samples` samples each, oldest first."""
    encoder = Encoder(dataset)
    rows = rows or range(len(dataset.labels))
    for begin in range(0, len(dataset.times), samples):
        columns = range(begin, min(begin + samples, len(dataset.times)))
        for first in range(rows.start, rows.stop, series):
            yield encoder.encode(range(first, min(first + series, rows.stop)), columns)


def _encode_samples(times: TimeArray, values: FloatArray) -> bytes:
    """Return `repeated Sample samples = 2` of (S, T) values, series by series."""
    assert times[0] >= 1 << 35, "the times are milliseconds of this age"
    out = np.empty((*values.shape, _SAMPLE_BYTES), dtype=np.uint8)
    out[..., :3] = (0x12, _SAMPLE_BYTES - 2, 0x09)
    doubles = np.ascontiguousarray(values, dtype="<f8")
    out[..., 3:11] = doubles.view(np.uint8).reshape(*values.shape, 8)
    out[..., 11] = 0x10
    for place in range(_TIME_BYTES):
        more = 0x80 if place < _TIME_BYTES - 1 else 0
        out[..., 12 + place] = (times >> (7 * place)) & 0x7F | more
    return out.tobytes()


def _encode_labels(labels: LabelPairs) -> bytes:
    """Return `repeated Label labels = 1`."""
    parts: list[bytes] = []
    for pair in labels:
        name, value = (text.encode() for text in pair)
        label = b"\x0a" + _encode_varint(len(name)) + name
        label += b"\x12" + _encode_varint(len(value)) + value
        parts.append(b"\x0a" + _encode_varint(len(label)) + label)
    return b"".join(parts)


def _encode_varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)

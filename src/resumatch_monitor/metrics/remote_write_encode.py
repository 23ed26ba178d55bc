"""Builds Prometheus' remote-write 1.0 messages, in columns; see prompb/remote.proto there.

Every sample of a message is written in the same number of bytes, so that values and times are put
in place by NumPy and not one by one. Messages may be joined end to end: the result is the message
that has the series of both.
"""

import itertools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import (
    FloatArray,
    RowLayout,
    SampleBatch,
    TimeArray,
    is_absent,
)
from resumatch_monitor.metrics.wire import walk

_ByteArray = npt.NDArray[np.uint8]
_IndexArray = npt.NDArray[np.int64]

# Field numbers and wire types of WriteRequest, TimeSeries, Label and Sample.
_TIMESERIES = b"\x0a"
_LABELS = b"\x0a"
_NAME, _VALUE = b"\x0a", b"\x12"
_SAMPLES, _SAMPLE_VALUE, _SAMPLE_TIME = 0x12, 0x09, 0x10

_VALUE_BYTES = 8
_VALUE_AT = 3
_TIME_AT = 12
_WIDEST_TIME = 10
_MOST_CACHED = 200_000
_MOST_ROWS_CACHED = 20_000


@dataclass(frozen=True, slots=True)
class Encoded:
    """A message and the number of its samples."""

    body: bytes
    samples: int


NOTHING = Encoded(b"", 0)


@dataclass(frozen=True, slots=True, eq=False)
class _RowPart:
    """Some series of a row, and everything of their message but values and times.

    Attributes:
        rows: (P,) which series of the row.
        ends: (P,) where each series ends in `template`.
        value_at: (P, 8) where the bytes of each value stand.
        time_at: (P, width) where those of each time stand.
    """

    rows: _IndexArray
    ends: _IndexArray
    template: _ByteArray
    value_at: _IndexArray
    time_at: _IndexArray


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    layout: RowLayout
    width: int
    groups: Sequence[Sequence[_RowPart]]


class RemoteWriteEncoder:
    """Encodes rows and batches, dealt out to lanes: a series is always in the same one.

    What is worked out for label sets is remembered, in bounds. May be used by several threads.
    """

    def __init__(self, *, lanes: int = 1, samples_per_message: int = 10_000) -> None:
        """Remember nothing yet.

        Args:
            lanes: How many messages a group has, each for the series of one lane.
            samples_per_message: How many samples the messages of a group have together.
        """
        self._lanes = lanes
        self._most = samples_per_message
        self._label_bytes: dict[Labels, tuple[int, bytes]] = {}
        self._pair_bytes: dict[tuple[str, str], bytes] = {}
        self._rows: dict[str, _Row] = {}

    def encode_row(
        self, target_key: str, layout: RowLayout, timestamp_ms: int, values: FloatArray
    ) -> list[list[Encoded]]:
        """Encode one scrape; absent samples are left out.

        Args:
            target_key: What the layout is remembered under.
            layout: The label sets.
            timestamp_ms: When, for all of them.
            values: (len(layout.labels),)

        Returns:
            Groups, to be sent one after the other, of one message a lane.
        """
        times = np.array([timestamp_ms], dtype=np.int64)
        width = _time_width(times)
        row = self._rows.get(target_key)
        if row is None or row.layout is not layout or row.width != width:
            row = _Row(layout, width, self._plan_row(layout, width))
            if len(self._rows) >= _MOST_ROWS_CACHED:
                self._rows.clear()
            self._rows[target_key] = row
        time_bytes = _time_bytes(times, width)[0]
        return [
            [_fill(part, time_bytes, values[part.rows]) for part in group] for group in row.groups
        ]

    def encode_batch(self, batch: SampleBatch) -> list[list[Encoded]]:
        """Encode samples with times of their own; returns as `encode_row` does."""
        bounds: list[int] = batch.offsets.tolist()
        heads = [self._head(labels) for labels in batch.labels]
        pieces = [
            (lane, head, begin, min(begin + self._most, end))
            for (lane, head), (first, end) in zip(heads, itertools.pairwise(bounds), strict=True)
            for begin in range(first, end, self._most)
        ]
        if not pieces:
            return []
        size, samples = _samples_bytes(batch.times, batch.values)
        groups: list[list[Encoded]] = []
        for group in self._gather(pieces):
            lanes: list[list[bytes]] = [[] for _ in range(self._lanes)]
            counts = [0] * self._lanes
            for lane, head, begin, end in group:
                length = len(head) + (end - begin) * size
                lanes[lane] += (_TIMESERIES, _varint(length), head)
                lanes[lane].append(samples[begin * size : end * size])
                counts[lane] += end - begin
            groups.append(
                [
                    Encoded(b"".join(parts), count)
                    for parts, count in zip(lanes, counts, strict=True)
                ]
            )
        return groups

    def _gather(
        self, pieces: Sequence[tuple[int, bytes, int, int]]
    ) -> list[list[tuple[int, bytes, int, int]]]:
        groups: list[list[tuple[int, bytes, int, int]]] = [[]]
        count = 0
        for piece in pieces:
            size = piece[3] - piece[2]
            if count and count + size > self._most:
                groups.append([])
                count = 0
            groups[-1].append(piece)
            count += size
        return groups

    def _plan_row(self, layout: RowLayout, width: int) -> Sequence[Sequence[_RowPart]]:
        heads = [self._head(labels) for labels in layout.labels]
        lanes = np.fromiter((lane for lane, _ in heads), np.int64, len(heads))
        groups: list[list[_RowPart]] = []
        for first in range(0, len(heads), self._most):
            inside = lanes[first : first + self._most]
            groups.append(
                [
                    _plan_part(np.flatnonzero(inside == lane) + first, heads, width)
                    for lane in range(self._lanes)
                ]
            )
        return groups

    def _head(self, labels: Labels) -> tuple[int, bytes]:
        """Return the lane of a series, and its labels as they stand in its message."""
        known = self._label_bytes.get(labels)
        if known is not None:
            return known
        encoded = b"".join([self._pair(pair) for pair in labels.pairs])
        lane = zlib.crc32(encoded) % self._lanes
        if len(self._label_bytes) >= _MOST_CACHED:
            self._label_bytes.clear()
        self._label_bytes[labels] = (lane, encoded)
        return lane, encoded

    def _pair(self, pair: tuple[str, str]) -> bytes:
        known = self._pair_bytes.get(pair)
        if known is not None:
            return known
        name, value = (text.encode(errors="replace") for text in pair)
        inner = b"".join((_NAME, _varint(len(name)), name, _VALUE, _varint(len(value)), value))
        encoded = b"".join((_LABELS, _varint(len(inner)), inner))
        if len(self._pair_bytes) >= _MOST_CACHED:
            self._pair_bytes.clear()
        self._pair_bytes[pair] = encoded
        return encoded


def split_message(body: bytes) -> list[bytes]:
    """Split a message into those of its series, or that of one series into its samples, in order.

    Args:
        body: A message of this module; series are all that it has.
    """
    series = list(walk(body, 0, len(body)))
    if len(series) != 1:
        return [body[field.begin : field.stop] for field in series]
    head = bytearray()
    samples: list[bytes] = []
    for field in walk(body, series[0].start, series[0].stop):
        part = body[field.begin : field.stop]
        if part[0] == _SAMPLES:
            samples.append(part)
        else:
            head += part
    return [
        b"".join((_TIMESERIES, _varint(len(head) + len(sample)), head, sample))
        for sample in samples
    ]


def count_samples(body: bytes) -> int:
    """Return how many samples a message of this module has."""
    return sum(
        body[field.begin] == _SAMPLES
        for series in walk(body, 0, len(body))
        for field in walk(body, series.start, series.stop)
    )


def _plan_part(rows: _IndexArray, heads: Sequence[tuple[int, bytes]], width: int) -> _RowPart:
    size = _TIME_AT + width
    sample = bytes((_SAMPLES, size - 2, _SAMPLE_VALUE, *bytes(_VALUE_BYTES), _SAMPLE_TIME))
    blank = sample + bytes(width)
    parts: list[bytes] = []
    numbers: list[int] = rows.tolist()
    for _, head in (heads[number] for number in numbers):
        parts.append(b"".join((_TIMESERIES, _varint(len(head) + size), head, blank)))
    ends = np.cumsum(np.fromiter(map(len, parts), np.int64, len(parts)))
    starts = (ends - size)[:, np.newaxis]
    return _RowPart(
        rows=rows,
        ends=ends,
        template=np.frombuffer(b"".join(parts), dtype=np.uint8),
        value_at=starts + _VALUE_AT + np.arange(_VALUE_BYTES),
        time_at=starts + _TIME_AT + np.arange(width),
    )


def _fill(part: _RowPart, time_bytes: _ByteArray, values: FloatArray) -> Encoded:
    count = len(values)
    if not count:
        return NOTHING
    body = part.template.copy()
    body[part.value_at] = np.ascontiguousarray(values).view(np.uint8).reshape(count, _VALUE_BYTES)
    body[part.time_at] = time_bytes
    absent = is_absent(values)
    if absent.any():
        lengths = np.diff(part.ends, prepend=0)
        body = body[np.repeat(~absent, lengths)]
        count -= int(np.count_nonzero(absent))
    return Encoded(body.tobytes(), count)


def _samples_bytes(times: TimeArray, values: FloatArray) -> tuple[int, bytes]:
    """Return how many bytes each sample has, and those of all of them."""
    width = _time_width(times)
    size = _TIME_AT + width
    table = np.empty((len(times), size), dtype=np.uint8)
    table[:, :_VALUE_AT] = (_SAMPLES, size - 2, _SAMPLE_VALUE)
    table[:, _VALUE_AT : _VALUE_AT + _VALUE_BYTES] = (
        np.ascontiguousarray(values).view(np.uint8).reshape(len(values), _VALUE_BYTES)
    )
    table[:, _TIME_AT - 1] = _SAMPLE_TIME
    table[:, _TIME_AT:] = _time_bytes(times, width)
    return size, table.tobytes()


def _time_width(times: TimeArray) -> int:
    """Return how many bytes the longest of `times` takes as a varint."""
    first, last = int(times.min()), int(times.max())
    if first < 0:
        return _WIDEST_TIME
    return max(1, -(-last.bit_length() // 7))


def _time_bytes(times: TimeArray, width: int) -> _ByteArray:
    """Return (N, width): varints, all of one width; a reader ignores leading zeros."""
    bits = times.astype(np.int64, copy=False).view(np.uint64)
    shifts = np.arange(width, dtype=np.uint64) * np.uint64(7)
    table = ((bits[:, np.newaxis] >> shifts) & np.uint64(0x7F)).astype(np.uint8)
    table[:, :-1] |= 0x80
    return table


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    parts = bytearray()
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)

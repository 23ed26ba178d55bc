"""Sample arrays, the NaN payloads that mean something, and how samples are read and written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from resumatch_monitor.metrics.labels import Labels, Matcher

FloatArray = npt.NDArray[np.float64]
TimeArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

STALE_BITS = 0x7FF0000000000002
"""Prometheus' staleness marker (`model/value`): the series has ended."""
ABSENT_BITS = 0x7FF0000000000003
"""In a matrix of ours: this series has no sample at this timestamp. Never stored for a series."""

STALE = float(np.uint64(STALE_BITS).view(np.float64))
ABSENT = float(np.uint64(ABSENT_BITS).view(np.float64))


def is_stale(values: FloatArray) -> BoolArray:
    """Return where `values` (any shape) are staleness markers, comparing bits."""
    return values.view(np.uint64) == np.uint64(STALE_BITS)


def is_absent(values: FloatArray) -> BoolArray:
    """Return where `values` (any shape) are absent, comparing bits."""
    return values.view(np.uint64) == np.uint64(ABSENT_BITS)


RowReader = Callable[[int, int], FloatArray]
"""Returns the rows from the first argument up to the second, (rows, T), only for reading."""


class SeriesBlock:
    """S series that share T timestamps.

    What a store has compressed is decoded as rows are asked for, so that a query over much never
    holds all of it.

    Attributes:
        labels: The S distinct label sets.
        timestamps: (T,) milliseconds since the epoch, strictly ascending.
    """

    __slots__ = ("_read", "labels", "timestamps")

    def __init__(
        self, labels: Sequence[Labels], timestamps: TimeArray, values: FloatArray | RowReader
    ) -> None:
        """Make a block of `values`, (S, T), or of what reads them."""
        self.labels = labels
        self.timestamps = timestamps
        self._read: RowReader
        if callable(values):
            self._read = values
        else:
            self._read = _reader_of(values)

    @property
    def size(self) -> int:
        """S x T."""
        return len(self.labels) * len(self.timestamps)

    @property
    def values(self) -> FloatArray:
        """(S, T); `ABSENT` where a series has no sample, `STALE` where it ended."""
        return self.rows(0, len(self.labels))

    def rows(self, first: int, last: int) -> FloatArray:
        """Return the values of the series `first` up to `last`; each call may decode them anew."""
        return self._read(first, last)


def _reader_of(values: FloatArray) -> RowReader:
    return lambda first, last: values[first:last]


class Queryable(Protocol):
    """Something that samples can be read from. Methods may block: call them in a thread."""

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[SeriesBlock]:
        """Return the samples in `[start_ms, end_ms]` of the series that match all of `matchers`.

        A label set appears in exactly one block. A series without a sample in the range may be
        there, absent throughout. The arrays belong to the caller only for reading.
        """
        ...

    def find_series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        """Return, sorted, the label sets that match and may have samples in the range."""
        ...

    def find_label_names(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        """Return, sorted, the label names of the series that match."""
        ...

    def find_label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        """Return, sorted, the values that label `name` has among the series that match."""
        ...


class RowLayout:
    """The label sets of a target's scrape, in order.

    A scraper passes the same object again while the set is unchanged, and so spares the store the
    look-up of every series (identity is the fast path).
    """

    __slots__ = ("labels",)

    def __init__(self, labels: Sequence[Labels]) -> None:
        self.labels = tuple(labels)


@dataclass(frozen=True, slots=True, eq=False)
class SampleBatch:
    """N samples of S series in columns, each with a time of its own.

    Attributes:
        labels: The S label sets; distinct. An object that was passed before is found faster.
        offsets: (S + 1,) from 0 to N: the samples of series `s` are `offsets[s]` to
            `offsets[s + 1]`.
        times: (N,) milliseconds since the epoch, in any order within a series.
        values: (N,)
    """

    labels: Sequence[Labels]
    offsets: TimeArray
    times: TimeArray
    values: FloatArray


class SampleSink(Protocol):
    """Something that samples can be written to. When a call returns, they are durable."""

    async def append_row(
        self, target_key: str, layout: RowLayout, timestamp_ms: int, values: FloatArray
    ) -> None:
        """Append one scrape of one target: `values[i]` belongs to `layout.labels[i]`.

        Args:
            target_key: Names the target across restarts, e.g. job and instance.
            layout: The label sets of the row; distinct.
            timestamp_ms: The scrape's start; later than the target's last row.
            values: (len(layout.labels),); may hold staleness markers.

        Raises:
            StoreFullError: If the store is at its limit or the disk is nearly full.
        """
        ...

    async def append_samples(self, series: Sequence[tuple[Labels, TimeArray, FloatArray]]) -> None:
        """Append samples with timestamps of their own, a series each.

        Raises:
            SamplesRejectedError: If some cannot be stored; all the others are durable.
            StoreFullError: If the store is at its limit or the disk is nearly full.
        """
        ...


class BatchSink(Protocol):
    """A sink for what arrives by the thousand from elsewhere: remote write, OTLP."""

    async def append_batch(self, batch: SampleBatch) -> None:
        """Append samples of any age inside the retention; durable when it returns.

        Raises:
            SamplesRejectedError: If some cannot be stored; all the others are durable.
            StoreFullError: If the store is at its limit or the disk is nearly full.
        """
        ...


class StoreFullError(Exception):
    """A store refuses a write because of a limit or because the disk is nearly full."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """One sample that cannot be stored.

    Attributes:
        reason: `conflict` (the series has another value at that time), `too_old` (before the
            retention), `too_new` (too far in the future) or `series_limit` (a new series where no
            more are allowed).
    """

    labels: Labels
    timestamp_ms: int
    reason: str


class SamplesRejectedError(Exception):
    """Some samples of a write cannot be stored; all its others are durable.

    Attributes:
        rejections: The first of them.
        count: How many there are.
    """

    def __init__(self, rejections: Sequence[Rejection], *, count: int) -> None:
        first = rejections[0]
        others = f" (and {count - 1} more)" if count > 1 else ""
        super().__init__(
            f"{first.labels!r} at {first.timestamp_ms} ms: {_REASONS[first.reason]}{others}"
        )
        self.rejections = tuple(rejections)
        self.count = count


_REASONS = {
    "conflict": "the series already has another value at that time",
    "too_old": "the sample is older than the retention",
    "too_new": "the sample is too far in the future",
    "series_limit": (
        "it would be a series more than metrics.max_series; does a label have too many values?"
    ),
}

"""What is asked of a store beyond reading and writing samples: its size, deletion, copies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from resumatch_monitor.metrics.labels import Matcher


@dataclass(frozen=True, slots=True)
class Cardinality:
    """How many series there are and which labels make them so many; the largest come first.

    Attributes:
        series: Label sets that have samples.
        label_pairs: Distinct pairs of a label and a value.
        metrics: Distinct metric names.
        labels: Distinct label names.
        chunks: Pieces of series that are not sealed yet.
        min_ms: The time of the oldest sample, None if there is none.
        max_ms: The time of the newest sample, None if there is none.
        by_metric: Metrics with their numbers of series.
        values_by_label: Labels with their numbers of distinct values.
        bytes_by_label: Labels with the bytes of their values, counted once a series.
        series_by_pair: Pairs of a label and a value with their numbers of series.
    """

    series: int
    label_pairs: int
    metrics: int
    labels: int
    chunks: int
    min_ms: int | None
    max_ms: int | None
    by_metric: Sequence[tuple[str, int]]
    values_by_label: Sequence[tuple[str, int]]
    bytes_by_label: Sequence[tuple[str, int]]
    series_by_pair: Sequence[tuple[tuple[str, str], int]]


@dataclass(frozen=True, slots=True)
class LabelCardinality:
    """One label among the series of one metric.

    Attributes:
        series: Series of the metric that have the label.
        values: Distinct values.
        size_bytes: Of the values, counted once a series.
        top_values: The values that most series have, with their numbers of series.
    """

    label: str
    series: int
    values: int
    size_bytes: int
    top_values: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class MetricCardinality:
    """The series of one metric, and its labels, those with the most values first."""

    metric: str
    series: int
    labels: Sequence[LabelCardinality]


class CardinalitySource(Protocol):
    """A store that can tell what it consists of. Methods block: call them in a thread."""

    def cardinality(self, limit: int) -> Cardinality:
        """Return the sizes of everything; each list has at most `limit` items."""
        ...

    def metric_cardinality(self, metric: str, limit: int) -> MetricCardinality | None:
        """Return the sizes of one metric, None if there is no such.

        Args:
            metric: Its name.
            limit: The most values to name of each label.
        """
        ...


class StoreAdmin(Protocol):
    """A store that samples can be deleted from and that can be copied while it runs."""

    async def delete_series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> int:
        """Hide the samples in `[start_ms, end_ms]` of the series that match all of `matchers`.

        Durable when it returns.

        Returns:
            The number of series touched.
        """
        ...

    async def clean_tombstones(self) -> None:
        """Take what is deleted from the disk."""
        ...

    async def snapshot(self) -> str:
        """Copy everything; return the name of the copy's folder in the store's `snapshots`."""
        ...

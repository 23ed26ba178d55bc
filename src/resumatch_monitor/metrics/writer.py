"""Writes a target's scrapes as rows: target labels, `up` and its companions, staleness markers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from resumatch_monitor.metrics.labels import METRIC_NAME, Labels
from resumatch_monitor.metrics.samples import STALE, FloatArray, RowLayout, SampleSink

REPORT_NAMES = (
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
)
"""The series that every scrape gets, also a failed one; named as Prometheus names them."""

_EXPORTED = "exported_"
_LAYOUTS_REMEMBERED = 2


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What became of a row's samples.

    Attributes:
        added: Series that the target's previous row did not have.
        duplicates: Samples left out because an earlier one has the same labels.
    """

    added: int
    duplicates: int


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """What has been worked out for one sequence of scraped label sets."""

    source: tuple[Labels, ...]
    kept: np.ndarray[tuple[int], np.dtype[np.int64]] | None
    live: tuple[Labels, ...]
    layout: RowLayout


def merge_target_labels(
    labels: Labels, target_labels: Mapping[str, str], *, honor_labels: bool = False
) -> Labels:
    """Join a series' own labels with its target's, as Prometheus' `honor_labels` says.

    Where both have a label, the series' own wins if `honor_labels`, and otherwise it is kept
    under the prefix `exported_`, repeated until the name is free.
    """
    if honor_labels:
        return Labels({**target_labels, **labels}.items())
    merged = dict(labels)
    for name in target_labels:
        if name in merged:
            free = _EXPORTED + name
            while free in merged or free in target_labels:
                free = _EXPORTED + free
            merged[free] = merged.pop(name)
    merged.update(target_labels)
    return Labels(merged.items())


class TargetWriter:
    """Writes one target's rows to a sink; not for concurrent use.

    A series that the previous row had and the next has not gets a staleness marker. The state
    advances only when the sink has taken the row, so a refused write is made good by the next.
    """

    def __init__(
        self,
        *,
        sink: SampleSink,
        target_key: str,
        target_labels: Mapping[str, str],
        honor_labels: bool = False,
    ) -> None:
        self._sink = sink
        self._target_key = target_key
        self._target_labels = dict(target_labels)
        self._honor_labels = honor_labels
        self._report = tuple(
            Labels.of({**self._target_labels, METRIC_NAME: name}) for name in REPORT_NAMES
        )
        self._recent: list[_Prepared] = []
        self._last: _Prepared | None = None

    async def write(
        self,
        series: Sequence[tuple[Labels, float]],
        *,
        timestamp_ms: int,
        duration_seconds: float,
        is_up: bool,
    ) -> None:
        """Write one collection, and `up` with its companions; durable when it returns.

        Args:
            series: Label sets without the target's own labels, and their values.
            timestamp_ms: When the collection began.
            duration_seconds: How long it took.
            is_up: False if it failed; `series` may then be empty or partial.

        Raises:
            StoreFullError: If the store refuses; nothing of the row is then stored.
        """
        labels = tuple(each for each, _ in series)
        for known in self._recent:
            if known.source == labels:
                labels = known.source
                break
        values = np.fromiter((value for _, value in series), np.float64, len(series))
        await self.write_row(
            labels,
            values,
            timestamp_ms=timestamp_ms,
            duration_seconds=duration_seconds,
            is_up=is_up,
        )

    async def write_row(
        self,
        labels: tuple[Labels, ...],
        values: FloatArray,
        *,
        timestamp_ms: int,
        duration_seconds: float,
        is_up: bool,
        samples_scraped: int | None = None,
    ) -> RowCounts:
        """Write one row; passing the same `labels` object again is the fast path.

        Args:
            labels: The scraped label sets, without the target's.
            values: (len(labels),).
            timestamp_ms: When the scrape began.
            duration_seconds: How long it took.
            is_up: Whether it succeeded.
            samples_scraped: What to report, if it is not `len(labels)`.

        Raises:
            StoreFullError: If the store refuses; nothing of the row is then stored.
        """
        prepared = self._prepare(labels)
        layout, stale, added = prepared.layout, 0, 0
        if prepared is not self._last:
            before = self._last.live if self._last is not None else ()
            gone = tuple(set(before).difference(prepared.live))
            added = len(prepared.live) - (len(before) - len(gone))
            stale = len(gone)
            layout = RowLayout((*layout.labels, *gone)) if gone else layout
        kept = values if prepared.kept is None else values[prepared.kept]
        report = (
            1.0 if is_up else 0.0,
            duration_seconds,
            len(labels) if samples_scraped is None else samples_scraped,
            len(kept),
            added,
        )
        row = np.concatenate((kept, report, np.full(stale, STALE)))
        await self._sink.append_row(self._target_key, layout, timestamp_ms, row)
        self._last = prepared
        self._recent = [prepared, *(each for each in self._recent if each is not prepared)]
        del self._recent[_LAYOUTS_REMEMBERED:]
        return RowCounts(added=added, duplicates=len(labels) - len(kept))

    async def end(self, *, timestamp_ms: int) -> None:
        """Mark every series of the target as ended: it is watched no longer."""
        if self._last is None:
            return
        layout = self._last.layout
        row = np.full(len(layout.labels), STALE)
        await self._sink.append_row(self._target_key, layout, timestamp_ms, row)
        self._last = None

    def _prepare(self, labels: tuple[Labels, ...]) -> _Prepared:
        for known in self._recent:
            if known.source is labels:
                return known
        merged = [
            merge_target_labels(each, self._target_labels, honor_labels=self._honor_labels)
            for each in labels
        ]
        # Report series come from the scrape itself; a target that exposes one of the same name
        # and labels loses to it, as a duplicate.
        taken = set(self._report)
        kept: list[int] = []
        for position, each in enumerate(merged):
            if each not in taken:
                taken.add(each)
                kept.append(position)
        live = tuple(merged[position] for position in kept)
        return _Prepared(
            source=labels,
            kept=None if len(kept) == len(merged) else np.array(kept, dtype=np.int64),
            live=live,
            layout=RowLayout((*live, *self._report)),
        )

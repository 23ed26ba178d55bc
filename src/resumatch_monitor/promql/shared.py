"""What the questions of one moment have in common: all of a metric, and functions of its series.

A function of a window looks at one series alone, so that what it makes of all series holds for
every choice of them. Only series without gaps take part: the others are laid out in an order that
depends on what is chosen, and so would be added up in another order.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from resumatch_monitor.metrics.labels import Matcher
from resumatch_monitor.metrics.samples import (
    BoolArray,
    FloatArray,
    Queryable,
    SeriesBlock,
    TimeArray,
)
from resumatch_monitor.promql.grouping import SteadyLabels
from resumatch_monitor.promql.vector import IndexArray, Piece
from resumatch_monitor.promql.windows import (
    RAGGED_ROWS,
    RAGGED_SAMPLES,
    SLAB_CELLS,
    Slab,
    Window,
    cut_slabs,
    lay_out,
    open_windows,
)

_ROWS_A_CALL = 1_000
"""To call a function once costs as much as it costs for so many series."""


@dataclass(frozen=True, slots=True, eq=False)
class WindowFunction:
    """What is made of the window of each series at one step.

    Attributes:
        name: The same name means the same function.
        compute: Takes a window of S series and returns (S, 1).
        min_samples: With fewer samples in its window a series is absent.
        start_ms: (1,) the left, open end of the window.
        end_ms: (1,) the right, closed end.
        eval_ms: (1,) the step itself.
        checkpoint: Raises when time is up.
    """

    name: str
    compute: Callable[[Window], FloatArray]
    min_samples: int
    start_ms: TimeArray
    end_ms: TimeArray
    eval_ms: TimeArray
    checkpoint: Callable[[], None]

    @property
    def key(self) -> tuple[str, int, int, int]:
        """What its result depends on beside the samples."""
        return self.name, int(self.start_ms[0]), int(self.end_ms[0]), int(self.eval_ms[0])


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Some series of a metric: the same object again while the metric's series are the same.

    Attributes:
        labels: The label sets of the S series that are chosen.
        rows: (S,) their positions among all series.
        of_block: For each of the B blocks, the positions in it and the label sets.
        counts: (B,) how many series that are.
    """

    labels: SteadyLabels
    rows: IndexArray
    of_block: Sequence[tuple[IndexArray | slice, SteadyLabels]]
    counts: IndexArray


class SharedSeries:
    """All series of a metric over a range of time, read once."""

    def __init__(self, blocks: Sequence[SeriesBlock]) -> None:
        self.blocks = blocks
        self.lengths = np.array([len(block.timestamps) for block in blocks], dtype=np.int64)
        self.size = sum(block.size for block in blocks)
        self.count = sum(len(block.labels) for block in blocks)
        self._whole = np.ones(self.count, dtype=np.bool_)
        self._results: dict[object, tuple[FloatArray, BoolArray]] = {}
        self._demand: dict[object, int] = {}
        first = 0
        for block in blocks:
            last = first + len(block.labels)
            values = block.values
            if not values.size:
                self._whole[first:last] = False
            elif np.isnan(values.min()):
                self._whole[first:last] = ~np.isnan(values).any(axis=1)
            first = last
        self._has_gaps = not self._whole.all()

    def are_whole(self, rows: IndexArray) -> bool:
        """Tell whether none of the series has a gap, an end or a NaN."""
        return not self._has_gaps or bool(self._whole[rows].all())

    def apply(self, function: WindowFunction, wanted: int) -> tuple[FloatArray, BoolArray] | None:
        """Return what `function` makes of every series without gaps, and where that holds.

        None as long as to compute `wanted` series at a time has not cost as much as all would, and
        where the results would be more than the samples.
        """
        key = function.key
        result = self._results.get(key)
        if result is not None:
            return result
        demand = self._demand.get(key, 0) + wanted + _ROWS_A_CALL
        if demand < self.count or len(self._results) * self.count >= self.size:
            self._demand[key] = demand
            return None
        result = self._results[key] = self._compute(function)
        return result

    def _compute(self, function: WindowFunction) -> tuple[FloatArray, BoolArray]:
        values = np.zeros((self.count, 1))
        present = np.zeros((self.count, 1), dtype=np.bool_)
        blocks, rows_of = self._split_off_gaps()
        for slab in cut_slabs(blocks, 1):
            rows = _rows_in_order(slab, rows_of)
            for samples in lay_out(slab, 1, drop_stale=False):
                function.checkpoint()
                window = open_windows(
                    samples,
                    start_ms=function.start_ms,
                    end_ms=function.end_ms,
                    eval_ms=function.eval_ms,
                    checkpoint=function.checkpoint,
                )
                these, rows = rows[: len(samples.labels)], rows[len(samples.labels) :]
                values[these] = function.compute(window)
                present[these] = window.counts >= function.min_samples
        return values, present

    def _split_off_gaps(self) -> tuple[list[SeriesBlock], dict[int, IndexArray]]:
        """Return the series without gaps, and for each block's id which series it holds."""
        blocks: list[SeriesBlock] = []
        rows_of: dict[int, IndexArray] = {}
        first = 0
        for block in self.blocks:
            last = first + len(block.labels)
            kept = np.flatnonzero(self._whole[first:last])
            whole = block
            if len(kept) < len(block.labels):
                labels = [block.labels[row] for row in kept.tolist()]
                whole = SeriesBlock(labels, block.timestamps, block.values[kept])
            blocks.append(whole)
            rows_of[id(whole)] = kept + first
            first = last
        return blocks, rows_of


@dataclass(frozen=True, slots=True, eq=False)
class SharedRows:
    """Some of the shared series: the answer to one question."""

    series: SharedSeries
    choice: Choice

    @property
    def size(self) -> int:
        """How many samples these series have."""
        return int(self.choice.counts @ self.series.lengths)

    def blocks(self) -> list[SeriesBlock]:
        """Return the samples."""
        found: list[SeriesBlock] = []
        for block, (rows, labels) in zip(self.series.blocks, self.choice.of_block, strict=True):
            if len(labels) == len(block.labels):
                found.append(block)
            elif len(labels):
                found.append(SeriesBlock(labels, block.timestamps, block.values[rows]))
        return found

    def pieces(self, function: WindowFunction) -> list[Piece] | None:
        """Return what `function` makes of the series, in the pieces in which it would alone.

        None if it is to be computed of `blocks`.
        """
        choice = self.choice
        if not len(choice.rows):
            return []
        if not self._is_one_piece() or not self.series.are_whole(choice.rows):
            return None
        result = self.series.apply(function, len(choice.rows))
        if result is None:
            return None
        values, present = result[0][choice.rows], result[1][choice.rows]
        return [Piece(choice.labels, values, None if present.all() else present)]

    def _is_one_piece(self) -> bool:
        """Tell whether the series would be laid out as one, if none had gaps."""
        size = self.size
        single_count = int(np.count_nonzero(self.choice.counts == 1))
        if not single_count:
            return size <= SLAB_CELLS
        # Series that are alone in their blocks are laid out apart from the others.
        is_small = single_count < RAGGED_ROWS and size < RAGGED_SAMPLES
        return is_small and single_count == len(self.choice.labels)


class SharingQueryable(Queryable):
    """A `Queryable` that may have read what is asked for already."""

    @abstractmethod
    def select_shared(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> SharedRows | None:
        """Return what `select` would, shared with other questions; None if it is not shared."""


def _rows_in_order(slab: Slab, rows_of: dict[int, IndexArray]) -> IndexArray:
    """Return the series of a slab in the order in which `lay_out` yields them."""
    single_first = sorted(slab.parts, key=lambda part: part[2] - part[1] > 1)
    return np.concatenate([rows_of[id(block)][a:b] for block, a, b in single_first])

"""Reads what selectors name from the store."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from resumatch_monitor.metrics.labels import METRIC_NAME, MatchOp
from resumatch_monitor.metrics.samples import (
    ABSENT,
    BoolArray,
    FloatArray,
    SeriesBlock,
    TimeArray,
    is_stale,
)
from resumatch_monitor.promql import ast
from resumatch_monitor.promql.context import Context
from resumatch_monitor.promql.shared import SharedRows, SharingQueryable, WindowFunction
from resumatch_monitor.promql.vector import Piece, Vector, empty_vector, refuse_equal
from resumatch_monitor.promql.windows import (
    Samples,
    Slab,
    Window,
    cut_slabs,
    lay_out,
    open_windows,
)

Kernel = Callable[[Window], FloatArray]
_ANY_STEPS = 1 << 31


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """The samples that a range selector sees.

    Attributes:
        cut: Returns them in slabs that fit the cache; these are read when they are worked on.
        start_ms: (T,) the left, open ends.
        end_ms: (T,) the right, closed ends.
        eval_ms: (T,) the steps themselves.
        has_one_name: Whether all series have the same metric name or none.
        is_nameless: Whether the metric names are to be ignored.
        shared: The same, where other queries of this moment look at it too.
    """

    cut: Callable[[], Sequence[Slab]]
    start_ms: TimeArray
    end_ms: TimeArray
    eval_ms: TimeArray
    has_one_name: bool
    is_nameless: bool = False
    shared: SharedRows | None = None

    def samples(self) -> Iterator[Samples]:
        """Read everything, piece by piece."""
        for slab in self.cut():
            yield from lay_out(slab, len(self.eval_ms), drop_stale=True)


def select_instant(context: Context, selector: ast.VectorSelector, steps: TimeArray) -> Vector:
    """Return the value of each series at each step: its latest sample, unless that is too old."""
    return _select(context, selector, steps, _read_values)


def select_timestamps(context: Context, selector: ast.VectorSelector, steps: TimeArray) -> Vector:
    """Return the times in seconds of the samples that `select_instant` returns the values of."""
    return _select(context, selector, steps, _read_times)


def _read_values(window: Window) -> FloatArray:
    return window.last_values()


def _read_times(window: Window) -> FloatArray:
    return np.broadcast_to(window.time_at(window.last) / 1000, window.shape)


def _select(
    context: Context, selector: ast.VectorSelector, steps: TimeArray, read: Kernel
) -> Vector:
    ends = context.look_at(steps, offset_ms=selector.offset_ms, at=selector.at)
    starts = ends - context.options.lookback_ms
    loaded = _load(context, selector, int(starts.min()) + 1, int(ends.max()), len(steps))
    if isinstance(loaded, SharedRows):
        function = WindowFunction(read.__name__, read, 1, starts, ends, steps, context.checkpoint)
        found = loaded.pieces(function)
        if found is not None:
            return join_pieces(found, len(steps), context)
    blocks = _blocks_of(loaded)

    def select(slabs: Sequence[Slab]) -> list[Piece]:
        opened = _open(context, slabs, starts, ends, steps, drop_stale=False)
        return [_read_piece(samples, window, read) for samples, window in opened]

    shares = context.crew.share(select, cut_slabs(blocks, len(steps)))
    return join_pieces([piece for pieces in shares for piece in pieces], len(steps), context)


def _read_piece(samples: Samples, window: Window, read: Kernel) -> Piece:
    present = _presence(window, 1)
    if np.isnan(samples.values.min(initial=0.0)) and is_stale(samples.values).any():
        fresh = ~is_stale(window.last_values())
        present = fresh if present is None else present & fresh
    return Piece(samples.labels, read(window), present)


def select_ranges(context: Context, matrix: ast.MatrixSelector, steps: TimeArray) -> Ranges:
    """Return the samples of the last `range_ms` at each step."""
    selector = matrix.selector
    ends = context.look_at(steps, offset_ms=selector.offset_ms, at=selector.at)
    starts = ends - matrix.range_ms
    loaded = _load(context, selector, int(starts.min()) + 1, int(ends.max()), len(steps))
    return Ranges(
        lambda: cut_slabs(_blocks_of(loaded), len(steps)),
        starts,
        ends,
        steps,
        has_one_name=names_one_metric(selector),
        shared=loaded if isinstance(loaded, SharedRows) else None,
    )


def select_raw(context: Context, matrix: ast.MatrixSelector, steps: TimeArray) -> list[SeriesBlock]:
    """Return the stored samples themselves in the range that ends at the one step.

    Series without any left after their staleness markers are dropped are left out.
    """
    selector = matrix.selector
    end_ms = int(context.look_at(steps, offset_ms=selector.offset_ms, at=selector.at)[0])
    found = _blocks_of(_load(context, selector, end_ms - matrix.range_ms + 1, end_ms, 1))
    blocks: list[SeriesBlock] = []
    for samples in itertools.chain.from_iterable(
        # As it is stored, not put together for evaluation.
        lay_out(slab, _ANY_STEPS, drop_stale=True)
        for slab in cut_slabs(found, 1)
    ):
        if samples.offsets is None:
            if len(samples.times):
                blocks.append(SeriesBlock(samples.labels, samples.times, samples.values))
            continue
        bounds = samples.offsets.tolist()
        for labels, begin, end in zip(samples.labels, bounds[:-1], bounds[1:], strict=True):
            times, values = samples.times[begin:end], samples.values[np.newaxis, begin:end]
            blocks.append(SeriesBlock([labels], times, values))
    return blocks


def names_one_metric(selector: ast.VectorSelector) -> bool:
    """Tell whether all series that match have the same metric name."""
    return any(
        matcher.name == METRIC_NAME and matcher.op is MatchOp.EQUAL for matcher in selector.matchers
    )


def vector_as_ranges(
    context: Context, vector: Vector, times: TimeArray, steps: TimeArray, query: ast.Subquery
) -> Ranges:
    """Return the values that an expression had at `times` as the samples of a subquery."""
    values = vector.values
    if vector.present is not None:
        values = np.where(vector.present, values, ABSENT)
    block = SeriesBlock(vector.labels, times, values)
    ends = context.look_at(steps, offset_ms=query.offset_ms, at=query.at)
    return Ranges(
        lambda: cut_slabs([block], len(steps)),
        ends - query.range_ms,
        ends,
        steps,
        has_one_name=len({labels.metric_name for labels in vector.labels}) <= 1,
        is_nameless=vector.is_nameless,
    )


def apply_kernel(
    context: Context,
    ranges: Ranges,
    kernel: Kernel,
    *,
    min_samples: int,
    slabs: Sequence[Slab],
) -> Iterator[Piece]:
    """Evaluate `kernel` on one slab of `ranges` after the other.

    Yields:
        The results; series with fewer than `min_samples` in a window are absent at that step.
    """
    opened = _open(context, slabs, ranges.start_ms, ranges.end_ms, ranges.eval_ms, drop_stale=True)
    for samples, window in opened:
        yield Piece(samples.labels, kernel(window), _presence(window, min_samples))


def join_pieces(pieces: Sequence[Piece], step_count: int, context: Context) -> Vector:
    """Put pieces together to one vector without empty series."""
    if not pieces:
        return empty_vector(step_count)
    labels = pieces[0].labels
    if len(pieces) > 1:
        labels = [each for piece in pieces for each in piece.labels]
    context.count_samples(len(labels) * step_count)
    values = np.concatenate([piece.values for piece in pieces])
    present = None
    if any(piece.present is not None for piece in pieces):
        present = np.ones(values.shape, dtype=np.bool_)
        row = 0
        for piece in pieces:
            if piece.present is not None:
                present[row : row + len(piece.labels)] = piece.present
            row += len(piece.labels)
    return Vector(labels, values, present).without_empty_series()


def without_names(vector: Vector, *, has_one_name: bool) -> Vector:
    """Ignore the metric names; series that become equal are an error."""
    bare = Vector(vector.labels, vector.values, vector.present, is_nameless=True)
    return bare if has_one_name else refuse_equal(bare)


def _load(
    context: Context, selector: ast.VectorSelector, start_ms: int, end_ms: int, step_count: int
) -> list[SeriesBlock] | SharedRows:
    context.checkpoint()
    queryable = context.queryable
    if step_count == 1 and isinstance(queryable, SharingQueryable):
        shared = queryable.select_shared(selector.matchers, start_ms, end_ms)
        if shared is not None:
            context.count_loaded(shared.size)
            return shared
    blocks = queryable.select(selector.matchers, start_ms, end_ms)
    context.count_loaded(sum(block.size for block in blocks))
    return blocks


def _blocks_of(loaded: list[SeriesBlock] | SharedRows) -> list[SeriesBlock]:
    return loaded.blocks() if isinstance(loaded, SharedRows) else loaded


def _open(
    context: Context,
    slabs: Sequence[Slab],
    starts: TimeArray,
    ends: TimeArray,
    steps: TimeArray,
    *,
    drop_stale: bool,
) -> Iterator[tuple[Samples, Window]]:
    window: Window | None = None
    for samples in itertools.chain.from_iterable(
        lay_out(slab, len(steps), drop_stale=drop_stale) for slab in slabs
    ):
        context.checkpoint()
        # Blocks of one target share their timestamps: look the windows up once for all.
        shared = window if samples.offsets is None else None
        if shared is not None and shared.samples.times is samples.times:
            yield samples, replace(shared, samples=samples)
            continue
        found = open_windows(
            samples,
            start_ms=starts,
            end_ms=ends,
            eval_ms=steps,
            checkpoint=context.checkpoint,
        )
        window = found if samples.offsets is None else window
        yield samples, found


def _presence(window: Window, min_samples: int) -> BoolArray | None:
    """Return where there are enough samples: (S, T), (1, T) if it is the same for all series."""
    enough = window.counts >= min_samples
    if enough.all():
        return None
    return enough if enough.ndim == 2 else enough[np.newaxis]

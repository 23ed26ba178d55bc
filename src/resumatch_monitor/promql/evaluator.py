"""Evaluates a syntax tree, all steps at once. An instant query is a range query of one step."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from resumatch_monitor.metrics.labels import METRIC_NAME, Labels
from resumatch_monitor.metrics.samples import FloatArray, SeriesBlock, TimeArray
from resumatch_monitor.promql import aggregation, ast, binary, grouping
from resumatch_monitor.promql.context import Context
from resumatch_monitor.promql.folding import Folder
from resumatch_monitor.promql.format import format_g
from resumatch_monitor.promql.functions import FUNCTIONS, RANGE_FUNCTIONS, RangeFunction
from resumatch_monitor.promql.histogram import warn_of_quantile
from resumatch_monitor.promql.remarks import TYPE_AND_UNIT_LABELS, remark_on_counter
from resumatch_monitor.promql.sampling import select_ratio
from resumatch_monitor.promql.selection import (
    Kernel,
    Ranges,
    apply_kernel,
    join_pieces,
    select_instant,
    select_ranges,
    vector_as_ranges,
    without_names,
)
from resumatch_monitor.promql.shared import WindowFunction
from resumatch_monitor.promql.value import ExecutionError, QueryError, UnsupportedError
from resumatch_monitor.promql.vector import (
    IndexArray,
    Piece,
    Scalar,
    Text,
    Value,
    Vector,
    empty_vector,
    nameless,
)
from resumatch_monitor.promql.windows import Slab, Window

_INT64_END = 2.0**63


class Evaluator:
    """Evaluates expressions at `steps`, (T,) ascending milliseconds."""

    def __init__(self, context: Context, steps: TimeArray) -> None:
        self.context = context
        self.steps = steps

    @property
    def step_count(self) -> int:
        """T."""
        return len(self.steps)

    def evaluate(self, node: ast.Expr) -> Value:
        """Return the value of `node`.

        Raises:
            QueryError: Or one of its subclasses, see `promql.value`.
        """
        self.context.checkpoint()
        value = self._evaluate(node)
        self.context.count_samples(0 if isinstance(value, Text) else value.values.size)
        return value

    def _evaluate(self, node: ast.Expr) -> Value:
        match node:
            case ast.NumberLiteral(value):
                return Scalar(np.full(self.step_count, value))
            case ast.StringLiteral(value):
                return Text(value)
            case ast.VectorSelector():
                return select_instant(self.context, node, self.steps)
            case ast.Negation():
                return self._negation(node)
            case ast.Binary():
                return self._binary(node)
            case ast.Call():
                return self._call(node)
            case ast.Aggregation():
                return self._aggregation(node)
            case ast.MatrixSelector() | ast.Subquery():
                raise QueryError("a range vector can only be the argument of a function")

    def scalar(self, node: ast.Expr) -> FloatArray:
        """Return the number that `node` is at every step, (T,)."""
        value = self.evaluate(node)
        if not isinstance(value, Scalar):
            raise QueryError("expected a scalar")
        return value.values

    def vector(self, node: ast.Expr) -> Vector:
        """Return the vector that `node` is."""
        value = self.evaluate(node)
        if not isinstance(value, Vector):
            raise QueryError("expected an instant vector")
        return value

    def text(self, node: ast.Expr) -> str:
        """Return the string that `node` is."""
        if not isinstance(node, ast.StringLiteral):
            raise QueryError("expected a string literal")
        return node.value

    def ranges(self, node: ast.Expr) -> Ranges:
        """Return the samples that a range selector or a subquery sees."""
        if isinstance(node, ast.MatrixSelector):
            return select_ranges(self.context, node, self.steps)
        if isinstance(node, ast.Subquery):
            return self._subquery(node)
        raise QueryError("expected a range vector")

    def _subquery(self, node: ast.Subquery) -> Ranges:
        vector, times = self._inner_of(node)
        return vector_as_ranges(self.context, vector, times, self.steps, node)

    def points_of(self, node: ast.Subquery) -> list[SeriesBlock]:
        """Return the points of a subquery at the one step, each series a block without gaps."""
        vector, times = self._inner_of(node)
        mask = vector.mask()
        return [
            SeriesBlock([labels], times[mask[row]], vector.values[row : row + 1, mask[row]])
            for row, labels in enumerate(vector.visible_labels())
            if mask[row].any()
        ]

    def _inner_of(self, node: ast.Subquery) -> tuple[Vector, TimeArray]:
        """Return what a subquery is of at all moments that any step looks at, and those."""
        ends = self.context.look_at(self.steps, offset_ms=node.offset_ms, at=node.at)
        step_ms = node.step_ms or self.context.options.subquery_step_ms
        # The first multiple of the step after the open left end.
        first = ((int(ends.min()) - node.range_ms) // step_ms + 1) * step_ms
        count = max(0, (int(ends.max()) - first) // step_ms + 1)
        self.context.count_samples(count)
        times = first + np.arange(count, dtype=np.int64) * step_ms
        if count:
            inner = Evaluator(self.context, times).evaluate(node.expr)
            vector = inner if isinstance(inner, Vector) else _scalar_as_vector(inner)
        else:
            vector = empty_vector(0)
        return vector, times

    def _negation(self, node: ast.Negation) -> Value:
        value = self.evaluate(node.expr)
        if isinstance(value, Scalar):
            return Scalar(-value.values)
        if isinstance(value, Vector):
            return nameless(replace(value, values=-value.values))
        raise QueryError("unary expression only allowed on scalar or instant vector")

    def _binary(self, node: ast.Binary) -> Value:
        lhs, rhs = self.evaluate(node.lhs), self.evaluate(node.rhs)
        if isinstance(lhs, Scalar) and isinstance(rhs, Scalar):
            return binary.between_scalars(node, lhs, rhs)
        if isinstance(lhs, Vector) and isinstance(rhs, Vector):
            return binary.between_vectors(node, lhs, rhs)
        if isinstance(lhs, Vector) and isinstance(rhs, Scalar):
            return binary.with_scalar(node, lhs, rhs, is_swapped=False)
        if isinstance(lhs, Scalar) and isinstance(rhs, Vector):
            return binary.with_scalar(node, rhs, lhs, is_swapped=True)
        raise QueryError("binary expression must contain only scalar and instant vector types")

    def _call(self, node: ast.Call) -> Value:
        over_range = RANGE_FUNCTIONS.get(node.function)
        if over_range is not None:
            return self._range_call(node, over_range)
        function = FUNCTIONS.get(node.function)
        if function is None:
            raise UnsupportedError(f"the function {node.function} is not supported")
        return function(self, node)

    def _range_call(self, node: ast.Call, function: RangeFunction) -> Vector:
        ranges, slabs, compute = self._range_pieces(node, function)
        shares = self.context.crew.share(lambda slabs: list(compute(slabs)), slabs)
        pieces = [piece for share in shares for piece in share]
        vector = join_pieces(pieces, self.step_count, self.context)
        if function.keeps_name:
            return replace(vector, is_nameless=ranges.is_nameless)
        has_one_name = ranges.has_one_name or ranges.is_nameless
        if TYPE_AND_UNIT_LABELS in self.context.options.features:
            # Series of one name may differ by their types.
            has_one_name = ranges.is_nameless
        return without_names(vector, has_one_name=has_one_name)

    def _range_pieces(
        self, node: ast.Call, function: RangeFunction
    ) -> tuple[Ranges, Sequence[Slab], Callable[[Sequence[Slab]], Iterator[Piece]]]:
        """Return what a range function looks at, its slabs, and what it makes of some of them."""
        arguments = [
            self.scalar(argument)
            for index, argument in enumerate(node.args)
            if index != function.range_argument
        ]
        if function.check is not None:
            function.check(self.context, node, arguments)
        ranges = self.ranges(node.args[function.range_argument])
        kernel = _bind(function, arguments)
        shared = None if arguments else self._look_up(node.function, function, ranges)

        def compute(slabs: Sequence[Slab]) -> Iterator[Piece]:
            pieces = iter(shared or ())
            if shared is None:
                pieces = apply_kernel(
                    self.context, ranges, kernel, min_samples=function.min_samples, slabs=slabs
                )
            if function.is_for_counters and not ranges.is_nameless:
                return self._watch_counters(pieces, ranges, node.place_of(function.range_argument))
            return pieces

        return ranges, ranges.cut() if shared is None else (), compute

    def _look_up(
        self, name: str, function: RangeFunction, ranges: Ranges
    ) -> Sequence[Piece] | None:
        """Return what the function makes of the ranges if that can be shared with others."""
        if ranges.shared is None:
            return None
        shared = WindowFunction(
            name,
            function.compute,
            function.min_samples,
            ranges.start_ms,
            ranges.end_ms,
            ranges.eval_ms,
            self.context.checkpoint,
        )
        return ranges.shared.pieces(shared)

    def _watch_counters(
        self, pieces: Iterator[Piece], ranges: Ranges, place: str
    ) -> Iterator[Piece]:
        """Pass pieces on, and remark on metrics whose names are not those of counters."""
        by_type = TYPE_AND_UNIT_LABELS in self.context.options.features
        for piece in pieces:
            yield piece
            if not len(piece.labels) or (piece.present is not None and not piece.present.any()):
                continue
            # Where all have one name, one look is enough.
            one_will_do = ranges.has_one_name and not by_type
            members = piece.labels[:1] if one_will_do else piece.labels
            remarks = {remark_on_counter(labels, by_type=by_type) for labels in members}
            for remark in sorted(remarks - {""}):
                self.context.annotations.inform(remark, place)

    def _aggregation(self, node: ast.Aggregation) -> Value:
        if node.operator in Folder.OPERATORS:
            before = self.context.mark()
            folded = self._fold_range_call(node)
            if folded is not None:
                return folded
            # What was read has been let go of.
            self.context.reset(before)
        vector = self.vector(node.expr)
        groups = grouping.group_by(
            vector.labels,
            node.grouping,
            is_without=node.is_without,
            is_nameless=vector.is_nameless,
        )
        reducer = aggregation.REDUCERS.get(node.operator)
        if reducer is not None:
            present = aggregation.group_presence(vector, groups)
            values = reducer(vector.values, vector.present, groups)
            return Vector(groups.labels, values, present)
        match node.operator:
            case "topk" | "bottomk":
                return self._topk(node, vector, groups)
            case "limitk":
                return aggregation.select_first(vector, groups, self._limits(node))
            case "limit_ratio":
                return self._limit_ratio(node, vector)
            case "quantile":
                return self._quantile(node, vector, groups)
            case "count_values":
                return self._count_values(node, vector, groups)
            case _:
                raise UnsupportedError(f"the aggregation {node.operator} is not supported")

    def _fold_range_call(self, node: ast.Aggregation) -> Vector | None:
        """Aggregate a range function's result piece by piece, without ever holding all of it."""
        call = node.expr
        function = RANGE_FUNCTIONS.get(call.function) if isinstance(call, ast.Call) else None
        if function is None or function.keeps_name or not isinstance(call, ast.Call):
            return None
        ranges, slabs, compute = self._range_pieces(call, function)
        if not ranges.has_one_name and not ranges.is_nameless:
            return None

        def fold(slabs: Sequence[Slab]) -> Folder:
            grouper = grouping.Grouper(node.grouping, is_without=node.is_without, is_nameless=True)
            folder = Folder(node.operator, grouper, self.step_count)
            for piece in compute(slabs):
                folder.add(piece.labels, piece.values, piece.present)
            return folder

        first, *others = self.context.crew.share(fold, slabs)
        for other in others:
            first.merge(other)
        return first.finish()

    def _param(self, node: ast.Aggregation) -> FloatArray:
        assert node.param is not None
        return self.scalar(node.param)

    def _limit_ratio(self, node: ast.Aggregation, vector: Vector) -> Vector:
        wanted = self._param(node)
        if np.isnan(wanted).any():
            raise ExecutionError("Ratio value is NaN")
        for extreme, limit in ((float(wanted.max()), 1), (float(wanted.min()), -1)):
            if extreme * limit > 1:
                self.context.annotations.warn(
                    "ratio value should be between -1 and 1,"
                    f" got {format_g(extreme)}, capping to {limit}",
                    node.places[0] if node.places else "",
                )
        return select_ratio(vector, np.clip(wanted, -1.0, 1.0))

    def _limits(self, node: ast.Aggregation) -> IndexArray:
        wanted = self._param(node)
        if np.isnan(wanted).any():
            raise ExecutionError("Parameter value is NaN")
        lowest, highest = _bounds(wanted)
        for extreme, is_over in ((lowest, "underflows"), (highest, "overflows")):
            if abs(extreme) >= _INT64_END and (extreme < 0) == (is_over == "underflows"):
                raise ExecutionError(f"Scalar value {format_g(extreme)} {is_over} int64")
        return np.clip(wanted, 0, 2**31).astype(np.int64)

    def _topk(self, node: ast.Aggregation, vector: Vector, groups: grouping.Groups) -> Vector:
        is_top = node.operator == "topk"
        limits = self._limits(node)
        kept = aggregation.select_extremes(vector, groups, limits, is_top=is_top)
        if self.step_count != 1 or not len(kept.labels):
            return kept
        remaining = grouping.group_by(
            kept.labels, node.grouping, is_without=node.is_without, is_nameless=kept.is_nameless
        )
        order = aggregation.order_of_extremes(kept, remaining, is_top=is_top)
        return kept.take(np.array(order, dtype=np.int64))

    def _quantile(self, node: ast.Aggregation, vector: Vector, groups: grouping.Groups) -> Vector:
        wanted = self._param(node)
        # Prometheus tells of the extremes, not of each value.
        extremes = np.array([np.nan if np.isnan(wanted).any() else wanted[0], *_bounds(wanted)])
        place = node.places[0] if node.places else ""
        warn_of_quantile(extremes, self.context.annotations, place)
        values = aggregation.quantile(vector, groups, wanted)
        return Vector(groups.labels, values, aggregation.group_presence(vector, groups))

    def _count_values(
        self, node: ast.Aggregation, vector: Vector, groups: grouping.Groups
    ) -> Vector:
        assert node.param is not None
        label = self.text(node.param)
        if not label:
            raise ExecutionError(f'invalid label name "{label}"')
        # `without` is applied to the new label too, and always drops the metric's name.
        is_dropped = node.is_without and label in (*node.grouping, METRIC_NAME)
        return aggregation.count_values(
            vector,
            groups,
            None if is_dropped else label,
            count_samples=self.context.count_samples,
        )


def _bounds(values: FloatArray) -> tuple[float, float]:
    return float(np.fmin.reduce(values)), float(np.fmax.reduce(values))


def _bind(function: RangeFunction, arguments: list[FloatArray]) -> Kernel:
    def kernel(window: Window) -> FloatArray:
        return function.compute(window, *arguments)

    return kernel


def _scalar_as_vector(value: Value) -> Vector:
    if not isinstance(value, Scalar):
        raise QueryError("subquery is only allowed on instant vector")
    return Vector([Labels()], value.values[np.newaxis])

"""Operators between two scalars, a vector and a scalar, or two vectors."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from resumatch_monitor.metrics.labels import METRIC_NAME, Labels, escape_label_value
from resumatch_monitor.metrics.samples import BoolArray, FloatArray
from resumatch_monitor.promql.ast import Binary, Cardinality, Matching
from resumatch_monitor.promql.fill import fill_missing
from resumatch_monitor.promql.value import ExecutionError
from resumatch_monitor.promql.vector import (
    METADATA_LABELS,
    IndexArray,
    Scalar,
    Vector,
    drop_name,
    empty_vector,
    merge_equal,
    nameless,
)

ARITHMETIC: dict[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
}
COMPARISONS: dict[str, Callable[[FloatArray, FloatArray], BoolArray]] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}
SET_OPERATORS = frozenset({"and", "or", "unless"})


def between_scalars(node: Binary, lhs: Scalar, rhs: Scalar) -> Scalar:
    """Return the result at every step; comparisons yield 0 or 1."""
    if node.operator in ARITHMETIC:
        return Scalar(ARITHMETIC[node.operator](lhs.values, rhs.values))
    return Scalar(COMPARISONS[node.operator](lhs.values, rhs.values).astype(np.float64))


def with_scalar(node: Binary, vector: Vector, scalar: Scalar, *, is_swapped: bool) -> Vector:
    """Apply the operator to each value and the scalar of its step.

    Args:
        node: The operation.
        vector: One operand.
        scalar: The other.
        is_swapped: Whether the scalar is the left one. A comparison keeps the vector's value.
    """
    left, right = vector.values, np.broadcast_to(scalar.values, vector.values.shape)
    if is_swapped:
        left, right = right, left
    if node.operator in ARITHMETIC:
        values = ARITHMETIC[node.operator](left, right)
        return nameless(Vector(vector.labels, values, vector.present, vector.is_nameless))
    holds = COMPARISONS[node.operator](left, right)
    if node.is_bool:
        values = holds.astype(np.float64)
        return nameless(Vector(vector.labels, values, vector.present, vector.is_nameless))
    present = holds if vector.present is None else holds & vector.present
    filtered = Vector(vector.labels, vector.values, present, vector.is_nameless)
    return filtered.without_empty_series()


def between_vectors(node: Binary, lhs: Vector, rhs: Vector) -> Vector:
    """Apply the operator to the series that match each other, step by step.

    Raises:
        ExecutionError: If the matching is ambiguous, in Prometheus' words.
    """
    if node.operator in SET_OPERATORS:
        return _combine_sets(node.operator, node.matching, lhs, rhs)
    matching = node.matching
    if matching.fill_left is not None or matching.fill_right is not None:
        lhs, rhs = fill_missing(
            lhs, rhs, matching, match_keys=match_keys, group_labels=_group_labels
        )
    if not len(lhs.labels) or not len(rhs.labels):
        return empty_vector(lhs.step_count)
    if matching.cardinality is Cardinality.ONE_TO_MANY:
        return _match_many(node, rhs, lhs, is_swapped=True)
    return _match_many(node, lhs, rhs, is_swapped=False)


def match_keys(vector: Vector, matching: Matching) -> list[tuple[object, ...]]:
    """Return each series' match group."""
    names = matching.labels
    if matching.is_on:
        if vector.is_nameless and not METADATA_LABELS.isdisjoint(names):
            # The key keeps its form, to be compared with those of another vector.
            names = tuple("" if name in METADATA_LABELS else name for name in names)
        return [tuple(labels.value(name) for name in names) for labels in vector.labels]
    ignored = frozenset((METRIC_NAME, *names))
    if vector.is_nameless:
        ignored |= METADATA_LABELS
    return [
        tuple(pair for pair in labels.pairs if pair[0] not in ignored) for labels in vector.labels
    ]


def _number_groups(
    one: list[tuple[object, ...]], other: list[tuple[object, ...]]
) -> tuple[IndexArray, IndexArray, int]:
    """Number the match groups of two vectors alike."""
    numbers: dict[tuple[object, ...], int] = {}
    first = [numbers.setdefault(key, len(numbers)) for key in one]
    second = [numbers.setdefault(key, len(numbers)) for key in other]
    return np.array(first, dtype=np.int64), np.array(second, dtype=np.int64), len(numbers)


def _combine_sets(operator: str, matching: Matching, lhs: Vector, rhs: Vector) -> Vector:
    left, right, group_count = _number_groups(match_keys(lhs, matching), match_keys(rhs, matching))
    if operator == "or":
        return _unite(lhs, rhs, left, right, group_count)
    there = _any_present(rhs, right, group_count)[left]
    present = lhs.mask() & (there if operator == "and" else ~there)
    return Vector(lhs.labels, lhs.values, present, lhs.is_nameless).without_empty_series()


def _unite(
    lhs: Vector, rhs: Vector, left: IndexArray, right: IndexArray, group_count: int
) -> Vector:
    missing = ~_any_present(lhs, left, group_count)[right]
    labels = [*lhs.visible_labels(), *rhs.visible_labels()]
    values = np.concatenate((lhs.values, rhs.values))
    present = np.concatenate((lhs.mask(), rhs.mask() & missing))
    return merge_equal(Vector(labels, values, present).without_empty_series())


def _any_present(vector: Vector, groups: IndexArray, group_count: int) -> BoolArray:
    """Return where a match group has any series, (G, T)."""
    there = np.zeros((group_count, vector.step_count), dtype=np.bool_)
    np.logical_or.at(there, groups, vector.mask())
    return there


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Which series of the many side meets which of the one side: positions (P,), where (P, T)."""

    many: IndexArray
    one: IndexArray
    group: IndexArray
    met: BoolArray | None


def _match_many(node: Binary, many: Vector, one: Vector, *, is_swapped: bool) -> Vector:
    matching = node.matching
    many_groups, one_groups, group_count = _number_groups(
        match_keys(many, matching), match_keys(one, matching)
    )
    _refuse_duplicates(many, one, one_groups, matching, is_swapped=is_swapped)
    pairs = _pair(many, one, many_groups, one_groups, group_count)
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        _refuse_ambiguous(pairs)
    left, right = many.values[pairs.many], one.values[pairs.one]
    if is_swapped:
        left, right = right, left
    present = pairs.met
    if node.operator in ARITHMETIC:
        values = ARITHMETIC[node.operator](left, right)
    else:
        holds = COMPARISONS[node.operator](left, right)
        values = holds.astype(np.float64) if node.is_bool else left
        if not node.is_bool:
            present = holds if present is None else holds & present
    drops_name = node.operator in ARITHMETIC or node.is_bool
    labels = [
        _result_labels(many, many_row, one.labels[one_row], matching, drops_name=drops_name)
        for many_row, one_row in _as_rows(pairs)
    ]
    if matching.cardinality is not Cardinality.ONE_TO_ONE:
        _refuse_equal_results(labels, pairs)
    return merge_equal(Vector(labels, values, present).without_empty_series())


def _as_rows(pairs: _Pairs) -> Iterator[tuple[int, int]]:
    many: list[int] = pairs.many.tolist()
    one: list[int] = pairs.one.tolist()
    return zip(many, one, strict=True)


def _pair(
    many: Vector, one: Vector, many_groups: IndexArray, one_groups: IndexArray, group_count: int
) -> _Pairs:
    sizes = np.bincount(one_groups, minlength=group_count)
    if sizes.max(initial=0) <= 1:
        row_of_group = np.full(group_count, -1, dtype=np.int64)
        row_of_group[one_groups] = np.arange(len(one_groups))
        partners = row_of_group[many_groups]
        many_rows = np.flatnonzero(partners >= 0)
        one_rows = partners[many_rows]
    else:
        # Several series of the one side may take turns in a group.
        order = np.argsort(one_groups, kind="stable")
        begins = np.concatenate(([0], np.cumsum(sizes)))
        repeats = sizes[many_groups]
        many_rows = np.repeat(np.arange(len(many_groups)), repeats)
        within = np.arange(len(many_rows)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        one_rows = order[begins[many_groups[many_rows]] + within]
    met: BoolArray | None = None
    if many.present is not None:
        met = many.present[many_rows]
    if one.present is not None:
        met = one.present[one_rows] if met is None else met & one.present[one_rows]
    return _Pairs(many_rows, one_rows, many_groups[many_rows], met)


def _refuse_duplicates(
    many: Vector, one: Vector, groups: IndexArray, matching: Matching, *, is_swapped: bool
) -> None:
    """Raise if two series of the one side share a match group at a step."""
    sizes = np.bincount(groups)
    for group in np.flatnonzero(sizes > 1).tolist():
        rows = np.flatnonzero(groups == group)
        # Prometheus looks for duplicates only where there is something to match them with.
        mask = one.mask()[rows] & many.mask().any(axis=0)
        together = np.flatnonzero(mask.sum(axis=0) > 1)
        if not len(together):
            continue
        pair = np.flatnonzero(mask[:, together[0]])[:2]
        first, second = int(rows[pair[0]]), int(rows[pair[1]])
        side = "left" if is_swapped else "right"
        labels = one.visible_labels()
        twins = sorted(_in_prometheus_words(labels[row]) for row in (first, second))
        group_text = _in_prometheus_words(_group_labels(labels[first], matching))
        raise ExecutionError(
            f"found duplicate series for the match group {group_text} on the {side} hand-side"
            f" of the operation: [{', '.join(twins)}];many-to-many matching not allowed:"
            " matching labels must be unique on one side"
        )


def _refuse_ambiguous(pairs: _Pairs) -> None:
    sizes = np.bincount(pairs.group)
    for group in np.flatnonzero(sizes > 1).tolist():
        rows = np.flatnonzero(pairs.group == group)
        if pairs.met is None or (pairs.met[rows].sum(axis=0) > 1).any():
            raise ExecutionError(
                "multiple matches for labels: many-to-one matching must be explicit"
                " (group_left/group_right)"
            )


def _refuse_equal_results(labels: Sequence[Labels], pairs: _Pairs) -> None:
    rows_of: dict[tuple[int, Labels], list[int]] = {}
    for row, key in enumerate(zip(pairs.group.tolist(), labels, strict=True)):
        rows_of.setdefault(key, []).append(row)
    if len(rows_of) == len(labels):
        return
    for rows in rows_of.values():
        if len(rows) > 1 and (pairs.met is None or (pairs.met[rows].sum(axis=0) > 1).any()):
            raise ExecutionError(
                "multiple matches for labels: grouping labels must ensure unique matches"
            )


def _result_labels(
    many: Vector, row: int, one: Labels, matching: Matching, *, drops_name: bool
) -> Labels:
    labels = many.labels[row]
    if drops_name or many.is_nameless:
        labels = drop_name(labels)
    if matching.cardinality is Cardinality.ONE_TO_ONE:
        if matching.is_on:
            return labels.only(matching.labels)
        return labels.without(matching.labels) if matching.labels else labels
    if matching.include:
        return labels.with_labels({name: one.value(name) for name in matching.include})
    return labels


def _group_labels(labels: Labels, matching: Matching) -> Labels:
    if matching.is_on:
        return labels.only(matching.labels)
    return labels.without((METRIC_NAME, *matching.labels))


def _in_prometheus_words(labels: Labels) -> str:
    inner = ", ".join(f'{name}="{escape_label_value(value)}"' for name, value in labels.pairs)
    return f"{{{inner}}}"

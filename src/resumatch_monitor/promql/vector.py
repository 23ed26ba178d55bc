"""The values that expressions have while a query is evaluated."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from resumatch_monitor.metrics.labels import METRIC_NAME, Labels
from resumatch_monitor.metrics.samples import BoolArray, FloatArray
from resumatch_monitor.promql.value import ExecutionError

IndexArray = npt.NDArray[np.int64]

SAME_LABELS = "vector cannot contain metrics with the same labelset"


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A number at every step: `values` is (T,)."""

    values: FloatArray


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    value: str


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """S series at T steps.

    Attributes:
        labels: The S label sets.
        values: (S, T); meaningless where `present` is false.
        present: (S, T), or None where every series has a value at every step.
        is_nameless: Whether the metric's name is to be ignored although `labels` may have it, and
            its type and unit with it;
            taking it out of thousands of label sets is put off until somebody looks at them.
    """

    labels: Sequence[Labels]
    values: FloatArray
    present: BoolArray | None = None
    is_nameless: bool = False

    @property
    def step_count(self) -> int:
        """T."""
        return self.values.shape[1]

    def mask(self) -> BoolArray:
        """Return where there are values, (S, T)."""
        return np.ones(self.values.shape, dtype=np.bool_) if self.present is None else self.present

    def visible_labels(self) -> Sequence[Labels]:
        """Return the label sets as others see them."""
        return [drop_name(labels) for labels in self.labels] if self.is_nameless else self.labels

    def take(self, rows: IndexArray | BoolArray) -> "Vector":
        """Return the series at `rows` (positions, or a mask of all)."""
        positions = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return replace(
            self,
            labels=[self.labels[row] for row in positions.tolist()],
            values=self.values[positions],
            present=None if self.present is None else self.present[positions],
        )

    def without_empty_series(self) -> "Vector":
        """Return the series that have a value at some step."""
        if self.present is None:
            return self
        alive: BoolArray = np.logical_or.reduce(self.present, axis=1)
        kept = self if alive.all() else self.take(alive)
        assert kept.present is not None
        return replace(kept, present=None) if kept.present.all() else kept


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Some of the series of a vector.

    Attributes:
        values: (S, T)
        present: Where they hold: (S, T), or (1, T) if that is the same for all, or None if always.
    """

    labels: Sequence[Labels]
    values: FloatArray
    present: BoolArray | None


Value = Scalar | Text | Vector


def empty_vector(step_count: int) -> Vector:
    """Return a vector without series."""
    return Vector((), np.empty((0, step_count)))


METADATA_LABELS = frozenset({METRIC_NAME, "__type__", "__unit__"})
"""What says what a metric is, and goes together when it is no longer that."""
_LAST_OF_METADATA = max(METADATA_LABELS)


def drop_name(labels: Labels) -> Labels:
    """Return `labels` without the metric's name, type and unit."""
    pairs = labels.pairs
    # They stand together in the order of names, nearly always at the very beginning.
    for index, (name, _) in enumerate(pairs):
        if name in METADATA_LABELS:
            end = index + 1
            while end < len(pairs) and pairs[end][0] <= _LAST_OF_METADATA:
                end += 1
            rest = [pair for pair in pairs[index:end] if pair[0] not in METADATA_LABELS]
            return Labels.from_sorted((*pairs[:index], *rest, *pairs[end:]))
        if name > _LAST_OF_METADATA:
            break
    return labels


def _metadata_of(labels: Labels) -> tuple[str, ...]:
    value = labels.value
    return tuple([value(name) for name in METADATA_LABELS])


def nameless(vector: Vector) -> Vector:
    """Return `vector` with the metrics' names ignored, series that become equal merged.

    Raises:
        ExecutionError: If two series that become equal have a value at the same step.
    """
    if vector.is_nameless:
        return vector
    names = {_metadata_of(labels) for labels in vector.labels}
    # Series that differ and have one name in common still differ without it.
    if len(names) <= 1:
        return replace(vector, is_nameless=True)
    return merge_equal(replace(vector, is_nameless=True))


def refuse_equal(vector: Vector) -> Vector:
    """Return `vector`, whose series must differ.

    Raises:
        ExecutionError: If two series have the same labels, even without a step in common.
    """
    labels = vector.visible_labels()
    if len(set(labels)) != len(labels):
        raise ExecutionError(SAME_LABELS)
    return vector


def merge_equal(vector: Vector) -> Vector:
    """Return `vector` with series of equal labels merged into one.

    Raises:
        ExecutionError: If two of them have a value at the same step.
    """
    labels = vector.visible_labels()
    first_rows: dict[Labels, int] = {}
    targets = np.empty(len(labels), dtype=np.int64)
    for row, key in enumerate(labels):
        targets[row] = first_rows.setdefault(key, len(first_rows))
    if len(first_rows) == len(labels):
        return vector
    counts = np.zeros((len(first_rows), vector.step_count), dtype=np.int64)
    mask = vector.mask()
    np.add.at(counts, targets, mask)
    if (counts > 1).any():
        raise ExecutionError(SAME_LABELS)
    values = np.zeros(counts.shape)
    # At most one row adds anything but zero at each step, so this copies exactly.
    for row, target in enumerate(targets.tolist()):
        np.copyto(values[target], vector.values[row], where=mask[row])
    return Vector(list(first_rows), values, counts > 0).without_empty_series()

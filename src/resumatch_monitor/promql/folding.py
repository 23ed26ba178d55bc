"""Aggregating series that come in pieces."""

from collections.abc import Sequence

import numpy as np

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import BoolArray, FloatArray
from resumatch_monitor.promql.aggregation import combine_into
from resumatch_monitor.promql.grouping import Grouper
from resumatch_monitor.promql.sums import needs_compensation
from resumatch_monitor.promql.vector import IndexArray, Vector


class Folder:
    """Aggregates series that come in pieces, and never holds more than the result."""

    OPERATORS = frozenset({"sum", "avg", "count", "min", "max", "group"})

    def __init__(self, operator: str, grouper: Grouper, step_count: int) -> None:
        self._operator = operator
        self._grouper = grouper
        self._combine = {"min": np.fmin, "max": np.fmax}.get(operator, np.add)
        self._start = np.nan if operator in ("min", "max") else 0.0
        self._step_count = step_count
        self._results: FloatArray = np.empty((0, step_count))
        # How many series there are at each step: those that always are apart from the others.
        self._steady = np.zeros(0)
        self._counts = np.empty((0, step_count))
        # The sums of the absolute values, from when there are values of both signs.
        self._magnitudes: FloatArray | None = None
        self._signs: set[bool] = set()
        self._is_finite = True

    def add(self, labels: Sequence[Labels], values: FloatArray, present: BoolArray | None) -> None:
        """Add (S, T) values of S series, a block's worth.

        `present` is None, (S, T), or (1, T) if it is the same for all.
        """
        members = self._grouper.assign(labels)
        self._grow()
        self._count(members, present)
        if self._operator in ("count", "group"):
            return
        filled = self._fill(values, present)
        if self._operator in ("sum", "avg"):
            self._watch_signs(filled)
        if self._magnitudes is not None:
            combine_into(np.add, self._magnitudes, np.abs(filled), members)
        combine_into(self._combine, self._results, filled, members)

    def merge(self, other: "Folder") -> None:
        """Add what another one of the same kind was given."""
        members = self._grouper.assign(other._grouper.labels)
        self._grow()
        self._steady[members] += other._steady
        self._counts[members] += other._counts
        self._signs |= other._signs
        self._is_finite = self._is_finite and other._is_finite
        self._weigh_if_mixed()
        if self._magnitudes is not None:
            self._magnitudes[members] += other._weigh()
        self._results[members] = self._combine(self._results[members], other._results)

    def _count(self, members: IndexArray, present: BoolArray | None) -> None:
        if present is not None and len(present) == len(members):
            combine_into(np.add, self._counts, present.astype(np.float64), members)
            return
        sizes = np.bincount(members, minlength=len(self._steady))
        if present is None:
            self._steady += sizes
        else:
            self._counts += sizes[:, np.newaxis] * present

    def _fill(self, values: FloatArray, present: BoolArray | None) -> FloatArray:
        if present is None:
            return values
        if len(present) < len(values) and values.flags.owndata:
            # Mostly a few steps at the beginning, and the array is nobody else's.
            values[:, ~present[0]] = self._start
            return values
        return np.where(present, values, self._start)

    def finish(self) -> Vector | None:
        """Return the result, or None if adding up in pieces may have been too inaccurate."""
        if not self._is_finite or (
            self._magnitudes is not None
            and needs_compensation(self._results, self._magnitudes).any()
        ):
            return None
        counts = self._counts + self._steady[:, np.newaxis]
        if self._operator == "avg":
            if np.isinf(self._results).any():
                return None
            self._results /= counts
        if self._operator == "count":
            self._results = counts
        elif self._operator == "group":
            self._results = np.ones(counts.shape)
        there = counts > 0
        present = None if there.all() else there
        return Vector(self._grouper.labels, self._results, present).without_empty_series()

    def _grow(self) -> None:
        missing = len(self._grouper.labels) - len(self._results)
        if missing:
            fresh = np.full((missing, self._step_count), self._start)
            self._results = np.concatenate((self._results, fresh))
            self._counts = np.concatenate((self._counts, np.zeros((missing, self._step_count))))
            self._steady = np.concatenate((self._steady, np.zeros(missing)))
            if self._magnitudes is not None:
                fresh = np.zeros((missing, self._step_count))
                self._magnitudes = np.concatenate((self._magnitudes, fresh))

    def _weigh(self) -> FloatArray:
        """Return the sums of the absolute values of what was added."""
        # While all had one sign, these are those of the sums.
        return np.abs(self._results) if self._magnitudes is None else self._magnitudes

    def _weigh_if_mixed(self) -> None:
        if self._magnitudes is None and len(self._signs) == 2:
            self._magnitudes = np.abs(self._results)

    def _watch_signs(self, values: FloatArray) -> None:
        lowest, highest = values.min(), values.max()
        if lowest < 0:
            self._signs.add(False)
        if highest > 0:
            self._signs.add(True)
        # Written so that NaN, for which every comparison is false, is not finite.
        self._is_finite = self._is_finite and bool(lowest > -np.inf and highest < np.inf)
        self._weigh_if_mixed()

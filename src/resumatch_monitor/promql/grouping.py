"""Which series an aggregation puts together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from resumatch_monitor.metrics.labels import METRIC_NAME, Labels
from resumatch_monitor.promql.vector import METADATA_LABELS, IndexArray


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Which series belong together.

    Attributes:
        labels: The G groups' label sets.
        of_row: (S,) the group of each series.
    """

    labels: Sequence[Labels]
    of_row: IndexArray

    @property
    def count(self) -> int:
        """G."""
        return len(self.labels)

    def members(self) -> Iterator[tuple[int, IndexArray]]:
        """Yield each group with the positions of its series, in their order."""
        order = np.argsort(self.of_row, kind="stable")
        ends = np.cumsum(np.bincount(self.of_row, minlength=self.count))
        begin = 0
        for group, end in enumerate(ends.tolist()):
            yield group, order[begin:end]
            begin = end


class Grouper:
    """Numbers groups as it meets them."""

    def __init__(self, names: Sequence[str], *, is_without: bool, is_nameless: bool) -> None:
        if is_nameless and not is_without:
            names = [name for name in names if name not in METADATA_LABELS]
        self._names = tuple(names)
        self._ignored = frozenset((*(METADATA_LABELS if is_nameless else (METRIC_NAME,)), *names))
        self._is_without = is_without
        self._numbers: dict[object, int] = {}
        self.labels: list[Labels] = []

    def assign(self, labels: Sequence[Labels]) -> IndexArray:
        """Return the group of each series, (S,)."""
        keys = self._keys(labels)
        numbers = self._numbers
        rows = [numbers.setdefault(key, len(numbers)) for key in keys]
        if len(numbers) > len(self.labels):
            # A group's number is its place among the first members.
            for row, number in enumerate(rows):
                if number == len(self.labels):
                    self.labels.append(self._labels_of(labels[row]))
        return np.array(rows, dtype=np.int64)

    def _keys(self, labels: Sequence[Labels]) -> Sequence[object]:
        if self._is_without:
            ignored = self._ignored
            return [tuple([p for p in each.pairs if p[0] not in ignored]) for each in labels]
        names = self._names
        if not names:
            return [None] * len(labels)
        if len(names) == 1:
            return [each.value(names[0]) for each in labels]
        return [tuple([each.value(name) for name in names]) for each in labels]

    def _labels_of(self, member: Labels) -> Labels:
        return member.without(self._ignored) if self._is_without else member.only(self._names)


def group_by(
    labels: Sequence[Labels], names: Sequence[str], *, is_without: bool, is_nameless: bool
) -> Groups:
    """Group series by the labels `names`, or by all but them and the metric's name."""
    grouper = Grouper(names, is_without=is_without, is_nameless=is_nameless)
    rows = grouper.assign(labels)
    return Groups(grouper.labels, rows)

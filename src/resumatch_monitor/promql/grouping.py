"""Which series an aggregation puts together."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from resumatch_monitor.metrics.labels import METRIC_NAME, Labels
from resumatch_monitor.promql.vector import METADATA_LABELS, IndexArray

_MOST_NUMBERINGS = 16


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


@dataclass(frozen=True, slots=True, eq=False)
class _Numbering:
    """How a `Grouper` numbered the groups of some series that were the first it was given."""

    of_row: IndexArray
    numbers: Mapping[object, int]
    labels: Sequence[Labels]


class SteadyLabels(list[Labels]):
    """Label sets of which the same questions are asked again and again; not to be changed."""

    def __init__(self, labels: Iterable[Labels] = ()) -> None:
        super().__init__(labels)
        self.numberings: dict[object, _Numbering] = {}


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
        if not labels:
            return np.empty(0, dtype=np.int64)
        if isinstance(labels, SteadyLabels) and not self.labels:
            return self._recall(labels)
        return self._find(labels)

    def _recall(self, labels: SteadyLabels) -> IndexArray:
        kind = (self._names, self._is_without, self._ignored)
        known = labels.numberings.get(kind)
        if known is None:
            rows = self._find(labels)
            rows.setflags(write=False)
            known = _Numbering(rows, dict(self._numbers), tuple(self.labels))
            if len(labels.numberings) < _MOST_NUMBERINGS:
                labels.numberings[kind] = known
        else:
            self._numbers, self.labels = dict(known.numbers), list(known.labels)
        return known.of_row

    def _find(self, labels: Sequence[Labels]) -> IndexArray:
        if not self._names and not self._is_without:
            self.labels = self.labels or [self._labels_of(labels[0])]
            return np.zeros(len(labels), dtype=np.int64)
        keys = self._keys(labels)
        known = list(map(self._numbers.get, keys))
        if None in known:
            self._number(keys, labels)
            known = list(map(self._numbers.__getitem__, keys))
        return np.array(known, dtype=np.int64)

    def _number(self, keys: Sequence[object], labels: Sequence[Labels]) -> None:
        """Give the keys that are new their numbers, in the order in which they come first."""
        first_members = dict(zip(reversed(keys), reversed(labels), strict=True))
        for key in dict.fromkeys(keys):
            if key not in self._numbers:
                self._numbers[key] = len(self._numbers)
                self.labels.append(self._labels_of(first_members[key]))

    def _keys(self, labels: Sequence[Labels]) -> Sequence[object]:
        if self._is_without:
            ignored = self._ignored
            return [tuple([p for p in each.pairs if p[0] not in ignored]) for each in labels]
        columns = [Labels.values_of(labels, name) for name in self._names]
        return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))

    def _labels_of(self, member: Labels) -> Labels:
        return member.without(self._ignored) if self._is_without else member.only(self._names)


def group_by(
    labels: Sequence[Labels], names: Sequence[str], *, is_without: bool, is_nameless: bool
) -> Groups:
    """Group series by the labels `names`, or by all but them and the metric's name."""
    grouper = Grouper(names, is_without=is_without, is_nameless=is_nameless)
    rows = grouper.assign(labels)
    return Groups(grouper.labels, rows)

"""Remembers which of a metric's series rules ask for, from evaluation to evaluation."""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from resumatch_monitor.metrics.labels import Labels, Matcher
from resumatch_monitor.promql.grouping import SteadyLabels
from resumatch_monitor.promql.shared import Choice
from resumatch_monitor.promql.vector import IndexArray

_MOST_SELECTORS = 2_000
_MOST_ROWS = 2_000_000
"""What is remembered of one metric's series at the most: selectors, and rows of all of them."""
_MOST_SEQUENCES = 1_000
_MOST_CATALOGUES = 200

Matchers = tuple[Matcher, ...]
_Rows = tuple[IndexArray | slice, SteadyLabels]


class _Sequence:
    """Series in an order that comes again from evaluation to evaluation."""

    def __init__(self, labels: Sequence[Labels]) -> None:
        self.labels = labels
        self._found: dict[Matchers, _Rows] = {}
        self._row_count = 0

    def find(self, matchers: Matchers) -> _Rows:
        """Return the positions of the series that match, and their label sets."""
        known = self._found.get(matchers)
        if known is None:
            known = _match(self.labels, matchers)
            self._row_count += len(known[1])
            if len(self._found) >= _MOST_SELECTORS or self._row_count > _MOST_ROWS:
                self._found.clear()
                self._row_count = len(known[1])
            self._found[matchers] = known
        return known


class Catalogue:
    """All series of a metric as they lie in blocks, the same from evaluation to evaluation."""

    def __init__(self, sequences: Sequence[_Sequence]) -> None:
        self.sequences = sequences
        self._found: dict[Matchers, Choice] = {}
        self._row_count = 0

    def choose(self, matchers: Matchers) -> Choice:
        """Return the series that match."""
        known = self._found.get(matchers)
        if known is None:
            known = self._choose(matchers)
            self._row_count += len(known.labels)
            if len(self._found) >= _MOST_SELECTORS or self._row_count > _MOST_ROWS:
                self._found.clear()
                self._row_count = len(known.labels)
            self._found[matchers] = known
        return known

    def _choose(self, matchers: Matchers) -> Choice:
        of_block = [sequence.find(matchers) for sequence in self.sequences]
        rows: list[IndexArray] = []
        first = 0
        for sequence, (positions, _) in zip(self.sequences, of_block, strict=True):
            count = len(sequence.labels)
            rows.append(np.arange(first, first + count, dtype=np.int64)[positions])
            first += count
        counts = np.array([len(found) for _, found in of_block], dtype=np.int64)
        if len(of_block) == 1:
            return Choice(of_block[0][1], rows[0], of_block, counts)
        labels = SteadyLabels(each for _, found in of_block for each in found)
        joined = np.concatenate(rows) if rows else np.empty(0, np.int64)
        return Choice(labels, joined, of_block, counts)


class Catalogues:
    """Finds the catalogue of series that were there before. Not for several threads at once."""

    def __init__(self) -> None:
        self._sequences: OrderedDict[tuple[Labels, int], _Sequence] = OrderedDict()
        self._catalogues: OrderedDict[tuple[int, ...], Catalogue] = OrderedDict()

    def find(self, blocks: Sequence[Sequence[Labels]]) -> Catalogue:
        """Return the catalogue of the series whose label sets each block has."""
        sequences = [self._find_sequence(labels) for labels in blocks]
        # A catalogue holds its sequences, so that no other can have their ids.
        key = tuple(map(id, sequences))
        catalogue = self._catalogues.get(key)
        if catalogue is None:
            catalogue = self._catalogues[key] = Catalogue(sequences)
        self._catalogues.move_to_end(key)
        if len(self._catalogues) > _MOST_CATALOGUES:
            self._catalogues.popitem(last=False)
        return catalogue

    def _find_sequence(self, labels: Sequence[Labels]) -> _Sequence:
        key = (labels[0], len(labels))
        sequence = self._sequences.get(key)
        # Comparing looks at identity first, so that an unchanged sequence costs next to nothing.
        if sequence is None or sequence.labels != labels:
            sequence = self._sequences[key] = _Sequence(labels)
        self._sequences.move_to_end(key)
        if len(self._sequences) > _MOST_SEQUENCES:
            self._sequences.popitem(last=False)
        return sequence


def _match(labels: Sequence[Labels], matchers: Matchers) -> _Rows:
    rows = [
        row
        for row, each in enumerate(labels)
        if all(matcher.matches(each.value(matcher.name)) for matcher in matchers)
    ]
    kept = SteadyLabels(labels[row] for row in rows)
    if rows and rows[-1] - rows[0] == len(rows) - 1:
        return slice(rows[0], rows[-1] + 1), kept
    return np.array(rows, dtype=np.int64), kept

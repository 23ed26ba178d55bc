"""Remembers which of a metric's series rules ask for, from evaluation to evaluation."""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from resumatch_monitor.metrics.labels import Labels, Matcher
from resumatch_monitor.promql.grouping import SteadyLabels
from resumatch_monitor.promql.shared import Choice
from resumatch_monitor.promql.vector import IndexArray

_MOST_SELECTORS = 2_000
"""Selectors of which is remembered which of some series they choose."""
_MOST_COLUMNS = 16
_MOST_CATALOGUES = 200
_MOST_ROWS = 4_000_000
"""Series that are remembered, each as often as it is chosen: some tens of megabytes."""

Matchers = tuple[Matcher, ...]
_Rows = tuple[IndexArray | slice, SteadyLabels]


class _Tally:
    """How many series are remembered in all, or have been since they were last counted."""

    def __init__(self) -> None:
        self.rows = 0


class _Sequence:
    """Series in an order that comes again from evaluation to evaluation."""

    def __init__(self, labels: Sequence[Labels], tally: _Tally) -> None:
        self.labels = labels
        self.row_count = 0
        self._tally = tally
        self._found: dict[Matchers, _Rows] = {}
        self._columns: dict[str, tuple[IndexArray, Sequence[str]]] = {}
        self._count(len(labels))

    def find(self, matchers: Matchers) -> _Rows:
        """Return the positions of the series that match, and their label sets."""
        known = self._found.get(matchers)
        if known is None:
            known = self._match(matchers)
            if len(self._found) < _MOST_SELECTORS:
                self._found[matchers] = known
                self._count(len(known[1]))
        return known

    def forget(self) -> None:
        """Remember nothing any more."""
        self._found.clear()
        self._columns.clear()
        self.row_count = len(self.labels)

    def _count(self, rows: int) -> None:
        self.row_count += rows
        self._tally.rows += rows

    def _match(self, matchers: Matchers) -> _Rows:
        is_chosen = np.ones(len(self.labels), dtype=np.bool_)
        for matcher in matchers:
            numbers, values = self._find_column(matcher.name)
            # Many series have the same value: each is looked at once.
            is_chosen &= np.array([matcher.matches(value) for value in values])[numbers]
        rows = np.flatnonzero(is_chosen)
        labels = SteadyLabels(self.labels[row] for row in rows.tolist())
        if len(rows) and rows[-1] - rows[0] == len(rows) - 1:
            return slice(int(rows[0]), int(rows[-1]) + 1), labels
        return rows, labels

    def _find_column(self, name: str) -> tuple[IndexArray, Sequence[str]]:
        """Return for each series the number of its value of a label, and these values."""
        column = self._columns.get(name)
        if column is None:
            numbers: dict[str, int] = {}
            of_row = [
                numbers.setdefault(value, len(numbers))
                for value in Labels.values_of(self.labels, name)
            ]
            column = np.array(of_row, dtype=np.int64), tuple(numbers)
            if len(self._columns) < _MOST_COLUMNS:
                self._columns[name] = column
                self._count(len(of_row))
        return column


class Catalogue:
    """All series of a metric as they lie in blocks, the same from evaluation to evaluation."""

    def __init__(self, sequences: Sequence[_Sequence], tally: _Tally) -> None:
        self.sequences = sequences
        self.row_count = 0
        self._tally = tally
        self._found: dict[Matchers, Choice] = {}

    def choose(self, matchers: Matchers) -> Choice:
        """Return the series that match."""
        known = self._found.get(matchers)
        if known is None:
            known = self._choose(matchers)
            if len(self._found) < _MOST_SELECTORS:
                self._found[matchers] = known
                self.row_count += len(known.labels)
                self._tally.rows += len(known.labels)
        return known

    def forget(self) -> None:
        """Remember nothing any more."""
        self._found.clear()
        self.row_count = 0

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

    def __init__(self, *, most_rows: int = _MOST_ROWS) -> None:
        self._most_rows = most_rows
        self._tally = _Tally()
        self._sequences: dict[tuple[Labels, int], _Sequence] = {}
        self._catalogues: OrderedDict[tuple[int, ...], Catalogue] = OrderedDict()

    @property
    def row_count(self) -> int:
        """How many series are remembered, each as often as it is."""
        self._count_anew()
        return self._tally.rows

    def find(self, blocks: Sequence[Sequence[Labels]]) -> Catalogue:
        """Return the catalogue of the series whose label sets each block has."""
        sequences = [self._find_sequence(labels) for labels in blocks]
        # A catalogue holds its sequences, so that no other can have their ids.
        key = tuple(map(id, sequences))
        catalogue = self._catalogues.get(key)
        is_new = catalogue is None
        if catalogue is None:
            catalogue = self._catalogues[key] = Catalogue(sequences, self._tally)
        self._catalogues.move_to_end(key)
        if is_new or self._tally.rows > self._most_rows:
            self._make_room()
        return catalogue

    def _find_sequence(self, labels: Sequence[Labels]) -> _Sequence:
        key = (labels[0], len(labels))
        sequence = self._sequences.get(key)
        # Comparing looks at identity first, so that an unchanged sequence costs next to nothing.
        if sequence is None or sequence.labels != labels:
            sequence = self._sequences[key] = _Sequence(labels, self._tally)
        return sequence

    def _make_room(self) -> None:
        """Forget what was not asked for longest."""
        live = self._count_anew()
        while len(self._catalogues) > 1 and (
            len(self._catalogues) > _MOST_CATALOGUES or self._tally.rows > self._most_rows
        ):
            self._catalogues.popitem(last=False)
            live = self._count_anew()
        self._sequences = {key: each for key, each in self._sequences.items() if id(each) in live}
        if self._tally.rows > self._most_rows:
            for held in (*self._catalogues.values(), *live.values()):
                held.forget()
            self._count_anew()

    def _count_anew(self) -> dict[int, _Sequence]:
        """Tally what is still held, and return the sequences among it by their ids."""
        catalogues = self._catalogues.values()
        live = {id(each): each for catalogue in catalogues for each in catalogue.sequences}
        self._tally.rows = sum(each.row_count for each in (*catalogues, *live.values()))
        return live

"""Lets the rules that are evaluated at one moment share what they read.

A group's rules look at the same few metrics over the same few ranges. The first of them that asks
for a part of a metric reads just that; where several such questions followed the last time, the
whole metric is read once and every question is answered from that.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from resumatch_monitor.metrics.labels import METRIC_NAME, Labels, Matcher, MatchOp
from resumatch_monitor.metrics.samples import BatchSink, Queryable, SampleBatch, SeriesBlock
from resumatch_monitor.promql.shared import SharedRows, SharedSeries, SharingQueryable
from resumatch_monitor.promql.value import QueryLimitError
from resumatch_monitor.rules.catalogue import Catalogue, Catalogues, Matchers

_MOST_KEPT_SAMPLES = 2_000_000
_MOST_KEPT_SECONDS = 30.0
_TOO_LARGE_SECONDS = 600.0
_MOST_FAMILIES = 1_000
_MOST_TURNS = 8
_MOST_FIRST_QUESTIONS = 64
_MOST_ALIKE = 4
_FEWEST_QUESTIONS = 3
_SERIES_A_QUESTION = 250
"""To read anything at all costs at least what reading so many series costs."""
_LEAST_USE = 0.5
"""Reading all of a metric pays when this share of its series is asked for, counted repeatedly."""


@dataclass(frozen=True, slots=True, order=True)
class _Demand:
    """How many different questions there were, and how many series answered all of them."""

    questions: int = 0
    series: int = 0


class _Turn:
    """The different questions at one moment, and how many series answered each."""

    def __init__(self, expected: _Demand) -> None:
        self.expected = expected
        self._asked: dict[Matchers, int] = {}

    def note(self, question: Matchers, series: int) -> None:
        """Count a question."""
        self._asked[question] = series

    @property
    def demand(self) -> _Demand:
        """What was asked so far."""
        return _Demand(len(self._asked), sum(self._asked.values()))


class _Family:
    """What is asked of one metric over one length of time.

    Groups, and the offsets in their rules, have moments of their own, and each asks in the same
    order every time: what came first tells what follows.
    """

    def __init__(self) -> None:
        self.size = 0
        """How many series all of the metric had when it was last read; 0 if it never was."""
        self.read_again_at = 0.0
        """All of it was more than one query may load; until then it is not tried again."""
        self._turns: OrderedDict[int, _Turn] = OrderedDict()
        self._by_first: OrderedDict[Matchers, deque[_Turn]] = OrderedDict()

    def find_turn(self, moment_ms: int, question: Matchers) -> _Turn:
        """Return the turn at a moment; a new one if the question is the first there."""
        turn = self._turns.get(moment_ms)
        if turn is None:
            # One rule may ask the same first at several moments, of which most follows at one.
            before = self._by_first.setdefault(question, deque(maxlen=_MOST_ALIKE))
            expected = max((each.demand for each in before), default=_Demand())
            turn = self._turns[moment_ms] = _Turn(expected)
            before.append(turn)
            self._by_first.move_to_end(question)
            if len(self._turns) > _MOST_TURNS:
                self._turns.popitem(last=False)
            if len(self._by_first) > _MOST_FIRST_QUESTIONS:
                self._by_first.popitem(last=False)
        return turn

    def is_worth_all(self, turn: _Turn, now: float) -> bool:
        """Tell whether to read all of the metric costs less than what is going to be asked."""
        expected = turn.expected
        if now < self.read_again_at or expected.questions < _FEWEST_QUESTIONS:
            return False
        return expected.series + _SERIES_A_QUESTION * expected.questions >= _LEAST_USE * self.size


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    """All of a metric over a range, as one evaluation shares it."""

    series: SharedSeries
    catalogue: Catalogue
    read_at: float


class SharedSelections(SharingQueryable):
    """A `Queryable` over another for the rules alone; safe from several threads.

    What is read stays for a few seconds at most and is forgotten when a rule writes to its metric.
    """

    def __init__(self, queryable: Queryable, *, monotonic: Callable[[], float]) -> None:
        self._queryable = queryable
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._families: OrderedDict[tuple[str, int], _Family] = OrderedDict()
        self._readings: OrderedDict[tuple[str, int, int], _Reading] = OrderedDict()
        self._catalogues = Catalogues()
        self._kept_samples = 0

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[SeriesBlock]:
        """See `Queryable`."""
        shared = self.select_shared(matchers, start_ms, end_ms)
        if shared is not None:
            return shared.blocks()
        name, others = _split(matchers)
        if name is None:
            return self._queryable.select(matchers, start_ms, end_ms)
        blocks = join_equal_times(self._queryable.select(matchers, start_ms, end_ms))
        with self._lock:
            family = self._find_family(name, end_ms - start_ms)
            family.find_turn(end_ms, others).note(others, _count_series(blocks))
        return blocks

    @override
    def select_shared(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> SharedRows | None:
        name, others = _split(matchers)
        if name is None:
            return None
        with self._lock:
            family = self._find_family(name, end_ms - start_ms)
            turn = family.find_turn(end_ms, others)
            reading = self._readings.get((name, start_ms, end_ms))
            if reading is None and family.is_worth_all(turn, self._monotonic()):
                reading = self._read_all(family, name, start_ms, end_ms)
            if reading is None:
                return None
            choice = reading.catalogue.choose(others)
            turn.note(others, len(choice.labels))
            return SharedRows(reading.series, choice)

    def find_series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        """See `Queryable`."""
        return self._queryable.find_series(matchers, start_ms, end_ms)

    def find_label_names(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        """See `Queryable`."""
        return self._queryable.find_label_names(matchers, start_ms, end_ms)

    def find_label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        """See `Queryable`."""
        return self._queryable.find_label_values(name, matchers, start_ms, end_ms)

    def forget(self, names: frozenset[str]) -> None:
        """Read these metrics anew: a rule has written to them."""
        with self._lock:
            for key in [each for each in self._readings if each[0] in names]:
                self._kept_samples -= self._readings.pop(key).series.size

    def _find_family(self, name: str, length_ms: int) -> _Family:
        key = (name, length_ms)
        family = self._families.setdefault(key, _Family())
        self._families.move_to_end(key)
        if len(self._families) > _MOST_FAMILIES:
            self._families.popitem(last=False)
        return family

    def _read_all(self, family: _Family, name: str, start_ms: int, end_ms: int) -> _Reading | None:
        everything = (Matcher(METRIC_NAME, MatchOp.EQUAL, name),)
        try:
            blocks = self._queryable.select(everything, start_ms, end_ms)
        except QueryLimitError:
            family.read_again_at = self._monotonic() + _TOO_LARGE_SECONDS
            return None
        # Read once for all questions, not anew for each.
        blocks = [
            SeriesBlock(each.labels, each.timestamps, each.values)
            for each in join_equal_times(blocks)
        ]
        family.size = _count_series(blocks)
        series = SharedSeries(blocks)
        catalogue = self._catalogues.find([each.labels for each in blocks])
        reading = _Reading(series, catalogue, self._monotonic())
        self._make_room(series.size)
        self._readings[name, start_ms, end_ms] = reading
        self._kept_samples += series.size
        return reading

    def _make_room(self, sample_count: int) -> None:
        oldest_allowed = self._monotonic() - _MOST_KEPT_SECONDS
        while self._readings:
            oldest = next(iter(self._readings.values()))
            is_over = self._kept_samples + sample_count > _MOST_KEPT_SAMPLES
            if not is_over and oldest.read_at >= oldest_allowed:
                return
            self._kept_samples -= self._readings.popitem(last=False)[1].series.size


class ForgettingSink(BatchSink):
    """A sink for what rules record: the rules after them read it anew."""

    def __init__(self, sink: BatchSink, selections: SharedSelections) -> None:
        self._sink = sink
        self._selections = selections

    async def append_batch(self, batch: SampleBatch) -> None:
        """See `BatchSink`."""
        try:
            await self._sink.append_batch(batch)
        finally:
            self._selections.forget(frozenset(each.metric_name for each in batch.labels))


def join_equal_times(blocks: Sequence[SeriesBlock]) -> list[SeriesBlock]:
    """Put blocks that have the same timestamps into one: few large ones are quicker to work on."""
    if len(blocks) < 2:
        return list(blocks)
    groups: dict[bytes, list[SeriesBlock]] = {}
    for block in blocks:
        groups.setdefault(block.timestamps.tobytes(), []).append(block)
    return [group[0] if len(group) == 1 else _join(group) for group in groups.values()]


def _join(blocks: Sequence[SeriesBlock]) -> SeriesBlock:
    labels = [each for block in blocks for each in block.labels]
    values = np.concatenate([block.values for block in blocks])
    return SeriesBlock(labels, blocks[0].timestamps, values)


def _split(matchers: Sequence[Matcher]) -> tuple[str | None, Matchers]:
    """Return the one metric that is asked for, if it is one, and the other matchers."""
    names = [each for each in matchers if each.name == METRIC_NAME]
    if len(names) != 1 or names[0].op is not MatchOp.EQUAL or not names[0].value:
        return None, ()
    return names[0].value, tuple(each for each in matchers if each.name != METRIC_NAME)


def _count_series(blocks: Sequence[SeriesBlock]) -> int:
    return sum(len(block.labels) for block in blocks)

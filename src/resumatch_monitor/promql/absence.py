"""Why a selector finds no samples: what of it was never seen, and when there were some."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from resumatch_monitor.metrics.labels import METRIC_NAME, Labels, Matcher, MatchOp
from resumatch_monitor.metrics.samples import Queryable, TimeArray, is_absent, is_stale
from resumatch_monitor.promql.finding import (
    Finding,
    FindingKind,
    Suggestion,
    is_metric_name,
    render_selector,
    with_metric,
    with_value,
)
from resumatch_monitor.promql.nearest import find_nearest
from resumatch_monitor.promql.value import QueryLimitError

_HOUR_MS = 3_600_000
_SEARCH_SPANS_MS = tuple(hours * _HOUR_MS for hours in (1, 6, 24, 24 * 7, 24 * 30, 24 * 400))
_EVER_START_MS = 0
_EVER_AFTER_MS = 366 * 24 * _HOUR_MS
_MOST_SERIES_READ = 50
_MOST_VALUES = 12
_MOST_NAMES_LISTED = 20

Matchers = tuple[Matcher, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """The samples that a selector can see: `[start_ms, end_ms]`."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class AbsenceFinder:
    """Looks into the store on behalf of one query."""

    queryable: Queryable
    query: str
    checkpoint: Callable[[], None]

    def has_samples(self, matchers: Matchers, span: Span) -> bool:
        """Tell whether a series that matches has a sample in `span`."""
        self.checkpoint()
        try:
            blocks = self.queryable.select(matchers, span.start_ms, span.end_ms)
        except QueryLimitError:
            return True
        return any(not (is_stale(block.values) | is_absent(block.values)).all() for block in blocks)

    def explain(self, matchers: Matchers, span: Span) -> Finding:
        """Return why no series that matches has a sample in `span`."""
        ever = Span(_EVER_START_MS, span.end_ms + _EVER_AFTER_MS)
        name = next((each for each in matchers if is_metric_name(each)), None)
        if name is not None and not self._exists((name,), ever):
            return self._unknown_metric(name, matchers, ever)
        series = self.queryable.find_series(matchers, ever.start_ms, ever.end_ms)
        if series:
            return self._no_samples(matchers, series, span)
        base = () if name is None else (name,)
        others = tuple(each for each in matchers if each is not name)
        for matcher in others:
            if not self._exists((*base, matcher), ever):
                return self._unknown_value(matcher, base, matchers, ever)
        return self._no_combination(others, base, matchers, ever)

    def interval_ms(self, matchers: Matchers, end_ms: int) -> int | None:
        """Return the usual time between two samples before `end_ms`, None if it is not known."""
        span = Span(end_ms - _HOUR_MS, end_ms)
        series = self.queryable.find_series(matchers, span.start_ms, span.end_ms)
        gaps = [np.diff(times) for times in self._read(matchers, series, span) if len(times) > 1]
        return round(float(np.median(np.concatenate(gaps)))) if gaps else None

    def _exists(self, matchers: Matchers, span: Span) -> bool:
        self.checkpoint()
        return bool(self.queryable.find_series(matchers, span.start_ms, span.end_ms))

    def _values(self, label: str, matchers: Matchers, span: Span) -> list[str]:
        self.checkpoint()
        return self.queryable.find_label_values(label, matchers, span.start_ms, span.end_ms)

    def _unknown_metric(self, name: Matcher, matchers: Matchers, ever: Span) -> Finding:
        known = self._values(METRIC_NAME, (), ever)
        text = f"No metric called {name.value} has ever been stored."
        if not known:
            text += " Nothing is stored yet."
        suggestions = tuple(
            Suggestion(other, with_metric(self.query, name.value, other))
            for other in find_nearest(name.value, known)
        )
        return Finding(
            FindingKind.UNKNOWN_METRIC, text, render_selector(matchers), suggestions=suggestions
        )

    def _unknown_value(
        self, matcher: Matcher, base: Matchers, matchers: Matchers, ever: Span
    ) -> Finding:
        subject = base[0].value if base else "any metric"
        selector = render_selector(matchers)
        values = self._values(matcher.name, base, ever)
        if not values:
            names = self.queryable.find_label_names(base, ever.start_ms, ever.end_ms)
            named = [each for each in names if each != METRIC_NAME]
            text = (
                f"No series of {subject} has ever had the label {matcher.name}."
                f" Its labels are: {_list(named)}."
            )
            return Finding(FindingKind.UNKNOWN_LABEL, text, selector)
        nearest = find_nearest(matcher.value, values, limit=_MOST_VALUES)
        offered = list(dict.fromkeys([*nearest, *values]))[:_MOST_VALUES]
        return Finding(
            FindingKind.UNKNOWN_VALUE,
            f"No series of {subject} has ever had {matcher!r}."
            f" {_count(len(values), 'value')} of {matcher.name} exist{'s' * (len(values) == 1)}.",
            selector,
            suggestions=tuple(self._suggest_value(matcher, each) for each in offered),
        )

    def _no_combination(
        self, others: Matchers, base: Matchers, matchers: Matchers, ever: Span
    ) -> Finding:
        text = "Each of its labels occurs, but no series has all of them together."
        for matcher in others:
            rest = (*base, *(each for each in others if each is not matcher))
            if values := self._values(matcher.name, rest, ever):
                return Finding(
                    FindingKind.NO_COMBINATION,
                    f"{text} With the others, {matcher.name} has other values:",
                    render_selector(matchers),
                    suggestions=tuple(
                        self._suggest_value(matcher, each) for each in values[:_MOST_VALUES]
                    ),
                )
        return Finding(FindingKind.NO_COMBINATION, text, render_selector(matchers))

    def _suggest_value(self, matcher: Matcher, value: str) -> Suggestion:
        return Suggestion(value, with_value(self.query, matcher, value))

    def _no_samples(self, matchers: Matchers, series: Sequence[Labels], span: Span) -> Finding:
        text = f"{_count(len(series), 'series', 'series')} that it selects"
        text += " exist, but have no sample in this time range."
        if len(series) == 1:
            text = "The one series that it selects exists, but has no sample in this time range."
        if (last := self._search(matchers, series, span.start_ms, direction=-1)) is not None:
            text += " The last sample is older."
            return Finding(
                FindingKind.NO_SAMPLES, text, render_selector(matchers), sample_at_ms=last
            )
        first = self._search(matchers, series, span.end_ms, direction=1)
        if first is not None:
            text += " The first sample is newer."
        return Finding(FindingKind.NO_SAMPLES, text, render_selector(matchers), sample_at_ms=first)

    def _search(
        self, matchers: Matchers, series: Sequence[Labels], from_ms: int, *, direction: int
    ) -> int | None:
        """Return the nearest sample's time before (-1) or after (1) `from_ms`."""
        for length_ms in _SEARCH_SPANS_MS:
            self.checkpoint()
            span = Span(from_ms - length_ms, from_ms)
            if direction > 0:
                span = Span(from_ms, from_ms + length_ms)
            found = [times for times in self._read(matchers, series, span) if len(times)]
            if found and direction > 0:
                return min(int(times[0]) for times in found)
            if found:
                return max(int(times[-1]) for times in found)
        return None

    def _read(
        self, matchers: Matchers, series: Sequence[Labels], span: Span
    ) -> Iterator[TimeArray]:
        """Yield when each of the series has samples; of many, only a few are read."""
        asked: list[Matchers] = [matchers]
        if len(series) > _MOST_SERIES_READ:
            picked = (series[0], series[len(series) // 2], series[-1])
            asked = [
                tuple(Matcher(name, MatchOp.EQUAL, value) for name, value in labels.pairs)
                for labels in picked
            ]
        for each in asked:
            try:
                blocks = self.queryable.select(each, span.start_ms, span.end_ms)
            except QueryLimitError:
                continue
            for block in blocks:
                for row in block.values:
                    yield block.timestamps[~(is_stale(row) | is_absent(row))]


def _count(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES_LISTED]) or "none"
    rest = len(names) - _MOST_NAMES_LISTED
    return f"{shown} and {rest} more" if rest > 0 else shown

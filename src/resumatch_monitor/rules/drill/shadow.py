"""Series that are made up, in front of the data: what hides behind them stays as it is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from resumatch_monitor.metrics.labels import METRIC_NAME, Labels, Matcher, MatchOp
from resumatch_monitor.metrics.samples import ABSENT, Queryable, SeriesBlock
from resumatch_monitor.promql.context import DEFAULT_LOOKBACK_MS
from resumatch_monitor.promql.value import QueryLimitError
from resumatch_monitor.rules.drill.wishes import Wish

MOST_SAMPLES = 2_000_000
"""That are made up in answer to one selector."""

_SAMPLE = "drill"
_GUESSES = ("drill", "500", "200", "0", "1", "a", "GET", "/", "api", "prod")
_BEFORE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Regime:
    """From when on a series behaves in one way.

    Attributes:
        level: The value, or None for a counter.
        slope: By how much a counter rises each second.
    """

    from_ms: int
    level: float | None
    slope: float


class ShadowSeries:
    """One made-up series: regimes after each other."""

    def __init__(self, labels: Labels, regimes: Sequence[Regime], step_ms: int) -> None:
        self.labels = labels
        self.regimes = tuple(sorted(regimes, key=lambda each: each.from_ms))
        self._step_ms = step_ms

    def describe(self) -> str:
        """Say what it does, for people."""
        last = self.regimes[-1]
        if last.level is not None:
            return f"stays at {last.level:.6g}"
        return f"rises by {last.slope:.6g} a second" if last.slope else "does not rise"

    def sample(self, times: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> np.ndarray:
        """Return the values at `times`; absent before the first regime."""
        values = np.full(len(times), ABSENT)
        total = 0.0
        for index, regime in enumerate(self.regimes):
            last = index == len(self.regimes) - 1
            end_ms = np.iinfo(np.int64).max if last else self.regimes[index + 1].from_ms
            inside = (times >= regime.from_ms) & (times < end_ms)
            if regime.level is not None:
                values[inside] = regime.level
                continue
            values[inside] = total + regime.slope * (times[inside] - regime.from_ms) / 1000
            if not last:
                total += regime.slope * (end_ms - regime.from_ms) / 1000
        return values


class ShadowStore(Queryable):
    """Answers with made-up series for the metrics of a rule, with real ones for all others."""

    def __init__(
        self,
        real: Queryable,
        series: Sequence[ShadowSeries],
        hidden: Iterable[Sequence[Matcher]],
        *,
        step_ms: int,
    ) -> None:
        """Hide whatever has a metric's name that a selector of `hidden` asks for."""
        self._real = real
        self._series = {each.labels: each for each in series}
        self._hidden = [_find_name(matchers) for matchers in hidden]
        self._step_ms = step_ms

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[SeriesBlock]:
        """See `Queryable`; too many samples are a `QueryLimitError`."""
        if not self._hides(matchers):
            return self._real.select(matchers, start_ms, end_ms)
        first = -(-start_ms // self._step_ms) * self._step_ms
        found = self._matching(matchers)
        if not found or first > end_ms:
            return []
        # A subquery over months asks for all that is between its ends.
        if len(found) * ((end_ms - first) // self._step_ms + 1) > MOST_SAMPLES:
            raise QueryLimitError(
                f"the drill would make up more than {MOST_SAMPLES} samples for one selector"
            )
        times = np.arange(first, end_ms + 1, self._step_ms, dtype=np.int64)
        values = np.stack([each.sample(times) for each in found])
        return [SeriesBlock([each.labels for each in found], times, values)]

    def find_series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        """See `Queryable`."""
        if not self._hides(matchers):
            return self._real.find_series(matchers, start_ms, end_ms)
        return sorted(each.labels for each in self._matching(matchers))

    def find_label_names(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        """See `Queryable`."""
        if not self._hides(matchers):
            return self._real.find_label_names(matchers, start_ms, end_ms)
        return sorted({name for each in self._matching(matchers) for name in each.labels})

    def find_label_values(
        self, name: str, matchers: Sequence[Matcher], start_ms: int, end_ms: int
    ) -> list[str]:
        """See `Queryable`."""
        if not self._hides(matchers):
            return self._real.find_label_values(name, matchers, start_ms, end_ms)
        values = {each.labels.get(name, "") for each in self._matching(matchers)}
        return sorted(values - {""})

    def _hides(self, matchers: Sequence[Matcher]) -> bool:
        name = _find_name(matchers)
        return any(
            each is None or name is None or each.matches(name.value) for each in self._hidden
        )

    def _matching(self, matchers: Sequence[Matcher]) -> list[ShadowSeries]:
        return [
            each
            for each in self._series.values()
            if all(matcher.matches(each.labels.value(matcher.name)) for matcher in matchers)
        ]


def build_series(
    wishes: Sequence[Wish], *, extra_labels: Mapping[str, str], begins_ms: int, step_ms: int
) -> list[ShadowSeries]:
    """Return series that fulfil `wishes` from `begins_ms` on.

    Args:
        wishes: Of selectors; those of one selector over different times follow each other.
        extra_labels: Given to every series, as far as its selector allows.
        begins_ms: The first evaluation at which all has to hold.
        step_ms: From one sample to the next.

    Raises:
        ValueError: If no label set is found that a selector matches.
    """
    regimes: dict[Labels, dict[int, Regime]] = {}
    for wish in wishes:
        if wish.is_absent:
            continue
        for labels in _find_labels(wish, extra_labels):
            known = regimes.setdefault(labels, {})
            looked_back = max(wish.range_ms, 0 if wish.range_ms else DEFAULT_LOOKBACK_MS)
            from_ms = begins_ms - wish.selector.offset_ms - looked_back - _BEFORE_MS
            new = Regime(from_ms, wish.level, wish.slope)
            known[from_ms] = _merge(known.get(from_ms), new)
    return [ShadowSeries(labels, list(each.values()), step_ms) for labels, each in regimes.items()]


def _merge(old: Regime | None, new: Regime) -> Regime:
    """Return what satisfies two wishes for the same time: the higher one, most likely."""
    if old is None:
        return new
    if old.level is not None and new.level is not None:
        return Regime(new.from_ms, max(old.level, new.level), 0.0)
    return Regime(new.from_ms, None, max(old.slope, new.slope))


def _find_labels(wish: Wish, extra: Mapping[str, str]) -> list[Labels]:
    found = dict(extra)
    for matcher in wish.selector.matchers:
        found[matcher.name] = _guess(
            [each for each in wish.selector.matchers if each.name == matcher.name], found
        )
    found |= dict(wish.labels)
    if METRIC_NAME not in found:
        found[METRIC_NAME] = _SAMPLE
    if wish.count == 1:
        return [Labels.of(found)]
    return [Labels.of({**found, "drill_number": str(number)}) for number in range(wish.count)]


def _guess(matchers: Sequence[Matcher], known: Mapping[str, str]) -> str:
    """Return a value that all of `matchers`, of one label, match."""
    candidates = [known.get(matchers[0].name, "")]
    for matcher in matchers:
        if matcher.op is MatchOp.EQUAL:
            candidates.append(matcher.value)
        elif matcher.op is MatchOp.REGEX:
            candidates += _guess_by_pattern(matcher.value)
    candidates += [*_GUESSES, ""]
    for candidate in candidates:
        if all(matcher.matches(candidate) for matcher in matchers):
            return candidate
    raise ValueError(f"no value of {matchers[0].name} is known that {matchers!r} match")


def _guess_by_pattern(pattern: str) -> list[str]:
    """Return texts that a simple pattern matches: alternatives, with wildcards filled in."""
    guesses: list[str] = []
    for alternative in [pattern, *pattern.strip("^$()").split("|")]:
        text = alternative.strip("^$()")
        for wildcard in (".*", ".+", "[^/]+", "\\d+", "[0-9]+", "\\w+"):
            text = text.replace(wildcard, "0" if "0" in wildcard or "d" in wildcard else _SAMPLE)
        guesses += [text, text.replace(".", "0").replace("\\0", "."), text.replace("\\", "")]
    return guesses


def _find_name(matchers: Sequence[Matcher]) -> Matcher | None:
    """Return what asks for the metric's name, None if several metrics may be meant."""
    names = [each for each in matchers if each.name == METRIC_NAME]
    return names[0] if len(names) == 1 and names[0].op is MatchOp.EQUAL else None

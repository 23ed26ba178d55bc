"""Finds the silences that match an alert, fast, however many there are."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from resumatch_monitor.dispatch.matchers import Selector
from resumatch_monitor.dispatch.muting.silence import Silence
from resumatch_monitor.metrics.labels import Labels, MatchOp

_MOST_KNOWN = 50_000

_Entry = tuple[Silence, Selector]


class SilenceIndex:
    """Silences by a label's value that they ask for; and those that ask for none."""

    def __init__(self) -> None:
        self._by_label: dict[tuple[str, str], list[_Entry]] = {}
        self._unindexed: list[_Entry] = []
        # What matches which alert: groups and pages ask about the same ones again and again.
        self._known: dict[Labels, tuple[Silence, ...]] = {}

    def build(self, silences: Iterable[Silence], now: datetime) -> None:
        """Index those of `silences` that are not over."""
        self._by_label, self._unindexed, self._known = {}, [], {}
        current = [each for each in silences if not each.is_over(now)]
        asked = Counter(pair for each in current for pair in _pairs_of(each))
        for each in current:
            entry = each, Selector(each.matchers)
            # Under what the fewest ask for: an alert then meets few that do not match it.
            rarest = min(_pairs_of(each), key=lambda pair: asked[pair], default=None)
            if rarest is None:
                self._unindexed.append(entry)
            else:
                self._by_label.setdefault(rarest, []).append(entry)

    def matching(self, labels: Labels) -> tuple[Silence, ...]:
        """Return the silences that match, whether they have begun or not."""
        known = self._known.get(labels)
        if known is None:
            known = tuple(
                silence
                for silence, selector in self._candidates(labels)
                if selector.selects(labels)
            )
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[labels] = known
        return known

    def _candidates(self, labels: Labels) -> Iterable[_Entry]:
        for pair in labels.pairs:
            yield from self._by_label.get(pair, ())
        yield from self._unindexed


def _pairs_of(silence: Silence) -> list[tuple[str, str]]:
    """Return the labels that an alert must have for the silence to match."""
    return [
        (matcher.name, matcher.value)
        for matcher in silence.matchers
        if matcher.op is MatchOp.EQUAL and matcher.value
    ]

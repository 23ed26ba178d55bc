"""Regular expressions of people's own, beside the built-in patterns."""

import re
from collections.abc import Iterable

from resumatch_monitor.kit.regex import Regex, RegexSet
from resumatch_monitor.sentry.patterns import FILTERED, Pattern
from resumatch_monitor.sentry.settings import ScrubPattern

_ANCHOR = re.compile(r"[$^]|\\[Az]")
_ESCAPED_OR_NEGATED = re.compile(r"\[\^|\\[^Az]")


class CustomPatterns:
    """Tells which of a project's own patterns may occur in a part of an event.

    In JSON that escapes nothing every text stands as it is, and one pass over it answers for all
    expressions; where something is escaped, every text has to be looked at.
    """

    def __init__(self, settings: Iterable[ScrubPattern]) -> None:
        chosen = list(settings)
        self.patterns = tuple(_make_pattern(each) for each in chosen)
        # An anchor means the ends of a text, which JSON does not show.
        is_anchored = [
            _ANCHOR.search(_ESCAPED_OR_NEGATED.sub("", each.pattern)) is not None for each in chosen
        ]
        pairs = list(zip(self.patterns, chosen, is_anchored, strict=True))
        self._always = [pattern for pattern, _, anchored in pairs if anchored]
        self._plain = [pattern for pattern, _, anchored in pairs if not anchored]
        expressions = [each.pattern for _, each, anchored in pairs if not anchored]
        self._set = RegexSet(expressions, is_case_sensitive=True) if expressions else None

    def find(self, json: bytes) -> list[Pattern]:
        """Return the patterns that may occur in a part of an event."""
        if b"\\" in json or self._set is None:
            return list(self.patterns)
        return [*self._always, *(self._plain[index] for index in self._set.find(json))]


def _make_pattern(settings: ScrubPattern) -> Pattern:
    regex = Regex(settings.pattern)
    fill = f"[Filtered:{settings.name}]" if settings.name else FILTERED

    def replace(text: str) -> str:
        return regex.replace(text, lambda _: fill) if regex.searches(text) else text

    return Pattern(settings.name, "", lambda _: True, replace)

"""Takes personal data and secrets out of an event, and cuts what is too long.

The rules are listed for users in docs/errors.md.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from resumatch_monitor.sentry.addresses import AddressUse, place_address
from resumatch_monitor.sentry.custom_patterns import CustomPatterns
from resumatch_monitor.sentry.cutting import cut_depth
from resumatch_monitor.sentry.part_memory import PartMemory
from resumatch_monitor.sentry.patterns import PATTERNS, Pattern, PatternFinder
from resumatch_monitor.sentry.plain import PlainParts
from resumatch_monitor.sentry.scrub_event import EventWalk
from resumatch_monitor.sentry.scrub_walk import Cleaned
from resumatch_monitor.sentry.sensitive_names import SensitiveNames
from resumatch_monitor.sentry.settings import ScrubPattern


class Scrubber:
    """Cleans events, by the built-in rules and those of a project."""

    def __init__(
        self,
        extra_keys: Iterable[str] = (),
        *,
        safe_keys: Iterable[str] = (),
        patterns: Iterable[ScrubPattern] = (),
        addresses: AddressUse = "anonymise",
        is_thorough: bool = False,
        memory: PartMemory | None = None,
    ) -> None:
        """Take the rules.

        Args:
            extra_keys: Names that are filtered beside the built-in ones.
            safe_keys: Names that are not, although the built-in ones say so.
            patterns: Expressions whose matches are taken out of every text.
            addresses: What becomes of users' IP addresses.
            is_thorough: Look at every text, however harmless the whole is: the same result, many
                times as slowly, for comparison.
            memory: What is remembered of earlier events, possibly together with others.
        """
        self._names = SensitiveNames(
            extra=extra_keys, safe=safe_keys, with_addresses=addresses != "keep"
        )
        self.is_sensitive = self._names.is_sensitive
        self._custom = CustomPatterns(patterns)
        self._own = frozenset(self._custom.patterns)
        self.patterns = (*PATTERNS, *self._custom.patterns)
        self.addresses: AddressUse = addresses
        self.plain = PlainParts(self.is_sensitive)
        self.is_thorough = is_thorough
        self.memory = memory or PartMemory()
        self._finder = PatternFinder(PATTERNS)

    def clean(self, event: dict[str, Any], client_address: str = "") -> Cleaned:
        """Return a copy of `event` without what must not be stored.

        Args:
            event: As it was sent.
            client_address: Where it came from, which stands for `{{auto}}`.
        """
        event = place_address(event, client_address)
        try:
            return EventWalk(self).run(event)
        except orjson.JSONEncodeError:
            # Nested more deeply than can be written; what lies so deep would be left out anyway.
            return EventWalk(self).run(cut_depth(event))

    def find_patterns(
        self, json: bytes, *, within: Sequence[Pattern] | None = None
    ) -> Sequence[Pattern]:
        """Return the patterns that may occur in a part of an event.

        Args:
            json: The part.
            within: Those that may occur in what it is a part of; None if that is everything.
        """
        if self.is_thorough:
            return self.patterns
        found = self._finder.find(json)
        if not self._own:
            return found
        may_be_own = within is None or not self._own.isdisjoint(within)
        return [*found, *self._custom.find(json)] if may_be_own else found

    def clean_text(self, text: str) -> str:
        """Return a text of any length without what must not be stored; prose stays."""
        text = text.encode(errors="replace").decode()
        for pattern in self.find_patterns(orjson.dumps(text)):
            text = pattern.replace(text)
        return text

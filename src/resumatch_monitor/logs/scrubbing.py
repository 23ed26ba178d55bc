"""Takes personal data and secrets out of records before they are stored."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

import orjson

from resumatch_monitor.logs.record import STACK_TRACE, LogRecord
from resumatch_monitor.sentry.addresses import present_addresses
from resumatch_monitor.sentry.cutting import is_prose
from resumatch_monitor.sentry.patterns import FILTERED, Pattern
from resumatch_monitor.sentry.scrub import Scrubber

_SHORT = 4
_ADDRESS_NAMES = (
    *("clientip", "clientaddress", "sourceip", "sourceaddress", "remoteaddr", "remoteip"),
    *("realip", "forwardedfor", "ipaddress", "userip", "peerip", "peeraddress", "connectingip"),
)


class RecordScrubber:
    """Cleans records by the rules that hold for errors: names, patterns, and long prose."""

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber

    def clean(self, record: LogRecord) -> LogRecord:
        """Return the record without what must not be stored; the same one if there is nothing."""
        active = self._scrubber.find_patterns(_render(record))
        attributes = self._clean_attributes(record.attributes, active)
        body = self._apply(record.body, active)
        if attributes is record.attributes and body is record.body:
            return record
        return replace(record, body=body, attributes=attributes)

    def _clean_attributes(
        self, attributes: Mapping[str, Any], active: Sequence[Pattern]
    ) -> Mapping[str, Any]:
        cleaned: dict[str, Any] = {}
        has_changed = False
        for name, value in attributes.items():
            kept = self._clean_value(name, value, active)
            has_changed = has_changed or kept is not value
            cleaned[name] = kept
        return cleaned if has_changed else attributes

    def _clean_value(self, name: str, value: Any, active: Sequence[Pattern]) -> Any:
        has_value = not isinstance(value, bool) and value != ""
        if has_value and isinstance(value, str) and is_address_name(name):
            return present_addresses(value, self._scrubber.addresses) or FILTERED
        if has_value and self._scrubber.is_sensitive(name):
            return FILTERED
        if isinstance(value, str):
            if name != STACK_TRACE and is_prose(value):
                return f"[Filtered: text of {len(value)} characters]"
            return self._apply(value, active)
        if isinstance(value, list):
            items = cast("list[Any]", value)
            cleaned = [self._clean_value("", each, active) for each in items]
            return (
                cleaned if any(a is not b for a, b in zip(cleaned, items, strict=True)) else items
            )
        if active and isinstance(value, int) and not isinstance(value, bool):
            text = str(value)
            return value if self._apply(text, active) == text else FILTERED
        return value

    def _apply(self, text: str, active: Sequence[Pattern]) -> str:
        if not active or len(text) <= _SHORT:
            return text
        lower = text.lower()
        for each in active:
            if each.may_occur(lower):
                replaced = each.replace(text)
                if replaced != text:
                    text = replaced
        return text


@lru_cache(maxsize=4_096)
def is_address_name(name: str) -> bool:
    """Return whether an attribute of this name holds somebody's network address."""
    squeezed = "".join(each for each in name.lower() if each.isalnum())
    return squeezed.endswith(_ADDRESS_NAMES)


def _render(record: LogRecord) -> bytes:
    return orjson.dumps([record.body, record.attributes])

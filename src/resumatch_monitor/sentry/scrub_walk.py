"""Walks over a part of an event, and leaves out what must not be stored."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import orjson

from resumatch_monitor.sentry.addresses import AddressUse
from resumatch_monitor.sentry.cutting import (
    DEPTH_MAX,
    KEYS_MAX,
    LIST_MAX,
    OMITTED,
    TEXT_MAX,
    cut_text,
    first_items,
    is_prose,
    mark_cut,
)
from resumatch_monitor.sentry.part_memory import CleanedPart, PartMemory
from resumatch_monitor.sentry.patterns import FILTERED, Pattern, is_card_number
from resumatch_monitor.sentry.plain import PlainParts
from resumatch_monitor.sentry.values import as_dict, as_list, is_dict, is_list

FRAMES = "frames"
CONTAINERS = (dict, list)
_PATHS_MAX = 100


@dataclass(frozen=True, slots=True)
class Cleaned:
    """An event that may be stored.

    Attributes:
        scrubbed: Where something was taken out, as dotted paths; at most 100 of them.
    """

    event: dict[str, Any]
    scrubbed: tuple[str, ...]


class FindPatterns(Protocol):
    """Tells which patterns may occur in the JSON of a part of an event."""

    def __call__(
        self, json: bytes, *, within: Sequence[Pattern] | None = None
    ) -> Sequence[Pattern]:
        """Return them, from among those of `within` if it is given."""
        ...


class ScrubRules(Protocol):
    """What a walk goes by."""

    @property
    def is_sensitive(self) -> Callable[[str], bool]: ...
    @property
    def plain(self) -> PlainParts: ...
    @property
    def find_patterns(self) -> FindPatterns: ...
    @property
    def patterns(self) -> Sequence[Pattern]: ...
    @property
    def addresses(self) -> AddressUse: ...
    @property
    def is_thorough(self) -> bool: ...
    @property
    def memory(self) -> PartMemory: ...


class Walk(ABC):
    """One walk, by any names and values; what frames are like, its children know."""

    def __init__(self, rules: ScrubRules) -> None:
        self._rules = rules
        self._is_sensitive = rules.is_sensitive
        self._plain = rules.plain
        self._find_patterns = rules.find_patterns
        self._patterns = rules.patterns
        self._active: Sequence[Pattern] = rules.patterns
        self._path: list[str] = []
        self._scrubbed: list[str] = []

    @abstractmethod
    def _clean_frames(self, frames: list[Any]) -> list[Any]:
        """Return the frames of a stack trace, cleaned."""

    def _narrow(self, value: Any) -> Sequence[Pattern]:
        """Leave only those patterns active that may occur in `value`; return those before."""
        outer = self._active
        if outer and isinstance(value, CONTAINERS):
            json = orjson.dumps(without_own_frames(cast("object", value)))
            self._active = self._find_patterns(json, within=outer)
        return outer

    def _walk(self, value: Any, depth: int, *, is_free: bool, limit: int = TEXT_MAX) -> Any:
        if isinstance(value, str):
            return self._clean_text(value, is_free=is_free, limit=limit)
        if isinstance(value, dict):
            if depth > DEPTH_MAX:
                return OMITTED
            if not self._active and self._plain.is_plain(cast("object", value), depth):
                return cast("object", value)
            return self._walk_dict(as_dict(cast("object", value)), depth, is_free, limit)
        if isinstance(value, list):
            if depth > DEPTH_MAX:
                return OMITTED
            if not self._active and self._plain.is_plain(cast("object", value), depth):
                return cast("object", value)
            return self._walk_list(as_list(cast("object", value)), depth, is_free, limit)
        if self._active and isinstance(value, int) and is_card_number(str(value)):
            return self._filter()
        return value

    def _walk_list(self, value: list[Any], depth: int, is_free: bool, limit: int) -> list[Any]:
        cleaned: list[Any] = []
        for item in value[:LIST_MAX]:
            outer = self._narrow(item) if isinstance(item, dict) else self._active
            cleaned.append(self._walk(item, depth + 1, is_free=is_free, limit=limit))
            self._active = outer
        return cleaned

    def _walk_dict(
        self, value: dict[str, Any], depth: int, is_free: bool, limit: int
    ) -> dict[str, Any]:
        cleaned: dict[str, Any] = {}
        entries = list(value.items()) if len(value) <= KEYS_MAX else first_items(value, KEYS_MAX)
        for key, item in entries:
            self._path.append(key)
            if key == FRAMES and isinstance(item, list):
                cleaned[key] = self._clean_frames(as_list(cast("object", item)))
            elif item not in (None, "", True, False) and self._is_sensitive(key):
                cleaned[key] = self._filter()
            else:
                cleaned[key] = self._walk(item, depth + 1, is_free=is_free, limit=limit)
            self._path.pop()
        return cleaned

    def _copy(self, value: Any, depth: int) -> Any:
        """Return `value` bounded, but unscrubbed."""
        if isinstance(value, str):
            return cut_text(value)
        if isinstance(value, dict):
            entries = (
                first_items(as_dict(cast("object", value)), 1_000) if depth <= DEPTH_MAX else []
            )
            return {key: self._copy(item, depth + 1) for key, item in entries}
        if isinstance(value, list):
            items = as_list(cast("object", value)) if depth <= DEPTH_MAX else []
            return [self._copy(item, depth + 1) for item in items[:1_000]]
        return value

    def _clean_text(self, text: str, *, is_free: bool, limit: int = TEXT_MAX) -> str:
        if is_free and is_prose(text):
            # Long text that people wrote: in this application that is a résumé or a job.
            self._note()
            return f"[Filtered: text of {len(text)} characters]"
        if not self._active or len(text) <= 4:
            return cut_text(text, limit)
        # Twice the limit: what is cut must not hide half of a secret from the patterns.
        cleaned = self._apply(text[: 2 * limit], self._active)
        return cleaned if len(text) <= limit >= len(cleaned) else mark_cut(cleaned, limit, text)

    def _apply(self, text: str, active: Sequence[Pattern]) -> str:
        lower = text.lower()
        for each in active:
            if each.may_occur(lower):
                replaced = each.replace(text)
                if replaced != text:
                    self._note()
                    text = replaced
        return text

    def _recall(self, kind: str, part: Any, clean: Callable[[Any], Any]) -> Any:
        """Return what `clean` makes of a part, if that is not known from an earlier one."""
        json = orjson.dumps(part)
        rules = self._rules
        known = None if rules.is_thorough else rules.memory.find(rules, kind, json)
        if known is None:
            path, scrubbed = self._path, self._scrubbed
            self._path, self._scrubbed = [], []
            self._active = self._find_patterns(json)
            known = CleanedPart(clean(part), tuple(self._scrubbed))
            self._path, self._scrubbed = path, scrubbed
            rules.memory.remember(rules, kind, json, known)
        for each in known.scrubbed:
            self._note(each)
        return known.value

    def _filter(self) -> str:
        self._note()
        return FILTERED

    def _note(self, inner: str = "") -> None:
        if len(self._scrubbed) < _PATHS_MAX:
            self._scrubbed.append(".".join([*self._path, inner] if inner else self._path))


def without_frames(key: str, exceptions: object) -> object:
    """Return a field as it is but for the exceptions' frames, which are looked at one by one."""
    if key != "exception":
        return exceptions
    if is_dict(exceptions):
        fields = as_dict(exceptions)
        values = [without_own_frames(each) for each in as_list(fields.get("values"))]
        return {**fields, "values": values} if values else fields
    return [without_own_frames(each) for each in as_list(exceptions)] or exceptions


def without_own_frames(exception: object) -> object:
    stacktrace = as_dict(as_dict(exception).get("stacktrace"))
    if not is_list(stacktrace.get("frames")):
        return exception
    return {**as_dict(exception), "stacktrace": {**stacktrace, "frames": None}}

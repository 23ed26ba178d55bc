"""Takes personal data and secrets out of an event, and cuts what is too long.

The rules are listed for users in docs/errors.md.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

import orjson

from resumatch_monitor.sentry.addresses import (
    AddressUse,
    place_address,
    present_address,
    present_addresses,
)
from resumatch_monitor.sentry.custom_patterns import CustomPatterns
from resumatch_monitor.sentry.part_memory import CleanedPart, PartMemory
from resumatch_monitor.sentry.patterns import (
    FILTERED,
    PATTERNS,
    Pattern,
    PatternFinder,
    is_card_number,
)
from resumatch_monitor.sentry.plain import PlainParts, are_short_lines
from resumatch_monitor.sentry.sensitive_names import SensitiveNames
from resumatch_monitor.sentry.settings import ScrubPattern
from resumatch_monitor.sentry.values import (
    as_dict,
    as_list,
    as_text,
    is_dict,
    is_list,
    list_of_pairs,
)

_TEXT_MAX = 8_192
_VARIABLE_MAX = 1_024
_SOURCE_LINE_MAX = 300
_LIST_MAX = 250
_KEYS_MAX = 250
_DEEPEST = 100
_DEPTH_MAX = 12
_FRAMES_MAX = 100
_BREADCRUMBS_MAX = 100
_PATHS_MAX = 100
_PROSE_MIN_LENGTH = 200
_PROSE_MIN_WORDS = 25
_OMITTED = "[omitted: nested too deeply]"

# Fields that identify code, not people; patterns would only damage them.
_EXEMPT = frozenset(
    """
    event_id timestamp start_timestamp platform release dist environment level sdk modules
    debug_meta type errors measurements
    """.split()  # noqa: SIM905 - a line a word would hide what belongs together
)
# Fields that are often the same from event to event.
_RECURRING = frozenset({"request", "contexts", "extra", "modules", "sdk"})
_FRAMES = "frames"
_CONTAINERS = (dict, list)
_ADDRESS_KEYS = frozenset({"REMOTE_ADDR", "remote_addr", "ip_address", "client_ip"})
_ADDRESS_HEADERS = frozenset(
    {
        "x-forwarded-for",
        "x-real-ip",
        "x-client-ip",
        "cf-connecting-ip",
        "true-client-ip",
        "fastly-client-ip",
        "x-cluster-client-ip",
        "forwarded",
    }
)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """An event that may be stored.

    Attributes:
        scrubbed: Where something was taken out, as dotted paths; at most 100 of them.
    """

    event: dict[str, Any]
    scrubbed: tuple[str, ...]


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
            return _Pass(self).run(event)
        except orjson.JSONEncodeError:
            # Nested more deeply than can be written; what lies so deep would be left out anyway.
            return _Pass(self).run(_cut_depth(event))

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


class _Pass:
    """One walk over one event."""

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._is_sensitive = scrubber.is_sensitive
        self._plain = scrubber.plain
        self._find_patterns = scrubber.find_patterns
        self._patterns = scrubber.patterns
        self._addresses: AddressUse = scrubber.addresses
        self._active: Sequence[Pattern] = scrubber.patterns
        self._path: list[str] = []
        self._scrubbed: list[str] = []

    def run(self, event: dict[str, Any]) -> Cleaned:
        cleaned: dict[str, Any] = {}
        for key, value in _first(event, _KEYS_MAX):
            self._path.append(key)
            if key in _RECURRING and isinstance(value, dict):
                cleaned[key] = self._recall(key, value, partial(self._clean_field, key))
            else:
                if key not in _EXEMPT and isinstance(value, dict | list | str):
                    json = orjson.dumps(without_frames(key, cast("object", value)))
                    self._active = self._find_patterns(json)
                cleaned[key] = self._clean_field(key, value)
            self._active = self._patterns
            self._path.pop()
        return Cleaned(cleaned, tuple(dict.fromkeys(self._scrubbed)))

    def _narrow(self, value: Any) -> Sequence[Pattern]:
        """Leave only those patterns active that may occur in `value`; return those before."""
        outer = self._active
        if outer and isinstance(value, _CONTAINERS):
            json = orjson.dumps(_without_frames(cast("object", value)))
            self._active = self._find_patterns(json, within=outer)
        return outer

    def _clean_field(self, key: str, value: Any) -> Any:
        match key:
            case "request" if is_dict(value):
                return self._clean_request(as_dict(value))
            case "user" if is_dict(value):
                return self._clean_user(as_dict(value))
            case "breadcrumbs":
                return self._clean_breadcrumbs(value)
            case "extra" | "contexts":
                return self._walk(value, 1, is_free=True)
            case "exception" | "threads" | "stacktrace":
                return self._walk(value, 1, is_free=False)
            case _ if key in _EXEMPT:
                return value if self._plain.is_plain(value, 1) else self._copy(value, 1)
            case _ if self._is_sensitive(key) and value:
                return self._filter()
            case _:
                return self._walk(value, 1, is_free=False)

    def _walk(self, value: Any, depth: int, *, is_free: bool, limit: int = _TEXT_MAX) -> Any:
        if isinstance(value, str):
            return self._clean_text(value, is_free=is_free, limit=limit)
        if isinstance(value, dict):
            if depth > _DEPTH_MAX:
                return _OMITTED
            if not self._active and self._plain.is_plain(cast("object", value), depth):
                return cast("object", value)
            return self._walk_dict(as_dict(cast("object", value)), depth, is_free, limit)
        if isinstance(value, list):
            if depth > _DEPTH_MAX:
                return _OMITTED
            if not self._active and self._plain.is_plain(cast("object", value), depth):
                return cast("object", value)
            return self._walk_list(as_list(cast("object", value)), depth, is_free, limit)
        if self._active and isinstance(value, int) and is_card_number(str(value)):
            return self._filter()
        return value

    def _walk_list(self, value: list[Any], depth: int, is_free: bool, limit: int) -> list[Any]:
        cleaned: list[Any] = []
        for item in value[:_LIST_MAX]:
            outer = self._narrow(item) if isinstance(item, dict) else self._active
            cleaned.append(self._walk(item, depth + 1, is_free=is_free, limit=limit))
            self._active = outer
        return cleaned

    def _walk_dict(
        self, value: dict[str, Any], depth: int, is_free: bool, limit: int
    ) -> dict[str, Any]:
        cleaned: dict[str, Any] = {}
        entries = list(value.items()) if len(value) <= _KEYS_MAX else _first(value, _KEYS_MAX)
        for key, item in entries:
            self._path.append(key)
            if key == _FRAMES and isinstance(item, list):
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
            return _cut(value)
        if isinstance(value, dict):
            entries = _first(as_dict(cast("object", value)), 1_000) if depth <= _DEPTH_MAX else []
            return {key: self._copy(item, depth + 1) for key, item in entries}
        if isinstance(value, list):
            items = as_list(cast("object", value)) if depth <= _DEPTH_MAX else []
            return [self._copy(item, depth + 1) for item in items[:1_000]]
        return value

    def _clean_text(self, text: str, *, is_free: bool, limit: int = _TEXT_MAX) -> str:
        if is_free and is_prose(text):
            # Long text that people wrote: in this application that is a résumé or a job.
            self._note()
            return f"[Filtered: text of {len(text)} characters]"
        if not self._active or len(text) <= 4:
            return _cut(text, limit)
        # Twice the limit: what is cut must not hide half of a secret from the patterns.
        cleaned = self._apply(text[: 2 * limit], self._active)
        return cleaned if len(text) <= limit >= len(cleaned) else _mark_cut(cleaned, limit, text)

    def _apply(self, text: str, active: Sequence[Pattern]) -> str:
        lower = text.lower()
        for each in active:
            if each.may_occur(lower):
                replaced = each.replace(text)
                if replaced != text:
                    self._note()
                    text = replaced
        return text

    def _clean_frames(self, frames: list[Any]) -> list[Any]:
        if len(frames) > _FRAMES_MAX:
            # The outermost calls and, more important, those where it was raised.
            frames = frames[: _FRAMES_MAX // 4] + frames[-_FRAMES_MAX * 3 // 4 :]
        cleaned: list[Any] = []
        outer = self._active
        for index, frame in enumerate(frames):
            if isinstance(frame, dict):
                self._path.append(str(index))
                cleaned.append(self._clean_frame(as_dict(cast("object", frame))))
                self._path.pop()
        self._active = outer
        return cleaned

    def _clean_frame(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Clean the code, which is seldom new, and the variables, some of which always are."""
        if "vars" not in frame:
            return self._recall("code", frame, self._clean_code)
        code = {key: frame[key] for key in frame if key != "vars"}
        cleaned = self._recall("code", code, self._clean_code)
        self._path.append("vars")
        variables = self._clean_variables(frame["vars"])
        self._path.pop()
        return {**cleaned, "vars": variables}

    def _clean_variables(self, variables: Any) -> Any:
        if not isinstance(variables, dict):
            return self._clean_loose(variables)
        cleaned: dict[str, Any] = {}
        loose: dict[str, Any] = {}
        for name, value in _first(as_dict(cast("object", variables)), _KEYS_MAX):
            # Made anew each time, `dict | list` would take half of this loop's time.
            is_part = isinstance(value, _CONTAINERS) and name != _FRAMES
            if is_part and not self._is_sensitive(name):
                self._path.append(name)
                cleaned[name] = self._recall("variable", value, self._clean_variable)
                self._path.pop()
            else:
                cleaned[name] = loose[name] = value
        if loose:
            cleaned.update(self._clean_loose(loose))
        return cleaned

    def _clean_loose(self, variables: Any) -> Any:
        self._active = self._find_patterns(orjson.dumps(variables))
        return self._walk(variables, 3, is_free=True, limit=_VARIABLE_MAX)

    def _clean_variable(self, value: Any) -> Any:
        return self._walk(value, 4, is_free=True, limit=_VARIABLE_MAX)

    def _recall(self, kind: str, part: Any, clean: Callable[[Any], Any]) -> Any:
        """Return what `clean` makes of a part, if that is not known from an earlier one."""
        json = orjson.dumps(part)
        scrubber = self._scrubber
        known = None if scrubber.is_thorough else scrubber.memory.find(scrubber, kind, json)
        if known is None:
            path, scrubbed = self._path, self._scrubbed
            self._path, self._scrubbed = [], []
            self._active = self._find_patterns(json)
            known = CleanedPart(clean(part), tuple(self._scrubbed))
            self._path, self._scrubbed = path, scrubbed
            scrubber.memory.remember(scrubber, kind, json, known)
        for each in known.scrubbed:
            self._note(each)
        return known.value

    def _clean_code(self, frame: dict[str, Any]) -> dict[str, Any]:
        if not self._active and self._plain.is_plain_frame(frame):
            return frame
        cleaned: dict[str, Any] = {}
        source = [each for each in self._active if each.holds_in_source]
        for key, value in _first(frame, _KEYS_MAX):
            if key in ("pre_context", "post_context"):
                cleaned[key] = self._clean_lines(as_list(value)[:20], source)
            elif key == "context_line":
                cleaned[key] = self._clean_source(value, source)
            elif isinstance(value, str):
                cleaned[key] = _cut(value, _VARIABLE_MAX)
            else:
                cleaned[key] = self._copy(value, 3)
        return cleaned

    def _clean_lines(self, lines: list[Any], active: Sequence[Pattern]) -> list[Any]:
        # Most of an event is source code, and most source code needs nothing done to it.
        if are_short_lines(lines):
            text = "\n".join(lines).lower() if active else ""
            if not any(each.may_occur(text) for each in active):
                return lines
        return [self._clean_source(line, active) for line in lines]

    def _clean_source(self, line: Any, active: Sequence[Pattern]) -> str | None:
        if line is None:
            return None
        text = as_text(line)[: 2 * _SOURCE_LINE_MAX]
        return _cut(self._apply(text, active), _SOURCE_LINE_MAX)

    def _clean_breadcrumbs(self, value: Any) -> Any:
        values = as_list(value) or as_list(as_dict(value).get("values"))
        return {"values": self._walk(values[-_BREADCRUMBS_MAX:], 2, is_free=True)}

    def _clean_user(self, user: dict[str, Any]) -> dict[str, Any]:
        """Keep what tells users apart; their addresses, of either kind, as little as is wanted."""
        rest = {key: value for key, value in user.items() if key not in ("ip_address", "geo")}
        cleaned = as_dict(self._walk(rest, 1, is_free=True))
        for key in ("ip_address", "geo"):
            stated = user.get(key)
            if not stated:
                continue
            if key == "ip_address":
                kept = present_address(as_text(stated), self._addresses)
            else:
                kept = self._copy(stated, 2) if self._addresses == "keep" else None
            if kept:
                cleaned[key] = kept
            if kept != stated:
                self._scrubbed.append(f"user.{key}")
        return cleaned

    def _clean_request(self, request: dict[str, Any]) -> dict[str, Any]:
        cleaned: dict[str, Any] = {}
        for key, value in _first(request, _KEYS_MAX):
            self._path.append(key)
            match key:
                case "headers" | "env":
                    cleaned[key] = self._clean_pairs(value)
                case "cookies":
                    cleaned[key] = self._filter() if value else value
                case "query_string":
                    cleaned[key] = self._clean_query(value)
                case "url":
                    cleaned[key] = self._clean_url(as_text(value))
                case _:
                    cleaned[key] = self._walk(value, 2, is_free=True)
            self._path.pop()
        return cleaned

    def _clean_pairs(self, value: Any) -> list[list[Any]]:
        cleaned: list[list[Any]] = []
        for name, content in list_of_pairs(value)[:_LIST_MAX]:
            self._path.append(name)
            if content and (name in _ADDRESS_KEYS or name.lower() in _ADDRESS_HEADERS):
                cleaned.append([name, self._clean_addresses(as_text(content))])
            elif content and self._is_sensitive(name):
                cleaned.append([name, self._filter()])
            else:
                cleaned.append([name, self._walk(content, 3, is_free=True)])
            self._path.pop()
        return cleaned

    def _clean_addresses(self, text: str) -> str:
        kept = present_addresses(text, self._addresses)
        if kept != text:
            self._note()
        return kept or FILTERED

    def _clean_query(self, value: Any) -> Any:
        # What is decoded here was looked at in no other form.
        outer, self._active = self._active, self._patterns
        cleaned = self._clean_parameters(value)
        self._active = outer
        return cleaned

    def _clean_parameters(self, value: Any) -> Any:
        if isinstance(value, str):
            pairs: list[tuple[str, Any]] = list(
                parse_qsl(value[:_TEXT_MAX].lstrip("?"), keep_blank_values=True)
            )
            if not pairs:
                return self._clean_text(value, is_free=True)
        else:
            pairs = list_of_pairs(value)
        return urlencode(
            [
                (
                    name,
                    self._filter()
                    if self._is_sensitive(name)
                    else self._clean_text(as_text(content), is_free=True),
                )
                for name, content in pairs[:_LIST_MAX]
            ],
            safe="[]: ",
        )

    def _clean_url(self, url: str) -> str:
        address, separator, query = url.partition("?")
        cleaned = self._clean_text(address, is_free=False)
        return f"{cleaned}?{self._clean_query(query)}" if separator and query else cleaned

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
        values = [_without_frames(each) for each in as_list(fields.get("values"))]
        return {**fields, "values": values} if values else fields
    return [_without_frames(each) for each in as_list(exceptions)] or exceptions


def _without_frames(exception: object) -> object:
    stacktrace = as_dict(as_dict(exception).get("stacktrace"))
    if not is_list(stacktrace.get("frames")):
        return exception
    return {**as_dict(exception), "stacktrace": {**stacktrace, "frames": None}}


def is_prose(text: str) -> bool:
    """Tell whether `text` is long and made of words, rather than data or a short message."""
    return len(text) >= _PROSE_MIN_LENGTH and len(text.split(None, _PROSE_MIN_WORDS)) > (
        _PROSE_MIN_WORDS - 1
    )


def _cut(text: str, limit: int = _TEXT_MAX) -> str:
    return text if len(text) <= limit else _mark_cut(text, limit, text)


def _mark_cut(text: str, limit: int, original: str) -> str:
    return f"{text[:limit]}… [cut: {len(original)} characters]"


def _cut_depth(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST and isinstance(value, dict | list):
        return _OMITTED
    if isinstance(value, dict):
        items = as_dict(cast("object", value)).items()
        return {key: _cut_depth(item, depth + 1) for key, item in items}
    if isinstance(value, list):
        return [_cut_depth(item, depth + 1) for item in as_list(cast("object", value))]
    return value


def _first(value: dict[str, Any], count: int) -> list[tuple[str, Any]]:
    return list(value.items())[:count]

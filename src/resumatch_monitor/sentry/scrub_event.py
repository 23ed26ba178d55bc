"""Cleans an event field by field: request, user, breadcrumbs, and everything else."""

from functools import partial
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

import orjson

from resumatch_monitor.sentry.addresses import AddressUse, present_address, present_addresses
from resumatch_monitor.sentry.cutting import KEYS_MAX, LIST_MAX, TEXT_MAX, first_items
from resumatch_monitor.sentry.patterns import FILTERED
from resumatch_monitor.sentry.scrub_frames import FrameWalk
from resumatch_monitor.sentry.scrub_walk import Cleaned, ScrubRules, without_frames
from resumatch_monitor.sentry.values import as_dict, as_list, as_text, is_dict, list_of_pairs

_BREADCRUMBS_MAX = 100

# Fields that identify code, not people; patterns would only damage them.
_EXEMPT = frozenset(
    """
    event_id timestamp start_timestamp platform release dist environment level sdk modules
    debug_meta type errors measurements
    """.split()  # noqa: SIM905 - a line a word would hide what belongs together
)
# Fields that are often the same from event to event.
_RECURRING = frozenset({"request", "contexts", "extra", "modules", "sdk"})
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


class EventWalk(FrameWalk):
    """One walk over one event."""

    def __init__(self, rules: ScrubRules) -> None:
        super().__init__(rules)
        self._addresses: AddressUse = rules.addresses

    def run(self, event: dict[str, Any]) -> Cleaned:
        """Return the event as it may be stored."""
        cleaned: dict[str, Any] = {}
        for key, value in first_items(event, KEYS_MAX):
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
        for key, value in first_items(request, KEYS_MAX):
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
        for name, content in list_of_pairs(value)[:LIST_MAX]:
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
                parse_qsl(value[:TEXT_MAX].lstrip("?"), keep_blank_values=True)
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
                for name, content in pairs[:LIST_MAX]
            ],
            safe="[]: ",
        )

    def _clean_url(self, url: str) -> str:
        address, separator, query = url.partition("?")
        cleaned = self._clean_text(address, is_free=False)
        return f"{cleaned}?{self._clean_query(query)}" if separator and query else cleaned

"""Names of endpoints without what is different in each request."""

import re
from typing import Any

from resumatch_monitor.tracing.naming import SOURCES

_NAME_MAX = 250
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")
_HEX = re.compile(r"(?=[a-fA-F]*[0-9])[0-9a-fA-F]{16,}\Z")
_NUMBER = re.compile(r"\d+\Z")
_LONG_NUMBER = re.compile(r"\d{5,}\Z")
# Tokens and slugs with an id: long, with digits among letters.
_MIXED = re.compile(r"(?=(?:[^\d]*\d){4})[\w.~%@:+=-]{12,}\Z")
_METHOD = re.compile(r"([A-Z]{3,7}) (?=\S)")
_ORIGIN = re.compile(r"https?://[^/?#]*")


def name_endpoint(name: str, attributes: dict[str, Any]) -> str:
    """Return what a segment is counted as.

    Args:
        name: The root's name: `GET /users/123`, `/users/{id}`, `tasks.send`.
        attributes: The root's; where the SDK says that the name is an address as it was called,
            everything in it that looks like an id becomes `{id}`, else only what surely is one.
    """
    source = next((str(attributes[key]) for key in SOURCES if key in attributes), "")
    name = " ".join(name.split())
    if not name:
        return "(no name)"
    if "/" not in name or source in ("route", "view", "task", "component", "custom"):
        return _bound(name)
    return _bound(template_path(name, is_raw=source == "url"))


def template_path(name: str, *, is_raw: bool) -> str:
    """Return an address, possibly after a method, with `{id}` for ids, without its query.

    Args:
        name: `GET /users/123?x=1`.
        is_raw: Whether it is as it was called, so that every number is an id.
    """
    method = _METHOD.match(name)
    start = method.end() if method else 0
    path = name[start:].partition("?")[0].partition("#")[0]
    origin = _ORIGIN.match(path)
    end = origin.end() if origin else 0
    parts = (_template_part(part, is_raw=is_raw) for part in path[end:].split("/"))
    return f"{name[:start]}{path[:end]}{'/'.join(parts)}" or "/"


def _template_part(part: str, *, is_raw: bool) -> str:
    if _UUID.match(part) or _HEX.match(part):
        return "{id}"
    number = _NUMBER if is_raw else _LONG_NUMBER
    if number.match(part) or (is_raw and _MIXED.match(part)):
        return "{id}"
    return part


def _bound(name: str) -> str:
    return name if len(name) <= _NAME_MAX else f"{name[: _NAME_MAX - 1]}…"

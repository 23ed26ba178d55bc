"""Makes flat, bounded attributes of whatever a protocol calls fields."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, cast

MAX_ATTRIBUTES = 500
LONGEST_NAME = 200
LONGEST_TEXT = 64 * 1024
LONGEST_BODY = 1024 * 1024
_LONGEST_LIST = 100
_DEEPEST = 20
_CUT = "log.truncated"
"""Names what was cut, so that nobody takes a part for the whole."""


def flatten(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested fields under dotted names, without those that have no value.

    Objects within lists become lists of their members' values, as Elasticsearch has it.
    """
    flat: dict[str, Any] = {}
    _flatten(fields, "", flat, 0)
    return flat


def bound_attributes(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes that are neither too many nor too long, naming those that were cut."""
    bounded: dict[str, Any] = {}
    cut: list[str] = []
    for name, value in flat.items():
        if len(bounded) >= MAX_ATTRIBUTES:
            cut.append(f"{len(flat) - MAX_ATTRIBUTES} more attributes")
            break
        short_name = clean_name(name)
        kept = _bound_value(value)
        if kept is not value and isinstance(value, str | list):
            cut.append(short_name)
        bounded[short_name] = kept
    if cut:
        bounded[_CUT] = cut[:_LONGEST_LIST]
    return bounded


def clean_name(name: str) -> str:
    """Return a name that is short and has no control characters."""
    if name.isprintable() and len(name) <= LONGEST_NAME:
        return name
    return "".join(each if each.isprintable() else "_" for each in name[:LONGEST_NAME])


def cut_text(text: str, limit: int) -> str:
    """Return a text that is not too long, telling what is missing."""
    return text if len(text) <= limit else f"{text[:limit]}… [cut: {len(text)} characters]"


def _flatten(fields: Mapping[str, Any], prefix: str, flat: dict[str, Any], depth: int) -> None:
    for key, value in fields.items():
        if len(flat) > MAX_ATTRIBUTES * 2:
            return
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            if depth < _DEEPEST:
                _flatten(cast("dict[str, Any]", value), f"{name}.", flat, depth + 1)
        elif isinstance(value, list):
            _flatten_list(cast("list[Any]", value), name, flat, depth)
        elif value is not None:
            flat[name] = value


def _flatten_list(values: list[Any], name: str, flat: dict[str, Any], depth: int) -> None:
    scalars: list[Any] = []
    for each in values[:_LONGEST_LIST]:
        if isinstance(each, dict) and depth < _DEEPEST:
            inner: dict[str, Any] = {}
            _flatten(cast("dict[str, Any]", each), f"{name}.", inner, depth + 1)
            for inner_name, value in inner.items():
                _gather(flat, inner_name, value)
        elif isinstance(each, list):
            scalars.extend(_scalars(cast("list[Any]", each)))
        elif each is not None:
            scalars.append(each)
    if scalars:
        flat[name] = scalars[:_LONGEST_LIST]


def _gather(flat: dict[str, Any], name: str, value: Any) -> None:
    known = flat.get(name)
    values = (
        cast("list[Any]", known) if isinstance(known, list) else [] if known is None else [known]
    )
    more = cast("list[Any]", value) if isinstance(value, list) else [value]
    flat[name] = [*values, *more][:_LONGEST_LIST]


def _scalars(values: Iterable[Any]) -> list[Any]:
    return [each for each in values if not isinstance(each, dict | list) and each is not None]


def _bound_value(value: Any) -> Any:
    if isinstance(value, str):
        return cut_text(value, LONGEST_TEXT)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        items = cast("list[Any]", value)
        if len(items) <= _LONGEST_LIST and not any(
            isinstance(each, str) and len(each) > LONGEST_TEXT for each in items
        ):
            return items
        return [_bound_value(each) for each in items[:_LONGEST_LIST]]
    return value

"""Sentry's envelope: a line of JSON headers, then items of a header line and a payload."""

from dataclasses import dataclass
from typing import Any, cast

import orjson

from resumatch_monitor.sentry.lenient import parse_json

_ITEMS_MAX = 1_000
_HEADER_LINE_MAX_BYTES = 64 * 1024


class EnvelopeError(Exception):
    """The bytes are no envelope; the message says where they stop being one."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing in an envelope."""

    type: str
    headers: dict[str, Any]
    payload: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """What could be read of an envelope.

    Attributes:
        headers: Possibly empty.
        items: The items that are whole, in order.
        problem: Why reading stopped before the end; None if it did not.
    """

    headers: dict[str, Any]
    items: tuple[Item, ...]
    problem: str | None = None


def parse_envelope(data: bytes) -> Envelope:
    """Read `data` as far as it is whole.

    Raises:
        EnvelopeError: If not even the first line can be read.
    """
    line, position = _read_line(data, 0)
    headers = _parse_headers(line)
    if headers is None:
        raise EnvelopeError("the first line is not a JSON object of envelope headers")
    items: list[Item] = []
    while position < len(data):
        line, after_header = _read_line(data, position)
        if not line.strip():
            position = after_header
            continue
        if len(items) == _ITEMS_MAX:
            return Envelope(headers, tuple(items), f"it has more than {_ITEMS_MAX} items")
        item, position, problem = _read_item(data, line, after_header, len(items) + 1)
        if item is not None:
            items.append(item)
        if problem is not None:
            return Envelope(headers, tuple(items), problem)
    return Envelope(headers, tuple(items))


def _read_item(
    data: bytes, line: bytes, start: int, number: int
) -> tuple[Item | None, int, str | None]:
    headers = _parse_headers(line)
    if headers is None:
        return None, start, f"item {number} has no JSON object as its header"
    length = headers.get("length")
    if length is None:
        payload, position = _read_line(data, start)
    elif isinstance(length, int) and not isinstance(length, bool) and length >= 0:
        position = start + length
        if position > len(data):
            missing = position - len(data)
            return None, start, f"item {number} is cut off: {missing} of {length} bytes are missing"
        payload = data[start:position]
        separator = data[position : position + 2]
        if separator[:1] == b"\n" or separator == b"\r\n":
            position += separator.index(b"\n") + 1
        elif separator:
            return None, start, f"item {number} does not end where its length says"
    else:
        return None, start, f"item {number} has a length that is not a whole number"
    kind = headers.get("type")
    return Item(kind if isinstance(kind, str) else "", headers, payload), position, None


def _read_line(data: bytes, start: int) -> tuple[bytes, int]:
    end = data.find(b"\n", start)
    return (data[start:], len(data)) if end < 0 else (data[start:end], end + 1)


def _parse_headers(line: bytes) -> dict[str, Any] | None:
    if len(line) > _HEADER_LINE_MAX_BYTES:
        return None
    try:
        value: object = parse_json(line)[0]
    except orjson.JSONDecodeError:
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None

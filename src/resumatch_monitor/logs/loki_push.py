"""Reads Loki's push requests as far as the door has to."""

from collections.abc import Iterator
from typing import Any, cast

import orjson

from resumatch_monitor.logs.formats.loki import LabelError, parse_labels
from resumatch_monitor.metrics.wire import BYTES, VARINT, Field, WireError, to_signed, walk

_MOST_ENTRIES = 50_000
_LONGEST_SHOWN = 100
_STREAMS = 1
_LABELS, _ENTRIES = 1, 2
_TIME, _LINE, _METADATA = 1, 2, 3


class PushError(ValueError):
    """A body is no push request, or holds too much for one; nothing of it is taken."""


def read_json_push(body: bytes) -> list[bytes]:
    """Return the streams of a request in JSON as lines of `formats.loki`.

    Raises:
        PushError: If it is none; the message names the place.
    """
    try:
        document: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise PushError(f"the body is not JSON: {error}") from error
    streams = _as_list(_as_object(document, "the body").get("streams"), "streams")
    lines: list[bytes] = []
    count = 0
    for number, each in enumerate(streams):
        place = f"streams[{number}]"
        stream = _as_object(each, place)
        labels = _read_texts(stream.get("stream", {}), f"{place}.stream")
        values = _as_list(stream.get("values"), f"{place}.values")
        count = _count(count, len(values))
        entries = [_read_value(value, f"{place}.values") for value in values]
        if entries:
            lines.append(orjson.dumps([labels, entries]))
    return lines


def read_protobuf_push(body: bytes) -> list[bytes]:
    """Return the streams of a `PushRequest` in protobuf as lines of `formats.loki`.

    Raises:
        PushError: If it is none.
    """
    lines: list[bytes] = []
    count = 0
    try:
        for stream in _messages(body, 0, len(body), _STREAMS):
            labels: dict[str, str] = {}
            entries: list[list[Any]] = []
            for field in walk(body, stream.start, stream.stop):
                if field.kind != BYTES:
                    continue
                if field.number == _LABELS:
                    labels = parse_labels(_text(body, field))
                elif field.number == _ENTRIES:
                    count = _count(count, 1)
                    entries.append(_read_entry(body, field))
            if entries:
                lines.append(orjson.dumps([labels, entries]))
    except (WireError, LabelError) as error:
        raise PushError(f"the body is not a PushRequest: {error}") from error
    return lines


def _count(known: int, more: int) -> int:
    if known + more > _MOST_ENTRIES:
        raise PushError(f"a request has at most {_MOST_ENTRIES} entries; send several")
    return known + more


def _read_value(value: Any, place: str) -> list[Any]:
    parts = _as_list(value, place)
    if len(parts) not in (2, 3) or not isinstance(parts[1], str):
        raise PushError(
            f"{place}: an entry is [nanoseconds, line] or [nanoseconds, line, metadata]"
        )
    metadata = _read_texts(parts[2], place) if len(parts) == 3 else {}
    return [_read_nanoseconds(parts[0], place), parts[1], metadata]


def _read_nanoseconds(value: Any, place: str) -> int:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if is_number or (isinstance(value, str) and value.isascii() and value.isdigit()):
        nanoseconds = int(str(value)[:20])
        if nanoseconds < 1 << 63:
            return nanoseconds
    raise PushError(f"{place}: {str(value)[:_LONGEST_SHOWN]!r} are no nanoseconds")


def _read_texts(value: Any, place: str) -> dict[str, str]:
    texts = _as_object(value, place)
    return {name: each if isinstance(each, str) else str(each) for name, each in texts.items()}


def _as_object(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PushError(f"{place}: an object is expected")
    return cast("dict[str, Any]", value)


def _as_list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise PushError(f"{place}: a list is expected")
    return cast("list[Any]", value)


def _read_entry(body: bytes, entry: Field) -> list[Any]:
    nanoseconds, line = 0, ""
    metadata: dict[str, str] = {}
    for field in walk(body, entry.start, entry.stop):
        if field.kind != BYTES:
            continue
        if field.number == _TIME:
            numbers = {
                each.number: to_signed(each.value)
                for each in walk(body, field.start, field.stop)
                if each.kind == VARINT
            }
            nanoseconds = numbers.get(1, 0) * 1_000_000_000 + numbers.get(2, 0)
        elif field.number == _LINE:
            line = _text(body, field)
        elif field.number == _METADATA:
            pair = {
                each.number: _text(body, each)
                for each in walk(body, field.start, field.stop)
                if each.kind == BYTES
            }
            metadata[pair.get(1, "")] = pair.get(2, "")
    # What is beyond 64 bits no line of JSON could hold.
    return [nanoseconds if 0 < nanoseconds < 1 << 63 else 0, line, metadata]


def _messages(body: bytes, start: int, stop: int, number: int) -> Iterator[Field]:
    for field in walk(body, start, stop):
        if field.number == number and field.kind == BYTES:
            yield field


def _text(body: bytes, field: Field) -> str:
    return body[field.start : field.stop].decode("utf-8", errors="replace")

"""Bodies that hold objects: one a line, in a list, or a single one over many lines."""

from typing import Any, cast

import msgspec
import orjson

MOST_RECORDS = 100_000


class LinesError(ValueError):
    """A body cannot be read; nothing of it is kept."""


_decoder = msgspec.json.Decoder(msgspec.Raw)


def split_records(body: bytes) -> list[bytes]:
    """Return what stands in each line of a body, or in its list; empty lines are left out.

    Raises:
        LinesError: If a list cannot be read or has other things than objects in it, or there are
            too many.
    """
    if body.lstrip()[:1] == b"[":
        return _split_list(body)
    lines = [line.removesuffix(b"\r") for line in body.split(b"\n") if line.strip()]
    if len(lines) > MOST_RECORDS:
        raise LinesError(f"a request has at most {MOST_RECORDS} records; send several")
    if len(lines) > 1 and not _is_value(lines[0]) and _is_value(body):
        # One object that is written for people.
        return [b" ".join(lines)]
    return lines


def _split_list(body: bytes) -> list[bytes]:
    try:
        values: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise LinesError(f"the list cannot be read: {error}") from error
    items = cast("list[Any]", values)
    if len(items) > MOST_RECORDS:
        raise LinesError(f"a request has at most {MOST_RECORDS} records; send several")
    for number, each in enumerate(items):
        if not isinstance(each, dict):
            raise LinesError(f"[{number}]: an object is expected")
    return [_render(each, number) for number, each in enumerate(items)]


def _render(item: Any, number: int) -> bytes:
    try:
        return orjson.dumps(item)
    except orjson.JSONEncodeError as error:
        # What is read may be nested more deeply than what is written.
        raise LinesError(f"[{number}]: it is nested too deeply") from error


def _is_value(text: bytes) -> bool:
    try:
        _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True

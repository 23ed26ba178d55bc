"""Elasticsearch's bulk requests: pairs of lines, each answered for itself.

https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import orjson

_ACTIONS = ("create", "index", "update", "delete")
_LONGEST_ID = 512
MAX_ITEMS = 50_000


class BulkError(Exception):
    """The request as a whole cannot be read; nothing of it is kept."""


@dataclass(frozen=True, slots=True)
class BulkItem:
    """One pair of lines, and what becomes of it.

    Attributes:
        action: What was to be done.
        index: Where; a hint at who wrote.
        record_id: As the sender named it, or nothing.
        line: The document as it came; empty if it is refused.
        reason: Why it is refused; empty if it is not.
    """

    action: str
    index: str
    record_id: str
    line: bytes
    reason: str = ""


_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def parse_bulk(body: bytes, *, index: str = "") -> list[BulkItem]:
    """Return the items of a request, in order.

    Args:
        body: Unpacked.
        index: What the address names, for lines that name none.

    Raises:
        BulkError: If a line that should be an action is none, or there are too many.
    """
    if body and not body.endswith(b"\n"):
        raise BulkError("the last line must end with a line break")
    lines = body.split(b"\n")
    items: list[BulkItem] = []
    at = 0
    while at < len(lines) - 1:
        if not lines[at].strip():
            at += 1
            continue
        if len(items) >= MAX_ITEMS:
            raise BulkError(f"a request has at most {MAX_ITEMS} items; send several")
        action, name, record_id = _read_action(lines[at], at + 1, index)
        at += 1
        if action == "delete":
            items.append(BulkItem(action, name, record_id, b"", "log records are not deleted"))
            continue
        if at >= len(lines) - 1:
            raise BulkError(f"line {at}: the document is missing")
        items.append(_read_document(action, name, record_id, lines[at].removesuffix(b"\r")))
        at += 1
    return items


def _read_action(line: bytes, number: int, index: str) -> tuple[str, str, str]:
    try:
        values: Any = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BulkError(f"line {number}: not JSON: {error}") from error
    # winston-elasticsearch adds a key of its own beside the action.
    action = next((each for each in _ACTIONS if isinstance(values, dict) and each in values), None)
    if action is None:
        raise BulkError(f"line {number}: create, index, update or delete is expected")
    target: Any = cast("dict[str, Any]", values)[action]
    if not isinstance(target, dict):
        raise BulkError(f"line {number}: the {action} action is no object")
    fields = cast("dict[str, Any]", target)
    name, record_id = fields.get("_index"), fields.get("_id")
    return (
        action,
        str(name)[:_LONGEST_ID] if name else index,
        str(record_id)[:_LONGEST_ID] if record_id is not None else "",
    )


def _read_document(action: str, index: str, record_id: str, line: bytes) -> BulkItem:
    if action == "update":
        return BulkItem(action, index, record_id, b"", "log records are not changed")
    try:
        _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return BulkItem(action, index, record_id, b"", f"the document cannot be read: {error}")
    return BulkItem(action, index, record_id, line)


def identified_lines(items: Sequence[BulkItem]) -> list[bytes]:
    """Return the documents that are taken, as lines of the format `identified`."""
    return [
        b"[" + orjson.dumps(item.record_id) + b"," + item.line + b"]"
        for item in items
        if not item.reason
    ]

"""Elasticsearch's bulk requests: pairs of lines, each answered for itself.

https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import orjson

_ACTIONS = ("create", "index", "update", "delete")
LONGEST_ID = 512
_OBJECT = b"{"
MAX_ITEMS = 50_000


class BulkError(Exception):
    """The request as a whole cannot be read; nothing of it is kept."""


@dataclass(frozen=True, slots=True)
class BulkAction:
    """The first line of a pair.

    Attributes:
        verb: What is to be done.
        index: Where; a hint at who wrote.
        record_id: As the sender named it, or nothing.
    """

    verb: str
    index: str
    record_id: str


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """The pairs of a request.

    Attributes:
        actions: Of each pair, in order.
        documents: Of each, as it came.
        refused: Why a pair is refused, by its place.
    """

    actions: Sequence[BulkAction]
    documents: Sequence[bytes]
    refused: Mapping[int, str]


_decoder = msgspec.json.Decoder(msgspec.Raw)


def parse_bulk(body: bytes, *, index: str = "") -> BulkRequest:
    """Return the pairs of a request.

    Args:
        body: Unpacked.
        index: What the address names, for lines that name none.

    Raises:
        BulkError: If a line that should be an action is none, or there are too many.
    """
    if body and not body.endswith(b"\n"):
        raise BulkError("the last line must end with a line break")
    index = index[:LONGEST_ID]
    lines = body.split(b"\n")
    actions: list[BulkAction] = []
    documents: list[bytes] = []
    refused: dict[int, str] = {}
    # Nearly always all of a request's are the same.
    known: dict[bytes, BulkAction] = {}
    at, end = 0, len(lines) - 1
    while at < end:
        line = lines[at]
        at += 1
        action = known.get(line)
        if action is None:
            if not line.strip():
                continue
            action = _read_action(line, at, index)
            if not action.record_id:
                known[line] = action
        if len(actions) >= MAX_ITEMS:
            raise BulkError(f"a request has at most {MAX_ITEMS} items; send several")
        document, reason = b"", "log records are not deleted"
        if action.verb != "delete":
            if at >= end:
                raise BulkError(f"line {at}: the document is missing")
            document = lines[at]
            reason = _find_fault(action.verb, document)
            at += 1
        if reason:
            refused[len(actions)] = reason
        actions.append(action)
        documents.append(document)
    return BulkRequest(actions, documents, refused)


def find_document_fault(document: bytes) -> str:
    """Return why a document is not taken; empty if it is."""
    try:
        _decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"the document cannot be read: {error}"
    except RecursionError:
        return "the document cannot be read: it is nested too deeply"
    if document.startswith(_OBJECT) or document.lstrip().startswith(_OBJECT):
        return ""
    return "the document cannot be read: it is no object"


def _find_fault(verb: str, document: bytes) -> str:
    return "log records are not changed" if verb == "update" else find_document_fault(document)


def _read_action(line: bytes, number: int, index: str) -> BulkAction:
    try:
        values: Any = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BulkError(f"line {number}: not JSON: {error}") from error
    # winston-elasticsearch adds a key of its own beside the action.
    verb = next((each for each in _ACTIONS if isinstance(values, dict) and each in values), None)
    if verb is None:
        raise BulkError(f"line {number}: create, index, update or delete is expected")
    target: Any = cast("dict[str, Any]", values)[verb]
    if not isinstance(target, dict):
        raise BulkError(f"line {number}: the {verb} action is no object")
    fields = cast("dict[str, Any]", target)
    name, record_id = fields.get("_index"), fields.get("_id")
    return BulkAction(
        verb,
        str(name)[:LONGEST_ID] if name else index,
        str(record_id)[:LONGEST_ID] if record_id is not None else "",
    )


def pack_documents(request: BulkRequest) -> tuple[str, list[bytes]]:
    """Return the index that most documents go to, and what is taken as lines of `formats.elastic`.

    A line is a document, or `[id, document]`, or `[id, document, index]` where that is another one.
    """
    counts = Counter(map(_index_of, request.actions))
    index = counts.most_common(1)[0][0] if counts else ""
    is_plain = len(counts) <= 1 and not any(map(_id_of, request.actions))
    if is_plain and not request.refused:
        return index, list(request.documents)
    return index, [
        pack_document(
            document,
            record_id=action.record_id,
            index="" if action.index == index else action.index,
        )
        for place, (action, document) in enumerate(
            zip(request.actions, request.documents, strict=True)
        )
        if place not in request.refused
    ]


def pack_document(document: bytes, *, record_id: str, index: str = "") -> bytes:
    """Return a document, which has no line break, as a line of `formats.elastic`."""
    if index:
        return b"[%b,%b,%b]" % (orjson.dumps(record_id), document, orjson.dumps(index))
    return b"[%b,%b]" % (orjson.dumps(record_id), document) if record_id else document


def _index_of(action: BulkAction) -> str:
    return action.index


def _id_of(action: BulkAction) -> str:
    return action.record_id

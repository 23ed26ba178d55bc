"""JSON objects, one a line: Elasticsearch's documents, NDJSON, files of applications."""

from collections.abc import Generator
from typing import Any, cast

import orjson

from resumatch_monitor.logs.chunk import LogChunk
from resumatch_monitor.logs.document import Defaults, read_document
from resumatch_monitor.logs.record import LogRecord

IDENTIFIED = "identified"
"""Lines of this format are arrays of an id and an object."""
PLAIN = "documents"
"""Lines of this format are objects."""


def read_identified(chunk: LogChunk, defaults: Defaults) -> Generator[LogRecord]:
    """Yield the records of lines `["id", {…}]`, which the door made and looked at."""
    for line in chunk.payload.split(b"\n"):
        if not line:
            continue
        try:
            record_id, document = orjson.loads(line)
        except (orjson.JSONDecodeError, ValueError):
            # The door looks less closely: of half a surrogate pair it does not know.
            record_id, document = "", _as_message(line)
        yield read_document(document, defaults, record_id)


def read_plain(chunk: LogChunk, defaults: Defaults) -> Generator[LogRecord]:
    """Yield the records of lines; one that is no object is the text of a record."""
    for line in chunk.payload.split(b"\n"):
        if not line.strip():
            continue
        try:
            document = orjson.loads(line)
        except orjson.JSONDecodeError:
            document = None
        is_object = isinstance(document, dict)
        yield read_document(
            cast("dict[str, Any]", document) if is_object else _as_message(line), defaults
        )


def _as_message(line: bytes) -> dict[str, Any]:
    return {"message": line.decode("utf-8", errors="replace").removesuffix("\r")}

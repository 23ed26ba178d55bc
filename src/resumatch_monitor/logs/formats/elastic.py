"""Documents of Elasticsearch's clients, with what they call them and where they put them."""

import re
from collections.abc import Generator
from dataclasses import replace
from typing import Any, cast

import orjson

from resumatch_monitor.logs.chunk import LogChunk
from resumatch_monitor.logs.document import Defaults, read_document
from resumatch_monitor.logs.record import LogRecord

ELASTIC = "elastic"
"""Lines of this format are objects, or arrays of an id, an object and perhaps an index."""
INDEX = "elastic.index"
"""The attribute that tells where its sender put a record."""

_MOST_INDEXES = 1_000
# `logs-<dataset>-<namespace>`, and the backing indexes of such a stream.
_STREAM = re.compile(r"(?:\.ds-)?logs-(?P<service>.+)-(?P<environment>[^-]+)")
_ROLLED = re.compile(r"[-_.](?:\d{4}(?:[-.]?\d{2}){0,2}|\d{6})$")
_OF_NOBODY = frozenset(
    {"logs", "log", "logstash", "filebeat", "fluentd", "fluent-bit", "rsyslog", "syslog", "index",
     "generic", "default", "vector", "winston", "pino"}
)  # fmt: skip


def read_elastic(chunk: LogChunk, defaults: Defaults) -> Generator[LogRecord]:
    """Yield the records of lines that the door made and looked at."""
    index = str(chunk.hints.get("index", ""))
    places = {"": _Place(index, defaults)}
    for line in chunk.payload.split(b"\n"):
        if not line:
            continue
        record_id, document, named = _read_line(line)
        place = places.get(named)
        if place is None:
            place = _Place(named, defaults)
            if len(places) < _MOST_INDEXES:
                places[named] = place
        if place.index:
            document.setdefault(INDEX, place.index)
        yield read_document(document, place.defaults, record_id)


class _Place:
    """What an index says of the records in it."""

    __slots__ = ("defaults", "index")

    def __init__(self, index: str, defaults: Defaults) -> None:
        service, environment = read_index_name(index)
        self.index = index
        self.defaults = replace(
            defaults,
            service=defaults.service or service,
            environment=defaults.environment or environment,
        )


def read_index_name(index: str) -> tuple[str, str]:
    """Return the service and the environment that an index is named for; empty for none.

    `logs-shop-production` is a data stream's name; `shop-2026.11.26` has no environment.
    """
    name = index
    # A stream's backing index ends in a day and a number.
    while (rolled := _ROLLED.search(name)) is not None:
        name = name[: rolled.start()]
    stream = _STREAM.fullmatch(name)
    service, environment = stream.group("service", "environment") if stream else (name, "")
    return (
        "" if service.lower() in _OF_NOBODY else service,
        "" if environment == "default" else environment,
    )


def _read_line(line: bytes) -> tuple[str, dict[str, Any], str]:
    try:
        values: Any = orjson.loads(line)
    except orjson.JSONDecodeError:
        values = _read_leniently(line)
    if isinstance(values, dict):
        return "", cast("dict[str, Any]", values), ""
    record_id, document, *index = values
    return record_id, document, index[0] if index else ""


def _read_leniently(line: bytes) -> Any:
    """Read what the door, which looks less closely, let in: bytes that are not UTF-8."""
    text = line.decode("utf-8", errors="replace")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"message": text}

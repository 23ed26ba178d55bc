"""Loki's push requests: lines of streams that are named by labels.

https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs
"""

import re
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from resumatch_monitor.logs.chunk import LogChunk
from resumatch_monitor.logs.document import Defaults, read_document
from resumatch_monitor.logs.formats.objects import read_object
from resumatch_monitor.logs.record import LogRecord

LOKI = "loki"
"""Lines of this format are arrays of labels and entries, each of nanoseconds, text and metadata."""

_LEVELS = ("detected_level", "level")
# A Prometheus job, and what Loki and its agents make of a container or a unit.
_SERVICES = ("service_name", "job", "container", "unit")
_UNKNOWN = "unknown_service"
_LABEL = re.compile(r'\s*([a-zA-Z_][\w.:-]*)\s*=\s*("(?:[^"\\]|\\.)*"|`[^`]*`)\s*(,|\})')
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_MOST_LABELS = 100


class LabelError(ValueError):
    """A stream's labels cannot be read."""


def read_loki(chunk: LogChunk, defaults: Defaults) -> Generator[LogRecord]:
    """Yield the records of lines that the door made."""
    for line in chunk.payload.split(b"\n"):
        if not line:
            continue
        labels, entries = orjson.loads(line)
        common = replace(defaults, service=_find_service(labels) or defaults.service)
        for nanoseconds, text, metadata in entries:
            yield read_document(_make_document(labels, nanoseconds, text, metadata), common)


def parse_labels(selector: str) -> dict[str, str]:
    """Read `{app="web", level="info"}`, which is how a stream is named in protobuf.

    Raises:
        LabelError: If it is none.
    """
    text = selector.strip()
    if not text.startswith("{") or not text.endswith("}"):
        raise LabelError(f"labels {selector[:100]!r} are not in braces")
    labels: dict[str, str] = {}
    at = 1
    while text[at:].strip() != "}" and at < len(text):
        found = _LABEL.match(text, at)
        if found is None or len(labels) >= _MOST_LABELS:
            raise LabelError(f"labels {selector[:100]!r} cannot be read from character {at}")
        labels[found[1]] = _unquote(found[2])
        # The last brace is left for the end of the loop.
        at = found.end() - (found[3] == "}")
    return labels


def _unquote(quoted: str) -> str:
    inner = quoted[1:-1]
    return inner if quoted[0] == "`" else _ESCAPE.sub(_unescape, inner)


def _unescape(found: re.Match[str]) -> str:
    byte, short, long, octal, letter = found.groups()
    if letter is not None:
        return _ESCAPED.get(letter, letter)
    number = int(octal, 8) if octal else int(byte or short or long, 16)
    # Half of a surrogate pair, or more than there is, is no character.
    is_one = number < 0x110000 and not 0xD800 <= number < 0xE000
    return chr(number) if is_one else "\ufffd"


def _make_document(
    labels: Mapping[str, str], nanoseconds: int, text: str, metadata: Mapping[str, str]
) -> dict[str, Any]:
    """Return all that is known of an entry; a line that is an object is read like one."""
    document: dict[str, Any] = {**labels, **metadata}
    for name in _LEVELS:
        if name in document:
            document["level"] = document.pop(name)
            break
    said = read_object(text)
    document.update(said if said is not None else {"message": text})
    if nanoseconds > 0:
        document["@timestamp"] = nanoseconds // 1_000
    return document


def _find_service(labels: Mapping[str, str]) -> str:
    for name in _SERVICES:
        value = labels.get(name, "")
        if value and value != _UNKNOWN:
            return value
    return ""

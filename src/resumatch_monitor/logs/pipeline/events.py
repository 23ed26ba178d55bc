"""Makes an event, as SDKs send them, of a record."""

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from resumatch_monitor.logs.pipeline.choosing import identify
from resumatch_monitor.logs.record import STACK_TRACE, LogRecord, name_severity

_LONGEST_MESSAGE = 8_192
_LONGEST_TRACE = 64 * 1024
_LONGEST_LINE = 1_000
_MOST_LINES = 2_000
_MOST_FRAMES = 100
_MOST_EXTRA = 50
_LONGEST_EXTRA = 1_024
_TYPES = ("error.type", "exception.type", "err.type", "error.kind")
_MESSAGES = ("error.message", "exception.message", "err.message")
# Each is asked of a single line of bounded length.
_PYTHON = re.compile(r'\s*File "([^"]{1,500})", line (\d{1,9})(?:, in (.{1,200}))?$')
_JAVASCRIPT = re.compile(
    r"\s*at (?:(?:async )?([^()]{1,200}) \()?([^()\s]{1,500}):(\d{1,9}):(\d{1,9})\)?$"
)
_JAVA = re.compile(r"\s*at ([\w.$<>/@]{1,300})\(([\w$.]{1,200})(?::(\d{1,9}))?\)$")
_HEADLINE = re.compile(r"(?:Caused by: |Uncaught )?([A-Za-z_][\w.$]{0,199}): ?(.*)$", re.DOTALL)
_BARE = re.compile(r"[A-Za-z_][\w.$]{0,199}$")


def build_event(record: LogRecord) -> dict[str, Any]:
    """Return the event of a record; it has the same id however often it is made."""
    digest = hashlib.blake2b(identify(record).encode(errors="replace"), digest_size=16)
    event: dict[str, Any] = {
        "event_id": digest.hexdigest(),
        "timestamp": datetime.fromtimestamp(record.timestamp_us / 1e6, UTC).isoformat(),
        "level": name_severity(record.severity) or "error",
        "platform": "other",
        "logentry": {"formatted": record.body[:_LONGEST_MESSAGE]},
        "tags": {
            "log.source": record.source,
            **({"service": record.service} if record.service else {}),
        },
        "extra": _gather_extra(record),
    }
    named = {
        "logger": record.logger,
        "environment": record.environment,
        "release": record.release,
        "server_name": record.host,
    }
    event |= {name: value for name, value in named.items() if value}
    if record.trace_id:
        trace = {"trace_id": record.trace_id, "span_id": record.span_id}
        event["contexts"] = {"trace": {name: value for name, value in trace.items() if value}}
    exception = _read_exception(record)
    if exception is not None:
        event["platform"], event["exception"] = exception[0], {"values": [exception[1]]}
    return event


def parse_stack(text: str) -> tuple[str, list[dict[str, Any]]]:
    """Return the platform that a stack trace is of, and its frames, the outermost first.

    Of a chain of exceptions, the frames of the one that was raised last.
    """
    lines = text[:_LONGEST_TRACE].splitlines()[:_MOST_LINES]
    python = _parse_python(lines)
    if python:
        return "python", python
    for platform, parse in (("javascript", _parse_javascript), ("java", _parse_java)):
        frames = [frame for line in lines if (frame := parse(line[:_LONGEST_LINE])) is not None]
        if frames:
            # Both name the innermost call first.
            return platform, frames[:_MOST_FRAMES][::-1]
    return "other", []


def _read_exception(record: LogRecord) -> tuple[str, dict[str, Any]] | None:
    stack = record.stack_trace
    kind, message = _first(record, _TYPES), _first(record, _MESSAGES)
    if not stack and not kind:
        return None
    platform, frames = parse_stack(stack)
    if not kind:
        kind, said = _read_headline(stack, is_last=platform == "python")
        message = message or said
    exception: dict[str, Any] = {
        "type": kind[:_LONGEST_EXTRA] or "Error",
        "value": (message or record.body)[:_LONGEST_MESSAGE],
    }
    if frames:
        exception["stacktrace"] = {"frames": frames}
    return platform, exception


def _read_headline(stack: str, *, is_last: bool) -> tuple[str, str]:
    """Return type and message from the line of a stack trace that has them."""
    lines = [line for line in stack[:_LONGEST_TRACE].splitlines() if line.strip()]
    ends = [line for line in (lines[::-1] if is_last else lines[:3]) if not line[0].isspace()]
    for line in ends[:20]:
        match = _HEADLINE.match(line[:_LONGEST_LINE])
        if match is not None:
            return match[1], match[2]
        if _BARE.match(line[:_LONGEST_LINE]):
            return line, ""
    return "", ""


def _parse_python(lines: Sequence[str]) -> list[dict[str, Any]]:
    frames: list[dict[str, Any]] = []
    for at, line in enumerate(lines):
        if line.startswith("Traceback (most recent call last)"):
            frames.clear()
        match = _PYTHON.match(line[:_LONGEST_LINE])
        if match is None:
            continue
        frame = _make_frame(match[1], match[3] or "", int(match[2]))
        following = lines[at + 1] if at + 1 < len(lines) else ""
        if following.startswith("    ") and not _PYTHON.match(following[:_LONGEST_LINE]):
            frame["context_line"] = following.strip()[:_LONGEST_LINE]
        frames.append(frame)
    return frames[-_MOST_FRAMES:]


def _parse_javascript(line: str) -> dict[str, Any] | None:
    match = _JAVASCRIPT.match(line)
    if match is None:
        return None
    frame = _make_frame(match[2], match[1] or "", int(match[3]))
    frame["colno"] = int(match[4])
    frame["in_app"] = "node_modules" not in match[2] and not match[2].startswith("node:")
    return frame


def _parse_java(line: str) -> dict[str, Any] | None:
    match = _JAVA.match(line)
    if match is None:
        return None
    module, _, function = match[1].rpartition(".")
    frame = _make_frame(match[2], function, int(match[3] or 0))
    frame["module"] = module
    return frame


def _make_frame(filename: str, function: str, line: int) -> dict[str, Any]:
    is_library = "site-packages" in filename or "/lib/python" in filename
    frame: dict[str, Any] = {"filename": filename, "in_app": not is_library}
    if function:
        frame["function"] = function.strip()
    if line:
        frame["lineno"] = line
    return frame


def _first(record: LogRecord, names: Sequence[str]) -> str:
    for name in names:
        value = record.attributes.get(name)
        if isinstance(value, str) and value:
            return value
    return ""


def _gather_extra(record: LogRecord) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    for name, value in record.attributes.items():
        if len(extra) >= _MOST_EXTRA:
            break
        if name != STACK_TRACE and not isinstance(value, list):
            extra[name] = value[:_LONGEST_EXTRA] if isinstance(value, str) else value
    return extra

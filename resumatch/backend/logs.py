"""Structured logs: one JSON object a line, with the request they belong to."""

import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from resumatch.backend.privacy import FILTERED, PRIVATE_NAMES, scrub
from resumatch.backend.tracing import current_trace_id

_IS_RENDERED = "is_rendered"
_CRASH_OF_THE_SERVER = "Exception in ASGI application"
# Written by this package itself, from values that hold no text of anybody.
_PLAIN_FIELDS = frozenset(
    {"duration_seconds", "handler", "level", "logger", "method", "path", "request_id", "status"}
    | {"synthetic", "timestamp", "trace_id", "user_id"}
)


def configure_logging(level: str, stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's records to `stream` as JSON."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            structlog.processors.UnicodeDecoder(),
            add_trace_id,
            scrub_record,
            structlog.processors.JSONRenderer(ensure_ascii=False),
            mark_as_rendered,
        ],
        context_class=dict,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = _Handler(stream or sys.stdout)
    handler.setFormatter(_Formatter())
    handler.addFilter(_is_not_the_servers_repetition)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = name != "uvicorn.access"
    # Each request is logged by the application, with its id; a library's own account of its
    # requests would carry addresses.
    for name in ("httpx", "httpcore", "pypdf", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def mark_as_rendered(
    _logger: object, _method: str, line: Any
) -> tuple[tuple[str], dict[str, dict[str, bool]]]:
    """Tell the handler that this line is finished."""
    return (str(line),), {"extra": {_IS_RENDERED: True}}


class RequestLog:
    """Writes the one line that every request gets.

    What structlog's whole chain of processors would take for it is a good part of a short
    request; its fields are known here, and none of them can hold anything private.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)
        self._name = name

    def write(self, fields: dict[str, Any]) -> None:
        if not self._logger.isEnabledFor(logging.INFO):
            return
        record: dict[str, Any] = {
            **structlog.contextvars.get_contextvars(),
            **fields,
            "event": "request",
            "logger": self._name,
            "level": "info",
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        }
        line = json.dumps(add_trace_id(None, "", record), ensure_ascii=False)
        for handler in logging.getLogger().handlers:
            if isinstance(handler, _Handler):
                handler.write_line(line)


def add_trace_id(
    _logger: object, _method: str, record: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add the id under which the error tracker knows this request."""
    trace_id = current_trace_id()
    if trace_id:
        record["trace_id"] = trace_id
    return record


def scrub_record(
    _logger: object, _method: str, record: MutableMapping[str, Any]
) -> Mapping[str, Any]:
    """Replace what is private, by name and by value."""
    for name in record.keys() - _PLAIN_FIELDS:
        record[name] = FILTERED if name in PRIVATE_NAMES else scrub(record[name])
    return record


class _Handler(logging.StreamHandler[TextIO]):
    """A stream handler that also takes lines that are finished."""

    def write_line(self, line: str) -> None:
        with self.lock or nullcontext():
            try:
                self.stream.write(line + "\n")
                self.stream.flush()
            except OSError:
                # As logging itself: whoever reads the log may be gone, the request goes on.
                return


class _Formatter(logging.Formatter):
    """Passes structlog's lines on and renders everybody else's the same way."""

    def __init__(self) -> None:
        super().__init__()
        shared: list[Processor] = [
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            add_trace_id,
            scrub_record,
        ]
        self._foreign = structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )

    def format(self, record: logging.LogRecord) -> str:
        if getattr(record, _IS_RENDERED, False):
            return str(record.msg)
        return self._foreign.format(record)


def _is_not_the_servers_repetition(record: logging.LogRecord) -> bool:
    # The application has logged the exception by then, under its request's id.
    return not (record.name == "uvicorn.error" and str(record.msg).startswith(_CRASH_OF_THE_SERVER))

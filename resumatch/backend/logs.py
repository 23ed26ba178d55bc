"""Structured logs: one JSON object a line, with the request they belong to."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from resumatch.backend.privacy import FILTERED, PRIVATE_NAMES, scrub
from resumatch.backend.tracing import current_trace_id

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
        ],
        context_class=dict,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stdout)
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
        if record.name.startswith("resumatch") and not record.args and not record.exc_info:
            return str(record.msg)
        return self._foreign.format(record)


def _is_not_the_servers_repetition(record: logging.LogRecord) -> bool:
    # The application has logged the exception by then, under its request's id.
    return not (record.name == "uvicorn.error" and str(record.msg).startswith(_CRASH_OF_THE_SERVER))

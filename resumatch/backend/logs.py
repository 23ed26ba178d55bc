"""Structured logs: one JSON object a line in ECS names, with the request they belong to."""

import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import nullcontext
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO, cast

import structlog
from structlog.typing import Processor
from typing_extensions import override

from resumatch.backend import audit
from resumatch.backend.ecs import ACCESS, Service, to_ecs
from resumatch.backend.privacy import FILTERED, PRIVATE_NAMES, scrub
from resumatch.backend.tracing import current_trace

_IS_RENDERED = "is_rendered"
_LINE = "rendered_line"
_CRASH_OF_THE_SERVER = "Exception in ASGI application"
_FILES_KEPT = 3
# Written by this package itself, from values that hold no text of anybody.
_PLAIN_FIELDS = frozenset(
    {"action", "dataset", "duration_seconds", "error_type", "level", "logger", "method", "outcome"}
    | {"path", "request_id", "span_id", "status", "synthetic", "timestamp", "trace_id", "user_id"}
)


def configure_logging(
    level: str,
    service: Service,
    *,
    stream: TextIO | None = None,
    file: Path | None = None,
    file_max_bytes: int = 0,
) -> None:
    """Send structlog's and the standard library's records as JSON to where they are read.

    Args:
        level: The least severe level that is written. What is audited is written anyway.
        service: Who speaks.
        stream: Standard output, unless it is another.
        file: Written as well: what tails it loses nothing while it is down.
        file_max_bytes: From when the file begins anew, beside three older ones; 0 is never.
    """
    fields = service.as_fields()

    def rename(
        _logger: object, _method: str, record: MutableMapping[str, Any]
    ) -> Mapping[str, Any]:
        return to_ecs(record, fields)

    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.StackInfoRenderer(),
            name_exception,
            structlog.processors.format_exc_info,
            structlog.processors.UnicodeDecoder(),
            add_trace,
            scrub_record,
            rename,
            structlog.processors.JSONRenderer(ensure_ascii=False),
            mark_as_rendered,
        ],
        context_class=dict,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handlers: list[logging.Handler] = [_StreamHandler(stream or sys.stdout)]
    if file is not None:
        handlers.append(_open_file(file, file_max_bytes))
    for handler in handlers:
        handler.setFormatter(_Formatter(rename))
        handler.addFilter(_is_not_the_servers_repetition)
    root = logging.getLogger()
    root.handlers = handlers
    root.setLevel(level)
    logging.getLogger(audit.LOGGER).setLevel(logging.INFO)
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

    def __init__(self, name: str, service: Service) -> None:
        self._logger = logging.getLogger(name)
        self._name = name
        self._fields = service.as_fields()

    def write(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Say how a request ended.

        Args:
            method: As the client named it.
            route: The template that took it, not its path: a path can hold anything, and never
                groups.
            status: What it was answered with.
            seconds: How long it took.
        """
        if not self._logger.isEnabledFor(logging.INFO):
            return
        record: dict[str, Any] = {
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "level": "info",
            "event": f"{method} {route} {status}",
            "logger": self._name,
            "dataset": ACCESS,
            "method": method,
            "path": route,
            "status": status,
            "duration_seconds": seconds,
            **structlog.contextvars.get_contextvars(),
        }
        add_trace(None, "", record)
        line = json.dumps(to_ecs(record, self._fields), ensure_ascii=False)
        for handler in logging.getLogger().handlers:
            if isinstance(handler, _StreamHandler | _FileHandler):
                handler.write_line(line)


def add_trace(
    _logger: object, _method: str, record: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add the ids under which the error tracker knows this request and its present step."""
    trace_id, span_id = current_trace()
    if trace_id:
        record["trace_id"] = trace_id
    if span_id:
        record["span_id"] = span_id
    return record


def name_exception(
    _logger: object, _method: str, record: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add an exception's type and message, which its rendered traceback hides in a long text."""
    error: object = record.get("exc_info")
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = cast("tuple[object, ...]", error)[1]
    if isinstance(error, BaseException):
        record["error_type"] = type(error).__name__
        record["error_message"] = str(error)
    return record


def scrub_record(
    _logger: object, _method: str, record: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace what is private, by name and by value."""
    for name in record.keys() - _PLAIN_FIELDS:
        record[name] = FILTERED if name in PRIVATE_NAMES else scrub(record[name])
    return record


class _StreamHandler(logging.StreamHandler[TextIO]):
    """A stream handler that also takes lines that are finished."""

    def write_line(self, line: str) -> None:
        with self.lock or nullcontext():
            try:
                self.stream.write(line + "\n")
                self.stream.flush()
            except OSError:
                # As logging itself: whoever reads the log may be gone, the request goes on.
                return


class _FileHandler(RotatingFileHandler):
    """A file that begins anew when it is large; a full disk ends no request."""

    def write_line(self, line: str) -> None:
        self.handle(logging.makeLogRecord({"msg": line, _IS_RENDERED: True}))

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        # The other handler has the line; a traceback a line would only hide it.
        return


class _Formatter(logging.Formatter):
    """Passes structlog's lines on and renders everybody else's the same way."""

    def __init__(self, rename: Processor) -> None:
        super().__init__()
        shared: list[Processor] = [
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            name_exception,
            structlog.processors.format_exc_info,
            add_trace,
            scrub_record,
        ]
        self._foreign = structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                rename,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )

    @override
    def format(self, record: logging.LogRecord) -> str:
        if getattr(record, _IS_RENDERED, False):
            return str(record.msg)
        # Once, whoever asks: the time of a line is when it is rendered.
        line = getattr(record, _LINE, None)
        if line is None:
            line = self._foreign.format(record)
            setattr(record, _LINE, line)
        return line


def _open_file(path: Path, max_bytes: int) -> _FileHandler:
    path.parent.mkdir(parents=True, exist_ok=True)
    return _FileHandler(path, maxBytes=max_bytes, backupCount=_FILES_KEPT, encoding="utf-8")


def _is_not_the_servers_repetition(record: logging.LogRecord) -> bool:
    # The application has logged the exception by then, under its request's id.
    return not (record.name == "uvicorn.error" and str(record.msg).startswith(_CRASH_OF_THE_SERVER))

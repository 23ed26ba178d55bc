"""The names of the Elastic Common Schema, under which log lines leave the process.

https://www.elastic.co/docs/reference/ecs: whatever reads logs knows a time, a level, a request and
an error by these names. What the schema has no name for lies under `resumatch.`.
"""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

ACCESS = "access"
APP = "app"
AUDIT = "audit"

_VERSION = "8.11.0"
_OWN = "resumatch."
_DURATION = "duration_seconds"
_NAMES = {
    "action": "event.action",
    "dataset": "event.dataset",
    "error_message": "error.message",
    "error_type": "error.type",
    "exception": "error.stack_trace",
    "logger": "log.logger",
    "method": "http.request.method",
    "outcome": "event.outcome",
    "path": "url.path",
    "reason": "event.reason",
    "request_id": "http.request.id",
    "span_id": "span.id",
    "statement": "db.query.text",
    "status": "http.response.status_code",
    "trace_id": "trace.id",
    "user_id": "user.id",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Who speaks.

    Attributes:
        version: What Sentry calls the release, so that errors and logs of one release meet.
    """

    name: str = "resumatch-api"
    environment: str
    version: str

    def as_fields(self) -> dict[str, str]:
        return {
            "service.name": self.name,
            "service.environment": self.environment,
            "service.version": self.version,
        }


def to_ecs(record: MutableMapping[str, Any], service: Mapping[str, str]) -> dict[str, Any]:
    """Return structlog's record under the schema's names, those that people look for first.

    Args:
        record: With `event`, `level`, `timestamp` and whatever else was said.
        service: The fields of a `Service`.
    """
    renamed: dict[str, Any] = {
        "@timestamp": record.pop("timestamp", None),
        "log.level": record.pop("level", None),
        "message": str(record.pop("event", "")),
        "ecs.version": _VERSION,
        **service,
        "event.dataset": APP,
    }
    if _DURATION in record:
        renamed["event.duration"] = round(record.pop(_DURATION) * 1e9)
    for name, value in record.items():
        renamed[_NAMES.get(name) or _OWN + name] = value
    return renamed

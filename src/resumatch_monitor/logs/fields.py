"""The fields of a record, and the names by which the field's standards call them."""

from enum import StrEnum


class Field(StrEnum):
    """What every record has; anything else is an attribute."""

    MESSAGE = "message"
    SEVERITY = "severity"
    SERVICE = "service"
    ENVIRONMENT = "environment"
    RELEASE = "release"
    HOST = "host"
    LOGGER = "logger"
    SOURCE = "source"
    TRACE_ID = "trace_id"
    SPAN_ID = "span_id"


FIELD_NAMES = frozenset(field.value for field in Field)

EXACT_FIELDS = (
    Field.SERVICE,
    Field.ENVIRONMENT,
    Field.RELEASE,
    Field.HOST,
    Field.LOGGER,
    Field.SOURCE,
)
"""Fields whose values are compared as a whole."""

_ALIASES = {
    "msg": Field.MESSAGE,
    "body": Field.MESSAGE,
    "level": Field.SEVERITY,
    "log.level": Field.SEVERITY,
    "severity_text": Field.SEVERITY,
    "severity_number": Field.SEVERITY,
    "service.name": Field.SERVICE,
    "env": Field.ENVIRONMENT,
    "service.environment": Field.ENVIRONMENT,
    "deployment.environment": Field.ENVIRONMENT,
    "deployment.environment.name": Field.ENVIRONMENT,
    "version": Field.RELEASE,
    "service.version": Field.RELEASE,
    "sentry.release": Field.RELEASE,
    "sentry.environment": Field.ENVIRONMENT,
    "host.name": Field.HOST,
    "hostname": Field.HOST,
    "log.logger": Field.LOGGER,
    "logger.name": Field.LOGGER,
    "trace": Field.TRACE_ID,
    "trace.id": Field.TRACE_ID,
    "traceid": Field.TRACE_ID,
    "span.id": Field.SPAN_ID,
    "spanid": Field.SPAN_ID,
}


def resolve_field(name: str) -> str:
    """Return the record's own field that `name` stands for, else the attribute's name itself."""
    lowered = name.lower()
    found = _ALIASES.get(lowered)
    if found is not None:
        return found
    return lowered if lowered in FIELD_NAMES else name

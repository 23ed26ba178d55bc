"""Attributes of spans under one set of names, whichever the sender's version used."""

from collections.abc import Mapping
from typing import Any, cast

import orjson

from resumatch_monitor.sentry.values import as_dict
from resumatch_monitor.tracing.config import SpanLimits

_NAME_MAX = 200
_LIST_MAX = 50

# https://opentelemetry.io/docs/specs/semconv/attributes-registry/ lists these as deprecated, or
# they are what Sentry's SDKs said before they took OpenTelemetry's names.
_RENAMED = {
    "http.status_code": "http.response.status_code",
    "http.method": "http.request.method",
    "http.request_method": "http.request.method",
    "method": "http.request.method",
    "http.url": "url.full",
    "url": "url.full",
    "http.query": "url.query",
    "http.target": "url.path",
    "http.user_agent": "user_agent.original",
    "db.system": "db.system.name",
    "db.statement": "db.query.text",
    "db.name": "db.namespace",
    "db.operation": "db.operation.name",
    "net.peer.name": "server.address",
    "net.peer.port": "server.port",
    "deployment.environment": "deployment.environment.name",
}
# Who a visitor is, beside what `Scrubber` recognises by its name: their address.
_ADDRESSES = frozenset(
    {
        *("client.address", "client.socket.address", "client.port"),
        *("http.client_ip", "net.peer.ip", "net.sock.peer.addr", "net.sock.peer.port"),
        *("user.ip_address", "user.ip", "user.geo", "sentry.user.ip"),
    }
)
# What may not be taken over as it is: the new names too, for an old one may have come first.
_SPECIAL = _ADDRESSES | _RENAMED.keys() | set(_RENAMED.values()) | {""}
_VITALS = frozenset({"lcp", "cls", "inp", "fcp", "ttfb", "fp", "fid"})
_MILLISECONDS_IN = {"second": 1e3, "microsecond": 1e-3, "nanosecond": 1e-6}


def read_attributes(value: object, limits: SpanLimits) -> dict[str, Any]:
    """Read attributes, typed (`{"value": …, "type": …}`) or plain, under today's names.

    Returns:
        Texts, numbers, truth values, and lists of these; anything else as JSON's text.
    """
    attributes: dict[str, Any] = {}
    longest = limits.attribute_value_length
    for key, raw in as_dict(value).items():
        plain = cast("dict[str, Any]", raw).get("value") if _is_typed(raw) else raw
        # Nearly all are short texts under names that stay as they are.
        if type(plain) is str and len(plain) <= longest and key not in _SPECIAL:
            if len(attributes) >= limits.attributes_per_span:
                break
            attributes[key[:_NAME_MAX]] = plain
        else:
            put_attribute(attributes, key, plain, limits)
    return attributes


def put_attribute(attributes: dict[str, Any], name: str, value: object, limits: SpanLimits) -> None:
    """Add an attribute under today's name; one that is there under that name stays."""
    name = _RENAMED.get(name, name)
    if value is None or name in _ADDRESSES or name in attributes or not name:
        return
    if len(attributes) < limits.attributes_per_span:
        attributes[name[:_NAME_MAX]] = _bound(value, limits.attribute_value_length)


def read_measurements(value: object) -> dict[str, Any]:
    """Read a transaction's measurements as attributes, web vitals in milliseconds."""
    attributes: dict[str, Any] = {}
    for name, raw in list(as_dict(value).items())[:100]:
        measured = as_dict(raw)
        number = measured.get("value")
        if isinstance(number, bool) or not isinstance(number, int | float):
            continue
        if name in _VITALS:
            number *= _MILLISECONDS_IN.get(str(measured.get("unit")), 1)
            attributes[f"browser.web_vital.{name}.value"] = number
        else:
            attributes[f"measurement.{name[:_NAME_MAX]}"] = number
    return attributes


def take_text(attributes: dict[str, Any], *names: str) -> str:
    """Remove the attributes `names` and return the first that is a text; empty if none is."""
    found = ""
    for name in names:
        value = attributes.pop(name, None)
        if not found and isinstance(value, str):
            found = value
    return found


def text_of(attributes: Mapping[str, Any], *names: str) -> str:
    """Return the first of the attributes `names` that is a text; empty if none is."""
    for name in names:
        value = attributes.get(name)
        if isinstance(value, str) and value:
            return value
    return ""


def _is_typed(value: object) -> bool:
    return isinstance(value, dict) and "value" in value


def _bound(value: object, limit: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= limit else f"{value[:limit]}…"
    if isinstance(value, bool | int | float):
        return value if not isinstance(value, int) or abs(value) < 2**63 else str(value)
    if isinstance(value, list):
        items = cast("list[object]", value)[:_LIST_MAX]
        if all(isinstance(item, str | bool | int | float) for item in items):
            return [_bound(item, limit) for item in items]
    try:
        text = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return "[not readable]"
    return text if len(text) <= limit else f"{text[:limit]}…"

"""Errors and performance to Sentry, or to anything that speaks its protocol."""

import logging
from typing import Any, cast

import sentry_sdk
from sentry_sdk.integrations.fastapi import FastApiIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.types import Event, Hint, SamplingContext

from resumatch.backend.config import Settings
from resumatch.backend.privacy import Guard, current_guard, scrub, shorten

_NOT_TRACED = frozenset({"/health", "/metrics"})


def start_sentry(settings: Settings) -> None:
    """Begin to report, if there is a DSN."""
    if not settings.sentry_dsn:
        return
    rate = settings.traces_sample_rate

    def sample(context: SamplingContext) -> float:
        scope = cast("dict[str, Any]", context.get("asgi_scope") or {})
        if scope.get("path") in _NOT_TRACED:
            return 0.0
        parent = context.get("parent_sampled")
        return rate if parent is None else float(parent)

    sentry_sdk.init(
        dsn=settings.sentry_dsn,
        environment=settings.environment,
        release=settings.release,
        traces_sampler=sample,
        send_default_pii=False,
        # Bodies are résumés and passwords.
        max_request_body_size="never",
        integrations=[
            FastApiIntegration(),
            # Log lines become breadcrumbs; the exceptions themselves are what is reported.
            LoggingIntegration(level=logging.INFO, event_level=None),
        ],
        before_send=scrub_event,
        before_send_transaction=scrub_event,
    )
    # Its own debug records are thrown away in the end, but made for every request.
    logging.getLogger("sentry_sdk.errors").setLevel(logging.WARNING)


def stop_sentry() -> None:
    """Send what is left."""
    sentry_sdk.flush(timeout=2.0)


def scrub_event(event: Event, _hint: Hint) -> Event:
    """Take résumé text and passwords out of an event before it leaves the process."""
    guard = current_guard()
    rest = cast("dict[str, Any]", event)
    request = rest.get("request")
    if isinstance(request, dict):
        for name in ("data", "cookies", "query_string"):
            cast("dict[str, Any]", request).pop(name, None)
        if "headers" in request:
            headers = cast("dict[str, Any]", request)["headers"]
            request["headers"] = {name: scrub(headers[name], name=name) for name in headers}
    for thing in _exceptions(rest):
        if isinstance(thing.get("value"), str):
            thing["value"] = guard.clean(thing["value"])
        stacktrace = cast("dict[str, list[dict[str, Any]]]", thing.get("stacktrace") or {})
        for frame in stacktrace.get("frames", []):
            if "vars" in frame:
                frame["vars"] = shorten(scrub(frame["vars"]))
    for name in ("logentry", "message", "extra", "breadcrumbs", "tags", "spans", "contexts"):
        if name in rest:
            rest[name] = _scrub_values(rest[name], guard)
    return event


def _exceptions(event: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for part in ("exception", "threads"):
        values = event.get(part)
        if isinstance(values, dict):
            values = cast("dict[str, Any]", values).get("values")
        found += cast("list[dict[str, Any]]", values or [])
    return found


def _scrub_values(value: Any, guard: Guard) -> Any:
    # Sentry's own keys ("data" of a span, for one) are no private names: only values count.
    if isinstance(value, str):
        return guard.clean(value)
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {key: _scrub_values(each, guard) for key, each in items}
    if isinstance(value, list):
        return [_scrub_values(each, guard) for each in cast("list[Any]", value)]
    return value

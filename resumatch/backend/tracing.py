"""Which request is being served: its id and the id of the trace that it belongs to."""

import random
import re
from contextvars import ContextVar

import sentry_sdk

_REQUEST_ID = re.compile(rb"[A-Za-z0-9_-]{8,64}")
_TRACEPARENT = re.compile(rb"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

# Names, not secrets: they need no entropy of the operating system, whose call is slow.
_ids = random.Random()  # noqa: S311

_trace_id: ContextVar[str] = ContextVar("resumatch_trace_id", default="")


def request_id_from(given: bytes) -> str:
    """Keep the id that a proxy gave, if it is harmless; make one otherwise."""
    return (
        given.decode()
        if given and _REQUEST_ID.fullmatch(given)
        else f"{_ids.getrandbits(128):032x}"
    )


def continue_trace(traceparent: bytes) -> None:
    """Take over the caller's trace for the logs (Sentry does it for itself)."""
    match = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    _trace_id.set(match[1].decode() if match else "")


def current_trace() -> tuple[str, str]:
    """Return the ids of the trace and of the span that is being recorded; empty if there is none.

    Without Sentry it is the caller's trace, in which nothing of this process is recorded.
    """
    if sentry_sdk.get_client().is_active():
        trace_id, _, rest = (sentry_sdk.get_traceparent() or "").partition("-")
        return trace_id, rest.partition("-")[0]
    return _trace_id.get(), ""

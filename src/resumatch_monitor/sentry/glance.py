"""Looks at an event no further than the door needs to.

To make all objects of an event takes four times as long as to find out that it is JSON, and the
digest makes them anyway.
"""

from typing import Any, TypedDict, cast

import msgspec

from resumatch_monitor.sentry.lenient import parse_json
from resumatch_monitor.sentry.values import as_dict

_DEEP = 500
_OPENING = b"[{"
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))


class _Frame(TypedDict, total=False):
    abs_path: Any
    filename: Any


class _Stacktrace(TypedDict, total=False):
    frames: list[_Frame]


class _Exception(TypedDict, total=False):
    type: Any
    value: Any
    stacktrace: _Stacktrace | None


class _Exceptions(TypedDict, total=False):
    values: list[_Exception]


class _Contexts(TypedDict, total=False):
    csp: Any


class _Event(TypedDict, total=False):
    event_id: Any
    type: Any
    platform: Any
    release: Any
    transaction: Any
    user: Any
    request: Any
    message: Any
    logentry: Any
    contexts: _Contexts
    exception: _Exceptions


class EventGlance:
    """Reads of events only what decides whether they are taken."""

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(_Event)

    def read(self, payload: bytes) -> tuple[Any, bytes]:
        """Return what the door needs of `payload`, and the text that stands for it.

        An object of an unusual shape is returned as a whole.

        Raises:
            orjson.JSONDecodeError: If it is not JSON.
        """
        try:
            payload.decode()
            event = as_dict(cast("object", self._decoder.decode(payload)))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return parse_json(payload)
        # How deep the glance may go depends on the interpreter; the digest has a bound of its own.
        if not event or _may_be_too_deep(payload):
            # Nothing of this in it may mean that there is nothing in it at all.
            return parse_json(payload)
        return event, payload


def _may_be_too_deep(payload: bytes) -> bool:
    """Tell whether `payload` nests more than nearly all events do; brackets in texts count, too."""
    if payload.count(b"{") + payload.count(b"[") < _DEEP:
        return False
    depth = deepest = 0
    for bracket in payload.translate(None, delete=_OTHERS):
        depth += 1 if bracket in _OPENING else -1
        deepest = max(deepest, depth)
    return deepest >= _DEEP

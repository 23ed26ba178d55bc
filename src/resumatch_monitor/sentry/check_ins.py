"""Check-ins that programs without an SDK send by one request, `curl` for example.

https://docs.sentry.io/product/crons/getting-started/http/
"""

from collections.abc import Mapping
from typing import Any

import orjson

from resumatch_monitor.sentry.lenient import parse_json
from resumatch_monitor.sentry.refusals import MalformedError
from resumatch_monitor.sentry.values import as_dict, is_dict

_STATUSES = ("in_progress", "ok", "error")
_NAMES = ("status", "check_in_id", "environment", "duration", "release")
_TEXT_MAX = 200


def render_check_in(slug: str, parameters: Mapping[str, str], body: bytes) -> bytes:
    """Return the payload of a `check_in` item.

    Args:
        slug: Of the monitor, from the path.
        parameters: From the query; they win over the body.
        body: A JSON object or nothing.

    Raises:
        MalformedError: If the body is something else, or nothing says how the job is.
    """
    check_in = _read_body(body)
    check_in |= {name: parameters[name][:_TEXT_MAX] for name in _NAMES if parameters.get(name, "")}
    if isinstance(check_in.get("duration"), str):
        check_in["duration"] = _to_number(check_in["duration"])
    if check_in.get("status") not in _STATUSES:
        raise MalformedError(f"The status of a check-in is one of {', '.join(_STATUSES)}.")
    try:
        return orjson.dumps({**check_in, "monitor_slug": slug[:_TEXT_MAX]})
    except TypeError as error:
        raise MalformedError("The check-in is nested too deeply.") from error


def _read_body(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        value = parse_json(body)[0]
    except orjson.JSONDecodeError as error:
        raise MalformedError(f"The check-in is not JSON: {error}.") from error
    if not is_dict(value):
        raise MalformedError("The check-in is not a JSON object.")
    return dict(as_dict(value))


def _to_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError as error:
        raise MalformedError("The duration of a check-in is a number of seconds.") from error

"""What PagerDuty's Events API v2 checks of an event, for the catcher that stands in its place.

https://developer.pagerduty.com/docs/send-alert-event
"""

import re
from collections.abc import Iterable
from typing import Any, cast

_ROUTING_KEY = re.compile(r"[A-Za-z0-9]{32}")
_ACTIONS = ("trigger", "acknowledge", "resolve")
_SEVERITIES = ("critical", "error", "warning", "info")
_LONGEST_SUMMARY = 1024
_LONGEST_DEDUP_KEY = 255


def find_event_errors(event: dict[str, Any]) -> list[str]:
    """Return what PagerDuty would refuse of an event to `/v2/enqueue`."""
    errors = _find_key_errors(event)
    action, dedup_key = event.get("event_action"), event.get("dedup_key")
    if action not in _ACTIONS:
        errors.append("'event_action' is invalid (must be one of trigger, acknowledge, resolve)")
    if dedup_key is not None and not 0 < len(str(dedup_key)) <= _LONGEST_DEDUP_KEY:
        errors.append("'dedup_key' is too long (maximum is 255 characters)")
    if action == "trigger":
        payload = _payload_of(event)
        errors += _find_missing(payload, ("summary", "source"))
        if payload.get("severity") not in _SEVERITIES:
            errors.append("'payload.severity' is invalid")
        if len(str(payload.get("summary", ""))) > _LONGEST_SUMMARY:
            errors.append("'payload.summary' is too long (maximum is 1024 characters)")
    elif not dedup_key:
        errors.append("'dedup_key' is missing or blank")
    return errors


def find_change_errors(event: dict[str, Any]) -> list[str]:
    """Return what PagerDuty would refuse of an event to `/v2/change/enqueue`."""
    return [*_find_key_errors(event), *_find_missing(_payload_of(event), ("summary",))]


def summary_of(event: dict[str, Any]) -> str:
    """Return the summary of an event, empty if it has none."""
    return str(_payload_of(event).get("summary", ""))


def _payload_of(event: dict[str, Any]) -> dict[str, Any]:
    payload = event.get("payload")
    return cast("dict[str, Any]", payload) if isinstance(payload, dict) else {}


def _find_key_errors(event: dict[str, Any]) -> list[str]:
    if _ROUTING_KEY.fullmatch(str(event.get("routing_key", ""))):
        return []
    return ["'routing_key' is invalid (must be 32 letters and digits)"]


def _find_missing(payload: dict[str, Any], names: Iterable[str]) -> list[str]:
    return [f"'payload.{name}' is missing or blank" for name in names if not payload.get(name)]

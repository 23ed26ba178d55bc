"""Events as they are stored, without the way there."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from resumatch_monitor.errortracking.store import DigestedEvent

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def key_of(name: str) -> bytes:
    """Return a grouping key that is known by a name of at most 16 letters."""
    return name.encode().ljust(16, b".")


def make_digested(number: int, key: str = "a", **over: Any) -> DigestedEvent:
    """Return event `number`, a minute after the one before it, with the grouping key `key`."""
    at = over.pop("occurred_at", START + timedelta(minutes=number))
    user = over.pop("user", "")
    fields: dict[str, Any] = {
        "project_id": 1,
        "project_slug": "resumatch-api",
        "event_id": f"{number:032x}",
        "occurred_at": at,
        "received_at": at,
        "grouping_version": 1,
        "grouping_key": key_of(key),
        "explanation": f"Because of {key}.",
        "type": f"Error{key.upper()}",
        "value": f"value of {key}",
        "culprit": f"shop.{key}",
        "level": "error",
        "platform": "python",
        "is_handled": False,
        "is_synthetic": False,
        "message": f"message {number}",
        "release": "shop@1.0",
        "environment": "production",
        "user_hash": user.encode().ljust(8, b".") if user else None,
        "user_label": user,
        "tags": (("environment", "production"), ("key", key)),
        "payload": orjson.dumps({"event": {"message": f"message {number}"}, "scrubbed": []}),
        **over,
    }
    return DigestedEvent(**fields)

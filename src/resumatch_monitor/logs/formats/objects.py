"""JSON within text: what structured loggers write where only lines are carried."""

from typing import Any, cast

import orjson


def read_object(text: str) -> dict[str, Any] | None:
    """Return the object that a text is, or None."""
    if not text.startswith("{"):
        return None
    try:
        said: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return cast("dict[str, Any]", said) if isinstance(said, dict) else None

"""Cuts what is too long or nested too deeply, and says so."""

from typing import Any, cast

from resumatch_monitor.sentry.values import as_dict, as_list

TEXT_MAX = 8_192
VARIABLE_MAX = 1_024
LIST_MAX = 250
KEYS_MAX = 250
DEPTH_MAX = 12
OMITTED = "[omitted: nested too deeply]"
_DEEPEST = 100
_PROSE_MIN_LENGTH = 200
_PROSE_MIN_WORDS = 25


def is_prose(text: str) -> bool:
    """Tell whether `text` is long and made of words, rather than data or a short message."""
    return len(text) >= _PROSE_MIN_LENGTH and len(text.split(None, _PROSE_MIN_WORDS)) > (
        _PROSE_MIN_WORDS - 1
    )


def cut_text(text: str, limit: int = TEXT_MAX) -> str:
    """Return `text`, cut to `limit` characters with a remark if it is longer."""
    return text if len(text) <= limit else mark_cut(text, limit, text)


def mark_cut(text: str, limit: int, original: str) -> str:
    """Return the first `limit` characters of `text`, remarking how long the original was."""
    return f"{text[:limit]}… [cut: {len(original)} characters]"


def cut_depth(value: Any, depth: int = 0) -> Any:
    """Return `value` without what is nested more deeply than can be written as JSON."""
    if depth > _DEEPEST and isinstance(value, dict | list):
        return OMITTED
    if isinstance(value, dict):
        items = as_dict(cast("object", value)).items()
        return {key: cut_depth(item, depth + 1) for key, item in items}
    if isinstance(value, list):
        return [cut_depth(item, depth + 1) for item in as_list(cast("object", value))]
    return value


def first_items(value: dict[str, Any], count: int) -> list[tuple[str, Any]]:
    """Return the first `count` entries of an object."""
    return list(value.items())[:count]

"""Reads untrusted JSON: each function returns what was asked for or an empty stand-in."""

from typing import Any, cast


def as_dict(value: object) -> dict[str, Any]:
    """Return `value` if it is an object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Return `value` if it is an array, else an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def is_dict(value: object) -> bool:
    """Tell whether `value` is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> bool:
    """Tell whether `value` is an array."""
    return isinstance(value, list)


def as_text(value: object) -> str:
    """Return a scalar as text, anything else as an empty string."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else ""


def as_int(value: object) -> int | None:
    """Return a whole number that fits the database, else None."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return value
    return None


def as_bool(value: object) -> bool | None:
    """Return `value` if it is true or false, else None."""
    return value if isinstance(value, bool) else None


def list_of_values(value: object) -> list[Any]:
    """Unwrap Sentry's `{"values": […]}`, a bare list, or a bare object."""
    if is_list(value):
        return as_list(value)
    inner = as_dict(value)
    if "values" in inner:
        return as_list(inner["values"])
    return [inner] if inner else []


def list_of_pairs(value: object) -> list[tuple[str, Any]]:
    """Read an object, or a list of two-element lists, as pairs."""
    if is_dict(value):
        return [(str(key), item) for key, item in as_dict(value).items()]
    pairs: list[tuple[str, Any]] = []
    for pair in as_list(value):
        parts = as_list(pair)
        if len(parts) == 2 and as_text(parts[0]):
            pairs.append((as_text(parts[0]), parts[1]))
    return pairs
